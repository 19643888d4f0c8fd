"""What white noise scores: the cosine that its best predictor reaches, for noise with the covariance of the frames.

Steps of white noise go back to the mean, so a predictor of them is right about the direction although nothing can be
predicted: at k = 1 the best mean of Δx_t = x_t - x_{t-1} is -(x_{t-1} - mean). From k = 2 on the context is independent
of both frames, the best mean is 0 and has no direction, and any other mean scores 0 on average.
"""

import numpy as np
import torch
from torch import Tensor

from latentdyn.stores.windows import Windows

_BLOCK = 2048
_NODES = np.exp(np.arange(-40, 40.25, 0.5))  # of the trapezoid in ln a; its error is below 1e-8


def frame_variances(train: Windows, mean: Tensor, std: Tensor) -> np.ndarray:
    """Variances (D,) of the target frames of `train` along their principal axes, as shares: they add up to about 1.

    Args:
        mean, std: (D,), of the same frames.
    """
    mean, std = mean.to(train.latents.device), std.to(train.latents.device)
    scale = std.norm()  # so that no square leaves the range of a float32
    second = torch.zeros(train.dim, train.dim, dtype=torch.float64, device=mean.device)
    for rows in train.rows.split(_BLOCK):
        x = ((train.latents[rows].double() - mean) / scale).float()
        second += (x.T @ x).double()
    return torch.linalg.eigvalsh(second.cpu() / len(train)).clamp_min(0).numpy()


def white_noise_cosine(variances: np.ndarray, k: int) -> float:
    """E[cos(x - mean, x - y)] of independent x and y with these variances (D,); 0 at k >= 2.

    With 1 / ‖v‖ = π^(-1/2) ∫ a^(-1/2) exp(-a ‖v‖²) da for both lengths, the expectation over each axis is Gaussian:
    1/π ∫∫ (ab)^(-1/2) Π_i d_i^(-1/2) Σ_i s_i / d_i da db, where d_i = 1 + 2 s_i a + 4 s_i b + 4 s_i² a b and s_i are
    the variances. It is 1/2 in one dimension and tends to 1/√2 in many.
    """
    if k > 1:
        return 0.0
    share = variances / variances.sum()
    total, b = 0.0, _NODES[:, None]
    for a in _NODES:
        d = 1 + 2 * share * (a + 2 * b) + 4 * share**2 * a * b
        total += np.sqrt(a * _NODES) @ (np.exp(-0.5 * np.log(d).sum(1)) * (share / d).sum(1))
    step = float(np.log(_NODES[1] / _NODES[0]))
    return float(total) * step**2 / np.pi
