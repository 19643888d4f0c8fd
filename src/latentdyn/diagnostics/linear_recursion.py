"""What a stale recursion does by itself: the best linear map of one stale frame, run as predictors are.

The exact predictor of a stable process can explode in a free run at k >= 2, because its recursion is not the process.
Of x_t = A x_{t-1} + e_t, the exact mean is E[Δx_s | x_{s-k}] = (A - I) A^{k-1} x_{s-k}, and

    x̂_s = x̂_{s-1} + (A - I) A^{k-1} x̂_{s-k}

has other eigenvalues than A: at k = 2 they are those of A and of I - A. An eigenvalue of -.95 gives growth by 1.95 a
step. So a gap that explodes says something about the predictor only where the linear map's own gap does not.
"""

import torch
from torch import Tensor

from latentdyn.predictors.linear_gaussian import LinearGaussian
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.windows import Scaling, Windows

_FRAMES = 65_536
_BLOCK = 8192
_RIDGE = 1e-6  # of the mean variance


@torch.inference_mode()
def linear_predictor(
    latents: Tensor, train: FrameIndex, window_frames: int, k: int, scaling: Scaling, names: tuple[object, ...]
) -> LinearGaussian:
    """Δx_t | c ~ N(b + M x_{t-k}, R) by least squares, as a predictor with contexts of W frames, so that it runs freely
    for as long as others do.

    Args:
        train: frames to fit to; at most 65,536 of them are used, drawn by `names`.
    """
    windows = Windows.of(latents, train.draw(_FRAMES, (*names, "linear")), 1)
    predictor = LinearGaussian(windows.dim, window_frames, covariance="full", ridges=[_RIDGE]).to(latents.device)
    predictor.set_scaling(scaling)
    dim = windows.dim
    mean = torch.zeros(2 * dim, dtype=torch.float64)
    products = torch.zeros(2 * dim, 2 * dim, dtype=torch.float64)
    for start in range(0, len(windows), _BLOCK):
        context, delta = windows.batch(slice(start, start + _BLOCK), k)
        x = predictor.standardized(context.double())[:, 0]
        both = torch.cat([x, (delta.double() - predictor.delta_mean) / predictor.delta_std], dim=1)
        mean += both.sum(0).cpu() / len(windows)
        products += (both.T @ both).cpu() / len(windows)
    moments = products - torch.outer(mean, mean)
    of_x, cross, of_y = moments[:dim, :dim], moments[:dim, dim:], moments[dim:, dim:]
    ridge = _RIDGE * of_x.diagonal().mean() * torch.eye(dim, dtype=torch.float64)
    weight = torch.linalg.lstsq(of_x + ridge, cross).solution
    residual = of_y - weight.T @ cross - cross.T @ weight + weight.T @ of_x @ weight
    factor, _ = torch.linalg.cholesky_ex(residual + _RIDGE * torch.eye(dim, dtype=torch.float64))
    unit = scaling.delta_std
    predictor.weight[-dim:] = (weight * unit).to(predictor.weight)
    predictor.bias.copy_(scaling.delta_mean + (mean[dim:] - mean[:dim] @ weight) * unit)
    predictor.factor.copy_(unit[:, None] * factor)
    return predictor.eval()
