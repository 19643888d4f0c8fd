"""The part of a beta-VAE's latents that stays as it is for an utterance: a voice, a room, a level.

One vector s a sequence, with prior N(0, I). The frames of each latent are evidence of it: e(x_i) = s + noise of
variance 1/p in each dimension, p trained. So what is known of s after t latents is a running mean, drawn to 0 as long
as little is known, and looks at nothing later:

    q(s | x_1, ..., x_t) = N(p Σ e(x_i) / (1 + t p), 1 / (1 + t p))

It costs its KL once a sequence, when all latents are known. On the way there, each latent costs what it adds: if s and
the noise are as assumed, the mean of Σ KL(q_t ‖ q_{t-1}) is that of KL(q_T ‖ q_0).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latentdyn.models.from_zero import FromZero
from latentdyn.models.vae.objectives import Posterior

_LEAST_SHARE = 1e-3  # of a direction's variance, that it is taken to have between sequences and within them


class Halves(NamedTuple):
    """Means of the first and of the second half of some training sequences of T latents, (N, numbers) float64 each."""

    first: Tensor
    second: Tensor
    n_latents: int


class Staying(NamedTuple):
    """What differs between sequences, as k directions tell it.

    axes: (numbers, k), orthonormal. variances: (k,) between sequences. precision: (k,), of one latent as evidence of
    it, in units of the variance: 1 / (T × what the mean of T latents errs by).
    """

    axes: Tensor
    variances: Tensor
    precision: Tensor


def staying(halves: Halves, dim: int) -> Staying:
    """The `dim` directions in which the two halves of a sequence have most in common.

    What does not stay is in both halves' means, too, but is not the same there. So their covariance with each other is
    that of what stays, and what the mean of both has beyond it is error.
    """
    a, b = (half - half.mean(0) for half in (halves.first, halves.second))
    common = (a.T @ b + b.T @ a) / (2 * len(a))
    axes = torch.linalg.eigh(common)[1].flip(1)[:, :dim]
    of_means = ((a + b) / 2 @ axes).square().mean(0)
    variances = ((a @ axes) * (b @ axes)).mean(0).clamp_min(_LEAST_SHARE * of_means)
    error = (of_means - variances).clamp_min(_LEAST_SHARE * of_means)
    return Staying(axes, variances, variances / (halves.n_latents * error))


class StaticPart(nn.Module):
    """What latents so far tell of the vector that stays.

    Args:
        source_dim: D of the source. stack: frames of a latent. dim: of the vector. network: beside the line from a
            latent's frames to its evidence.
    """

    def __init__(self, source_dim: int, stack: int, dim: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.source_dim, self.stack = source_dim, stack
        self.line = nn.Linear(stack * source_dim, dim)
        self.network = FromZero(network, source_dim, stack, dim)
        self.log_precision = nn.Parameter(torch.zeros(dim))

    def start(self, into: Tensor, mean: Tensor, precision: Tensor) -> None:
        """Begin with the evidence `into` (dim, numbers) of frames less their mean (numbers,)."""
        with torch.no_grad():
            self.line.weight.copy_(into)
            self.line.bias.copy_(-into @ mean)
            self.log_precision.copy_(precision.log())

    def forward(self, stacked: Tensor, noise: torch.Generator | None) -> Posterior:
        """What is known of the vector with each latent, for (B, T, stack D); one draw a sequence.

        Frames that are not finite are no evidence.
        """
        evidence = self.line(stacked) + self.network(stacked.reshape(-1, self.stack, self.source_dim)).unflatten(
            0, stacked.shape[:2]
        )
        finite = stacked.isfinite().all(2, keepdim=True)
        total = torch.where(finite, evidence, 0).cumsum(1)
        precision = self.log_precision.exp()
        known = 1 + finite.cumsum(1) * precision
        mean, log_variance = precision * total / known, -known.log()
        if noise is None:
            return Posterior(mean, log_variance, mean)
        draw = torch.randn(mean[:, :1].shape, generator=noise, device=mean.device)
        return Posterior(mean, log_variance, mean + (0.5 * log_variance).exp() * draw)
