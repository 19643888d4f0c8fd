"""Mixtures of diagonal Gaussians (Bishop 1994, Mixture Density Networks, eq. 22 to 24), and Gaussians as their K = 1.

Two forms of one density: `DiagonalGaussianMixture` answers every question in the data's own units;
`mixture_nll` is the training loss, forward and backward fused over the raw output of a network's last layer.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentdyn.distributions.density import Density, unit_of

_LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class DiagonalGaussianMixture(Density):
    """p(x) = Σ_k π_k N(x; μ_k, diag σ_k²), one mixture a row.

    log_weights: (B, K), normalised. means, log_sigmas: (B, K, D).
    """

    log_weights: Tensor
    means: Tensor
    log_sigmas: Tensor

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        z = (x.unsqueeze(1) - self.means) * torch.exp(-self.log_sigmas)
        return torch.logsumexp(self.log_weights + _log_normal(z, self.log_sigmas), dim=1)

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        return torch.einsum("bk,bkd->bd", self.log_weights.exp(), self.means)

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,).

        ||x||² of each component has known mean m = Σ(μ²+σ²) and variance v = Σ(2σ⁴+4μ²σ²); a Gamma law with these
        moments (Satterthwaite's approximation; exact for equal σ and μ = 0) gives E[ln ||x||²] = ψ(m²/v) + ln(v/m).
        """
        unit = unit_of(torch.maximum(self.means.abs(), self.log_sigmas.exp()))
        squares, variances = (self.means / unit).square(), torch.exp(2 * (self.log_sigmas - math.log(unit)))
        m = (squares + variances).sum(-1)
        v = (2 * variances.square() + 4 * squares * variances).sum(-1)
        log_norm = 0.5 * (torch.digamma(m.square() / v) + torch.log(v / m)) + math.log(unit)
        return (self.log_weights.exp() * log_norm).sum(-1)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D)."""
        component = sample_components(self.log_weights, temperature, generator)
        row = torch.arange(len(component), device=component.device)
        mean, log_sigma = self.means[row, component], self.log_sigmas[row, component]
        noise = torch.empty_like(mean).normal_(std=math.sqrt(temperature), generator=generator)
        return mean + log_sigma.exp() * noise


def sample_components(log_weights: Tensor, temperature: float, generator: torch.Generator) -> Tensor:
    """The component (B,) of one draw a row, from log weights (B, K) over the temperature.

    By exponential races (log w - ln e is largest for k with probability w_k). `torch.multinomial` refuses a whole batch
    for one row of NaN, where a model that overflowed is to be shown.
    """
    races = torch.empty_like(log_weights).exponential_(generator=generator)
    return (log_weights / temperature - races.log()).argmax(dim=1)


def diagonal_gaussian(mean: Tensor, log_sigma: Tensor) -> DiagonalGaussianMixture:
    """N(x; mean, diag σ²) from mean and log_sigma (B, D)."""
    return DiagonalGaussianMixture(mean.new_zeros(len(mean), 1), mean.unsqueeze(1), log_sigma.unsqueeze(1))


def split_parameters(
    parameters: Tensor, n_components: int, log_sigma_min: float, log_sigma_max: float
) -> DiagonalGaussianMixture:
    """The mixture that a last layer's output (B, K + 2KD) stands for: logits, then means, then log sigmas (clamped)."""
    k = n_components
    d = (parameters.shape[1] - k) // (2 * k)
    logits, means, log_sigmas = parameters.split([k, k * d, k * d], dim=1)
    return DiagonalGaussianMixture(
        torch.log_softmax(logits, dim=1),
        means.unflatten(1, (k, d)),
        log_sigmas.unflatten(1, (k, d)).clamp(log_sigma_min, log_sigma_max),
    )


def mixture_nll(parameters: Tensor, x: Tensor, n_components: int, log_sigma_min: float, log_sigma_max: float) -> Tensor:
    """-log p(x), (B,), of `split_parameters(parameters, ...)`, at about half the cost of autograd through it.

    The gradient is analytic, with responsibilities r_k: ∂/∂μ = -r z/σ, ∂/∂log σ = r (1 - z²), ∂/∂logit = π - r, and
    ∂/∂x = Σ_k r_k z/σ_k where x needs one. That of `parameters` is written straight into one buffer, where autograd
    would pad and add a buffer for each slice.
    """
    settings = (n_components, log_sigma_min, log_sigma_max)
    nll: Tensor = _MixtureNLL.apply(parameters, x, *settings)  # type: ignore[no-untyped-call]
    return nll


class _MixtureNLL(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, parameters: Tensor, x: Tensor, k: int, log_sigma_min: float, log_sigma_max: float) -> Tensor:
        mixture = split_parameters(parameters, k, log_sigma_min, log_sigma_max)
        inverse_sigmas = torch.exp(-mixture.log_sigmas)
        z = (x.unsqueeze(1) - mixture.means).mul_(inverse_sigmas)
        joint = mixture.log_weights + _log_normal(z, mixture.log_sigmas)
        log_prob = torch.logsumexp(joint, dim=1)
        responsibilities = torch.exp(joint - log_prob[:, None])
        ctx.save_for_backward(parameters, mixture.log_weights, mixture.log_sigmas, responsibilities, z, inverse_sigmas)
        return -log_prob

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        parameters, log_weights, clamped, responsibilities, z, inverse_sigmas = ctx.saved_tensors
        (gradient,), (b, k, d) = gradients, z.shape
        out = torch.empty_like(parameters)
        weights = (gradient[:, None] * responsibilities).unsqueeze(2)
        torch.mul(gradient[:, None], log_weights.exp() - responsibilities, out=out[:, :k])
        weighted = z * -weights
        means = out[:, k : k + k * d].view(b, k, d)
        torch.mul(weighted, inverse_sigmas, out=means)
        log_sigmas = out[:, k + k * d :].view(b, k, d)
        torch.addcmul(weights, weighted, z, out=log_sigmas)
        log_sigmas.mul_(parameters[:, k + k * d :].view(b, k, d) == clamped)  # no gradient where the clamp holds
        of_x = -means.sum(1) if ctx.needs_input_grad[1] else None
        return out, of_x, None, None, None


def _log_normal(z: Tensor, log_sigmas: Tensor) -> Tensor:
    """Σ_d log N(z_d; 0, 1) - log σ_d for z, log_sigmas (B, K, D) -> (B, K)."""
    squares: Tensor = torch.linalg.vecdot(z, z)
    return -0.5 * squares - log_sigmas.sum(-1) - 0.5 * z.shape[-1] * _LOG_2PI
