"""A mixture whose components are diagonal in axes other than those of the coordinates."""

from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.distributions.density import Density
from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture
from latentdyn.distributions.student_mixture import DiagonalStudentMixture


@dataclass(frozen=True)
class RotatedMixture(Density):
    """The density of x = y Rᵀ for y from a mixture; `axes` R (D, D) is orthogonal, so volumes and lengths are kept.

    axes: None for the identity. log_sigma_bounds: (D,) each, where the mixture's log sigmas were clamped.
    """

    mixture: DiagonalGaussianMixture | DiagonalStudentMixture
    axes: Tensor | None
    log_sigma_bounds: tuple[Tensor, Tensor]

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        return self.mixture.log_prob(x if self.axes is None else x @ self.axes)

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        return self._turned(self.mixture.mean())

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,)."""
        return self.mixture.mean_log_norm()

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D)."""
        return self._turned(self.mixture.sample(generator, temperature))

    def facts(self) -> dict[str, Tensor]:
        """`sigma_at_clamp`: share of (component, dimension) whose log sigma is at a bound, components by weight."""
        low, high = self.log_sigma_bounds
        at_clamp = (self.mixture.log_sigmas <= low) | (self.mixture.log_sigmas >= high)
        weights = self.mixture.log_weights.exp()
        return {"sigma_at_clamp": (weights * at_clamp.to(weights).mean(-1)).sum(-1)}

    def _turned(self, y: Tensor) -> Tensor:
        return y if self.axes is None else y @ self.axes.T
