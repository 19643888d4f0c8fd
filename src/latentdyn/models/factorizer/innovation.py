"""The innovation: what a frame adds to its state, and what that costs.

The posterior reads one frame and its state, no context: what it tells is local (seed 002 §4).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latentdyn.models.from_zero import FromZero

LOG_VARIANCE_MIN, LOG_VARIANCE_MAX = -12.0, 6.0


class Gaussian(NamedTuple):
    """mean, log_variance: (B, T, r)."""

    mean: Tensor
    log_variance: Tensor

    def sample(self, noise: torch.Generator) -> Tensor:
        drawn = torch.randn(self.mean.shape, generator=noise, device=self.mean.device)
        return self.mean + (0.5 * self.log_variance).exp() * drawn

    def detach(self) -> "Gaussian":
        return Gaussian(self.mean.detach(), self.log_variance.detach())


def kl(q: Gaussian, p: Gaussian) -> Tensor:
    """KL(q ‖ p) of each dimension, (B, T, r) in nats."""
    square = q.log_variance.exp() + (q.mean - p.mean).square()
    return 0.5 * (p.log_variance - q.log_variance + square * (-p.log_variance).exp() - 1)


class Innovation(nn.Module):
    """Posterior and prior.

    Args:
        dim: r. prior: `standard` is N(0, I); `conditional` reads the state, and begins as N(0, I).
    """

    def __init__(self, source_dim: int, state_dim: int, dim: int, prior: str, network: dict[str, Any]) -> None:
        super().__init__()
        self.dim = dim
        self.line = nn.Linear(source_dim + state_dim, dim)
        self.log_variance = nn.Parameter(torch.zeros(dim))
        self.beside = FromZero(network, source_dim + state_dim, 1, 2 * dim)
        self.of_state = FromZero(network, state_dim, 1, 2 * dim) if prior == "conditional" else None

    def posterior(self, frames: Tensor, states: Tensor) -> Gaussian:
        """q(u_t | x_t, z_t) for frames (B, T, D) and states (B, T, d)."""
        both = torch.cat([frames, states], dim=2)
        mean, log_variance = _by_frame(self.beside, both).chunk(2, dim=2)
        log_variance = (self.log_variance + log_variance).clamp(LOG_VARIANCE_MIN, LOG_VARIANCE_MAX)
        return Gaussian(self.line(both) + mean, log_variance)

    def prior(self, states: Tensor) -> Gaussian:
        """p(u_t | z_t)."""
        if self.of_state is None:
            nothing = states.new_zeros(*states.shape[:2], self.dim)
            return Gaussian(nothing, nothing)
        mean, log_variance = _by_frame(self.of_state, states).chunk(2, dim=2)
        return Gaussian(mean, log_variance.clamp(LOG_VARIANCE_MIN, LOG_VARIANCE_MAX))


def _by_frame(network: FromZero, frames: Tensor) -> Tensor:
    outputs: Tensor = network(frames.flatten(0, 1)[:, None]).unflatten(0, frames.shape[:2])
    return outputs
