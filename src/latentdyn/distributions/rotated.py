"""A mixture whose components are diagonal in other axes than the coordinates'."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.distributions.density import Density
from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture
from latentdyn.distributions.student_mixture import DiagonalStudentMixture


@dataclass(frozen=True)
class RotatedMixture(Density):
    """The density of x = y Rᵀ for y from a mixture; `axes` R (D, D) is orthogonal, so volumes and lengths are kept.

    log_sigma_bounds: (D,) each, where the mixture's log sigmas were clamped.
    """

    mixture: DiagonalGaussianMixture | DiagonalStudentMixture
    axes: Tensor
    log_sigma_bounds: tuple[Tensor, Tensor]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        return self.mixture.log_prob(x @ self.axes)

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        return self.mixture.mean() @ self.axes.T

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,)."""
        return self.mixture.mean_log_norm()

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D)."""
        return self.mixture.sample(generator, temperature) @ self.axes.T

    def facts(self) -> dict[str, Tensor]:
        """`sigma_at_clamp`: share of (component, dimension) whose log sigma is at a bound, components by weight."""
        low, high = self.log_sigma_bounds
        at_clamp = (self.mixture.log_sigmas <= low) | (self.mixture.log_sigmas >= high)
        weights = self.mixture.log_weights.exp()
        return {"sigma_at_clamp": (weights * at_clamp.to(weights).mean(-1)).sum(-1)}
