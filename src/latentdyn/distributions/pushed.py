"""Densities that are normals pushed through a map: they draw, and what they average they average over draws."""

import math
from functools import cached_property

import torch
from torch import Tensor

from latentdyn.distributions.density import Density
from latentdyn.seeds import torch_generator


class Pushed(Density):
    """The law of push(z), z ~ N(0, I), for each of `rows` rows.

    `mean` and `mean_log_norm` are averages over `mean_samples` draws, in pairs (an odd number is rounded up).
    """

    rows: int
    mean_samples: int

    def push(self, z: Tensor) -> Tensor:
        """Normals (B, D) -> x (B, D)."""
        raise NotImplementedError  # abstract

    def like(self) -> Tensor:
        """A tensor (D,) of the type and on the device of x."""
        raise NotImplementedError  # abstract

    def mean(self) -> Tensor:
        """E[x], (B, D), by Monte-Carlo.

        Normals come as pairs z and -z, so that all odd terms in z cancel. The mean is exact if the map is linear in z;
        otherwise its standard error is at most the deviation of x over the root of the number of pairs. All rows share
        the draws, and every call uses the same ones: the mean for a context depends on this context alone.
        """
        return self._averages[0]

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||], (B,), by the draws of `mean`. z and -z can give the same norm, so a pair counts as one draw."""
        return self._averages[1]

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw for each row, (B, D); `temperature` is the variance of the normals that are mapped."""
        normals = self.like().new_empty(self.rows, len(self.like()))
        return self.push(normals.normal_(std=math.sqrt(temperature), generator=generator))

    @cached_property
    def _averages(self) -> tuple[Tensor, Tensor]:
        pairs = -(-self.mean_samples // 2)
        half = torch.randn(pairs, len(self.like()), generator=torch_generator("flow", "mean"))
        draws = torch.cat([half, -half]).to(self.like())
        total, log_norm = draws.new_zeros(self.rows, draws.shape[1]), draws.new_zeros(self.rows)
        for z in draws:  # one at a time: a spline has dozens of parameters for each dimension of a draw
            x = self.push(z.expand(self.rows, -1))
            total += x
            log_norm += x.norm(dim=1).log()
        return total / len(draws), log_norm / len(draws)
