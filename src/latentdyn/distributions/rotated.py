"""A mixture whose components are diagonal in other axes than the coordinates'."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture


@dataclass(frozen=True)
class RotatedMixture:
    """The density of x = y Rᵀ for y from a mixture; `axes` R (D, D) is orthogonal, so volumes and lengths are kept."""

    mixture: DiagonalGaussianMixture
    axes: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        return self.mixture.log_prob(x @ self.axes)

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        return self.mixture.mean() @ self.axes.T

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,)."""
        return self.mixture.mean_log_norm()

    def sample(self, generator: torch.Generator) -> Tensor:
        """One draw a row, (B, D)."""
        return self.mixture.sample(generator) @ self.axes.T
