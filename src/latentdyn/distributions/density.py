"""The interface of densities over a step, one density for each row of a batch.

Every density draws. It may also have a log-density, a mean, and so on: `gives` says which, and diagnostics ask it
first.
"""

import math

import torch
from torch import Tensor

_PLAIN = (1e-6, 1e6)  # sizes whose fourth powers float32 holds well


class Density:
    """One density over Δx in R^D for each of B rows.

    `sample` is what every kind has. `log_prob`, `mean`, `mean_log_norm` and `median` are there where a kind defines
    them.
    """

    def gives(self, name: str) -> bool:
        """Whether the density has the method `name`: log_prob, mean, mean_log_norm or median."""
        return getattr(type(self), name) is not getattr(Density, name)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D).

        At a temperature T > 0 each factor p of a draw (component, normal, direction) is p^(1/T), renormalised: logits
        and κ are divided by T, variances multiplied. It is not p(x)^(1/T) of the whole, which has no sampler.
        """
        raise NotImplementedError  # abstract

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        raise NotImplementedError(f"{type(self).__name__} has no log-density")

    def mean(self) -> Tensor:
        """E[x], (B, D)."""
        raise NotImplementedError(f"{type(self).__name__} has no mean")

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,)."""
        raise NotImplementedError(f"{type(self).__name__} has no mean of ln ||x||")

    def median(self) -> Tensor:
        """A step of typical length, (B, D), of a density whose mean is stretched by a heavy tail."""
        raise NotImplementedError(f"{type(self).__name__} has no median of its own")

    def log_prob_factors(self, x: Tensor) -> dict[str, Tensor]:
        """Of a density by direction and length, x = m d: their log-densities at x (B, D), (B,) in nats; else empty.

        `direction` is log p(d | m) on the unit sphere, `length` log p(m) on the half-line, so that log_prob is their
        sum less (D-1) ln m (seed 003 §1.1). Both are NaN at x = 0, which has no direction.
        """
        return {}

    def coarser(self) -> "Density | None":
        """The same density with a likelihood by half as many steps, where likelihoods are computed in steps."""
        return None

    def facts(self) -> dict[str, Tensor]:
        """What else is worth reporting of each row, (B,) by name: a concentration, whether a clamp is reached."""
        return {}


def unit_of(size: Tensor) -> float:
    """A power of 2 near the largest of these sizes, to compute fourth powers in; 1 where float32 needs none."""
    largest = float(size.max()) if size.numel() else 1.0
    if _PLAIN[0] <= largest <= _PLAIN[1] or not 0 < largest < math.inf:
        return 1.0
    return 2.0 ** round(math.log2(largest))
