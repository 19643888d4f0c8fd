"""The energy score of a density that can do no more than draw (Gneiting & Raftery 2007, eq. 21, with β = 1).

    ES(P, x) = E||X - x|| - ½ E||X - X'||        X, X' ~ P independent

Lower is better, and no P is expected to score better than the law of x itself. In one dimension it is the continuous
ranked probability score. Distances are in deviations of the training frames, dimension by dimension. Of a step and of
the state that it leads to from a known one, the score is the same: the known state cancels in every difference.
"""

import math

import torch
from torch import Tensor

from latentdyn.distributions.density import Density
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian


def energy_score(draws: Tensor, x: Tensor, std: Tensor) -> Tensor:
    """The score (B,) of m >= 2 draws a row, (B, m, D), at x (B, D), in units of std (D,); float64.

    Unbiased: E||X - X'|| is the mean over pairs of different draws. +inf where a draw overflowed.
    """
    m = draws.shape[1]
    deviations = (draws - x[:, None]).double() / std.double()
    to_x = deviations.norm(dim=2).mean(dim=1)
    pairs = torch.cdist(deviations, deviations, compute_mode="donot_use_mm_for_euclid_dist")
    score = to_x - pairs.sum(dim=(1, 2)) / (2 * m * (m - 1))
    return torch.where(score.isfinite(), score, math.inf)


def energy_of_density(density: Density, x: Tensor, std: Tensor, draws: int, generator: torch.Generator) -> Tensor:
    """The score (B,) of a density at x (B, D), by so many draws a row."""
    return energy_score(torch.stack([density.sample(generator) for _ in range(draws)], dim=1), x, std)


def unconditional(mean: Tensor, std: Tensor, rows: int) -> Density:
    """N(mean, diag std²) of moments (D,), the same for so many rows: what is known without a context."""
    return diagonal_gaussian(mean.expand(rows, -1), std.log().expand(rows, -1))
