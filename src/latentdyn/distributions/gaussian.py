"""Gaussians with one covariance for all rows: what a linear model with a full residual covariance predicts."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.distributions.density import Density, unit_of
from latentdyn.errors import UserError


def cholesky(covariance: Tensor) -> Tensor:
    """The lower factor L (D, D) of a covariance L Lᵀ.

    Raises:
        UserError: the covariance is singular, so that no density with it exists.
    """
    factor: Tensor
    factor, singular = torch.linalg.cholesky_ex(covariance)
    if singular:
        raise no_density(len(covariance))
    return factor


def no_density(dim: int) -> UserError:
    """What to tell a user whose covariance is singular."""
    return UserError(
        f"training deltas do not span all {dim} dimensions, so that no density with their full covariance exists",
        "the representation's latents",
        "set covariance of the predictor to diagonal, use more training frames, or reduce the dimensions",
    )


@dataclass(frozen=True)
class FullGaussian(Density):
    """N(x; mean_b, L Lᵀ): means (B, D), one lower-triangular factor L (D, D) for all rows."""

    means: Tensor
    factor: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        z: Tensor = torch.linalg.solve_triangular(self.factor, (x - self.means).T, upper=False)
        log_det = self.factor.diagonal().log().sum()
        return -0.5 * z.square().sum(0) - log_det - 0.5 * len(z) * math.log(2 * math.pi)

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        return self.means

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,), by the Gamma law with the mean and variance of ||x||² (see gaussian_mixture)."""
        unit = unit_of(torch.maximum(self.means.abs().max(), self.factor.abs().max()))
        means, factor = self.means / unit, self.factor / unit
        covariance = factor @ factor.T
        m = means.square().sum(-1) + covariance.trace()
        v = 2 * covariance.square().sum() + 4 * ((means @ factor).square()).sum(-1)
        return 0.5 * (torch.digamma(m.square() / v) + torch.log(v / m)) + math.log(unit)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D)."""
        noise = torch.empty_like(self.means).normal_(std=math.sqrt(temperature), generator=generator)
        return self.means + noise @ self.factor.T
