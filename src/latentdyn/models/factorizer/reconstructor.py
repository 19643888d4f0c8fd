"""The reconstructor: a frame from its state and its innovation."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.models.from_zero import FromZero

LOG_SIGMA_MIN, LOG_SIGMA_MAX = -5.0, 3.0


class Reconstructor(nn.Module):
    """x_t ~ N(g(z_t, u_t), σ²), in principal axes.

    Args:
        form: `joint`, or `additive`: the network reads the state alone, and the innovation enters by its line.
        learned_sigma: one deviation for each axis is trained.
    """

    log_sigma: Tensor

    def __init__(
        self, source_dim: int, state_dim: int, innovation_dim: int, form: str, sigma: float, learned_sigma: bool,
        network: dict[str, Any],
    ) -> None:  # fmt: skip
        super().__init__()
        self.additive, self.learned_sigma = form == "additive", learned_sigma
        self.of_state = nn.Linear(state_dim, source_dim)
        self.of_innovation = nn.Linear(innovation_dim, source_dim, bias=False)
        self.beside = FromZero(network, state_dim + (0 if self.additive else innovation_dim), 1, source_dim)
        log_sigma = torch.full((source_dim,), math.log(sigma))
        if learned_sigma:
            self.log_sigma = nn.Parameter(log_sigma)
        else:
            self.register_buffer("log_sigma", log_sigma)

    def forward(self, states: Tensor, innovations: Tensor) -> Tensor:
        """g (B, T, D) of states (B, T, d) and innovations (B, T, r)."""
        reads = states if self.additive else torch.cat([states, innovations], dim=2)
        beside = self.beside(reads.flatten(0, 1)[:, None]).unflatten(0, reads.shape[:2])
        rebuilt: Tensor = self.of_state(states) + self.of_innovation(innovations) + beside
        return rebuilt

    @property
    def bounded_log_sigma(self) -> Tensor:
        """ln σ (D,): a trained one is kept within bounds."""
        return self.log_sigma.clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX) if self.learned_sigma else self.log_sigma

    def nll(self, frames: Tensor, rebuilt: Tensor) -> Tensor:
        """-ln N(x; g, σ²), (B, T) in nats."""
        log_sigma = self.bounded_log_sigma
        square = ((frames - rebuilt) * (-log_sigma).exp()).square()
        return (0.5 * square + log_sigma + 0.5 * math.log(2 * math.pi)).sum(2)

    def clamped(self) -> int:
        """How many trained deviations are at a bound."""
        return at_bounds(self.log_sigma, LOG_SIGMA_MIN, LOG_SIGMA_MAX) if self.learned_sigma else 0


def at_bounds(values: Tensor, low: float, high: float) -> int:
    """How many numbers are at a bound or beyond it."""
    return int(((values <= low + 1e-3) | (values >= high - 1e-3)).sum())
