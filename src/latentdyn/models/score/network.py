"""The score of noisy latents, s(z, σ) = ∇ log p_σ(z), by denoising (Vincent 2011; Song & Ermon 2019).

z is one frame in deviations of the training frames, (x - m) / d for each dimension, and p_σ is the density of z + σ ε
with ε ~ N(0, I). Frames are not whitened. So isotropic noise takes a frame far off along the directions in which
latents hardly vary, and the score leads back along these directions. In whitened frames, a step away from the latents
would be as small as a step along them.

The network predicts the noise, and s = -ε̂ / σ. Its output is added to the noise that a Gaussian of the training frames'
covariance S would predict,

    ε̂(z, σ) = σ (S + σ² I)⁻¹ z + F(z / sqrt(1 + σ²), ln σ)

(a preconditioning like that of Karras et al. 2022, with S in place of one variance). F is 0 at first, so the score of
Gaussian latents is exact before any training. A last normalisation bounds F, so far from all data the score is that of
the Gaussian.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.stores.runs import Runs

_BLOCK = 8192
_LEVEL = 32  # width of the features of the noise level


class ScoreModel(nn.Module):
    """ε̂ and the score at any level from sigma_min to sigma_max. All that it knows of the data is in its state_dict."""

    frame_mean: Tensor
    frame_std: Tensor
    variances: Tensor
    axes: Tensor

    def __init__(self, dim: int, *, width: int, blocks: int, sigma_min: float, sigma_max: float) -> None:
        super().__init__()
        self.dim, self.sigma_min, self.sigma_max = dim, sigma_min, sigma_max
        self.register_buffer("frame_mean", torch.zeros(dim))
        self.register_buffer("frame_std", torch.ones(dim))
        self.register_buffer("variances", torch.ones(dim))  # of S along its eigenvectors, which are the columns of axes
        self.register_buffer("axes", torch.eye(dim))
        self.enter = nn.Linear(dim, width)
        self.level = nn.Sequential(nn.Linear(1, _LEVEL), nn.GELU())
        self.blocks = nn.ModuleList(_Block(width) for _ in range(blocks))
        self.norm, self.leave = nn.LayerNorm(width), nn.Linear(width, dim)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def set_moments(self, latents: Tensor, rows: Tensor | Runs) -> None:
        """Take mean, deviation and covariance from these rows (n,) of latents (n_rows, D), in float64.

        Raises:
            UserError: a dimension does not vary.
        """
        total = torch.zeros(self.dim, dtype=torch.float64, device=latents.device)
        products = total.new_zeros(self.dim, self.dim)
        shift = latents[rows[:1]][0].double()  # a nearby point, so that nothing cancels
        for block in rows.split(_BLOCK):
            x = latents[block].double() - shift
            total += x.sum(0)
            products += x.T @ x
        mean = total / len(rows)
        covariance = products / len(rows) - torch.outer(mean, mean)
        std = covariance.diagonal().clamp_min(0).sqrt()
        still = torch.nonzero(std == 0).flatten().tolist()
        if still:
            raise UserError(
                f"{len(still)} of {self.dim} latent dimensions never change on the training frames (the first is "
                f"dimension {still[0]})",
                "the representation's latents",
                "leave constant dimensions out: they have no deviation, in which noise is measured",
            )
        variances, axes = torch.linalg.eigh(covariance / torch.outer(std, std))
        self.frame_mean.copy_(mean + shift)
        self.frame_std.copy_(std)
        self.variances.copy_(variances.clamp_min(0))
        self.axes.copy_(axes)

    def standardized(self, x: Tensor) -> Tensor:
        """Latents (..., D) in deviations of the training frames."""
        return (x - self.frame_mean) / self.frame_std

    def restored(self, z: Tensor) -> Tensor:
        """Back to the latents' own units."""
        return self.frame_mean + z * self.frame_std

    def gaussian_noise(self, z: Tensor, sigma: Tensor) -> Tensor:
        """σ (S + σ² I)⁻¹ z, (B, D), of z (B, D) at levels (B,): E[ε given z + σ ε] of Gaussian latents."""
        sigma = sigma[:, None]
        return (z @ self.axes) * (sigma / (self.variances + sigma.square())) @ self.axes.T

    def gaussian_score(self, z: Tensor, sigma: float) -> Tensor:
        """-(S + σ² I)⁻¹ z, (B, D), of z (B, D): what the score is of Gaussian latents."""
        return -self.gaussian_noise(z, z.new_full((len(z),), sigma)) / sigma

    def noise(self, z: Tensor, sigma: Tensor) -> Tensor:
        """ε̂ (B, D) of noisy standardised frames z (B, D) at levels σ (B,)."""
        low, high = math.log(self.sigma_min), math.log(self.sigma_max)
        level = self.level(2 * (sigma.log()[:, None] - low) / (high - low) - 1)
        h = self.enter(z / (1 + sigma.square()).sqrt()[:, None])
        for block in self.blocks:
            h = block(h, level)
        return self.gaussian_noise(z, sigma) + self.leave(self.norm(h))

    def score(self, z: Tensor, sigma: float) -> Tensor:
        """∇ log p_σ(z), (B, D), of z (B, D)."""
        return -self.noise(z, z.new_full((len(z),), sigma)) / sigma


def build_score_model(settings: dict[str, Any], dim: int) -> ScoreModel:
    """A fresh model of the size and levels in `settings`: network, sigma_min and sigma_max; others are ignored."""
    levels = {name: settings[name] for name in ("sigma_min", "sigma_max")}
    return ScoreModel(dim, **settings["network"], **levels)


class _Block(nn.Module):
    """h + a layer that reads the normalised h and the noise level (pre-norm, as in a transformer)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.up, self.level, self.down = nn.Linear(width, width), nn.Linear(_LEVEL, width), nn.Linear(width, width)

    def forward(self, h: Tensor, level: Tensor) -> Tensor:
        return h + self.down(nn.functional.gelu(self.up(self.norm(h)) + self.level(level)))


def denoising_losses(predicted: Tensor, noise: Tensor) -> Tensor:
    """‖ε̂ - ε‖² / D, (B,): σ² ‖s + ε/σ‖² / D (Song & Ermon 2019, eq. 5, weighted by σ²).

    A model that always predicts zero scores 1 on average.
    """
    return (predicted - noise).square().mean(dim=1)
