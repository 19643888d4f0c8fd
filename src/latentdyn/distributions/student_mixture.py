"""Mixtures of Student's t (Peel & McLachlan 2000, Robust mixture modelling using the t distribution, eq. 3).

A multivariate t is a Gaussian whose covariance is divided by u ~ χ²_ν / ν, one u for all dimensions of a draw: steps
that are large in every dimension at once are less unlikely than under a Gaussian. As ν grows, it becomes the Gaussian.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.distributions.density import Density, unit_of
from latentdyn.distributions.gaussian_mixture import sample_components

_DOF_MIN, _DOF_START, _DOF_MAX = 2.1, 20.0, 1000.0


@dataclass(frozen=True)
class DiagonalStudentMixture(Density):
    """p(x) = Σ_k π_k t_{ν_k}(x; μ_k, diag σ_k²), one mixture a row; a component's variance is σ² ν / (ν - 2).

    log_weights, log_dofs: (B, K), the weights normalised, ν > 2. means, log_sigmas: (B, K, D).
    """

    log_weights: Tensor
    means: Tensor
    log_sigmas: Tensor
    log_dofs: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        z = (x.unsqueeze(1) - self.means) * torch.exp(-self.log_sigmas)
        dof, dim = self.log_dofs.exp(), x.shape[-1]
        normalizer = torch.lgamma(0.5 * (dof + dim)) - torch.lgamma(0.5 * dof) - 0.5 * dim * torch.log(math.pi * dof)
        tail = 0.5 * (dof + dim) * torch.log1p(torch.linalg.vecdot(z, z) / dof)
        return torch.logsumexp(self.log_weights + normalizer - self.log_sigmas.sum(-1) - tail, dim=1)

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        return torch.einsum("bk,bkd->bd", self.log_weights.exp(), self.means)

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,).

        Given u a component is a Gaussian, whose E[ln ||x||] is known (see gaussian_mixture); over t = ln u, with
        density ∝ exp(ν/2 (t - eᵗ)), the trapezoidal rule converges geometrically: 2e-5 off at ν = 2.1, less above. What
        remains is the error of the Gaussian's Gamma law where sigmas differ: within .005 from 16 dimensions on, .1 in
        one or two.
        """
        unit = unit_of(torch.maximum(self.means.abs(), self.log_sigmas.exp()))
        squares, variances = (self.means / unit).square(), torch.exp(2 * (self.log_sigmas - math.log(unit)))
        spread, cross = variances.square().sum(-1, keepdim=True), (squares * variances).sum(-1, keepdim=True)
        half = 0.5 * self.log_dofs.exp().unsqueeze(-1)
        t = torch.linspace(-12, 6, 37).to(half) / half.sqrt()  # in units of t's deviation, (B, K, nodes)
        scale = torch.exp(-t)
        m = squares.sum(-1, keepdim=True) + scale * variances.sum(-1, keepdim=True)
        v = 2 * scale.square() * spread + 4 * scale * cross
        log_norm = 0.5 * (torch.digamma(m.square() / v) + torch.log(v / m))
        given_component = (torch.softmax(half * (t - t.exp()), dim=-1) * log_norm).sum(-1)
        return (self.log_weights.exp() * (given_component + math.log(unit))).sum(-1)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D); a temperature leaves u as it is."""
        component = sample_components(self.log_weights, temperature, generator)
        row = torch.arange(len(component), device=component.device)
        mean, log_sigma = self.means[row, component], self.log_sigmas[row, component]
        half = 0.5 * self.log_dofs[row, component].exp()[:, None]
        u = torch._standard_gamma(half, generator=generator) / half  # torch.distributions' own; it takes no generator
        noise = torch.empty_like(mean).normal_(std=math.sqrt(temperature), generator=generator)
        return mean + log_sigma.exp() * noise / u.sqrt()


def bounded_log_dofs(raw: Tensor) -> Tensor:
    """ln ν between ln 2.1 and ln 1000, from a number of a network's last layer; 0 stands for ν = 20.

    Below 2 a component has no variance; above 1000 it is a Gaussian for all that data can tell. A logistic curve leads
    to these bounds, which leaves a gradient everywhere. At 20 the likelihood feels both heavier and lighter tails:
    near 1000 it is flat, and near 2 the scale σ is fitted to a few frames at the centre.
    """
    low, start, high = math.log(_DOF_MIN), math.log(_DOF_START), math.log(_DOF_MAX)
    return low + (high - low) * torch.sigmoid(raw + math.log((start - low) / (high - start)))
