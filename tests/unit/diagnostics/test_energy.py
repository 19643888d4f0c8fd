"""The energy score against the closed form of a Gaussian in one dimension, and against its definition as loops."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import norm

from latentdyn.diagnostics.energy import energy_of_density, energy_score, unconditional


def test_the_estimate_is_the_definition_over_all_pairs():
    rng = np.random.default_rng(0)
    draws, x, std = rng.normal(size=(4, 5, 3)), rng.normal(size=(4, 3)), np.array([0.5, 1.0, 4.0])
    expected = []
    for i in range(4):
        to_x = [np.linalg.norm((draws[i, a] - x[i]) / std) for a in range(5)]
        between = [np.linalg.norm((draws[i, a] - draws[i, b]) / std) for a in range(5) for b in range(5) if a != b]
        expected.append(np.mean(to_x) - np.mean(between) / 2)
    mine = energy_score(*(torch.tensor(a) for a in (draws, x, std)))
    np.testing.assert_allclose(mine, expected, rtol=1e-12)


def crps(mean: float, sigma: float, x: float) -> float:
    """The score of N(mean, sigma²) in one dimension (Gneiting & Raftery 2007, eq. 5, with the sign turned)."""
    z = (x - mean) / sigma
    return sigma * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / math.sqrt(math.pi))


@pytest.mark.parametrize("draws", [2, 16])
@pytest.mark.parametrize("x", [-1.0, 0.3, 4.0])
def test_in_one_dimension_it_is_the_crps_whatever_the_number_of_draws(x, draws):
    rows, std = 40_000, torch.tensor([2.0])
    law = unconditional(torch.tensor([0.5]), torch.tensor([1.5]), rows)
    scores = energy_of_density(law, torch.full((rows, 1), x), std, draws, torch.Generator().manual_seed(0))
    error = 4 * float(scores.std()) / math.sqrt(rows)
    assert float(scores.mean()) == pytest.approx(crps(0.25, 0.75, x / 2), abs=error) and error < 0.02


def test_a_state_scores_as_the_step_that_leads_to_it():
    generator = torch.Generator().manual_seed(0)
    draws, x, known = (torch.randn(6, *shape, generator=generator) for shape in ((4, 3), (3,), (3,)))
    std = torch.tensor([1.0, 2.0, 3.0])
    torch.testing.assert_close(
        energy_score(known[:, None] + draws, known + x, std), energy_score(draws, x, std), rtol=1e-5, atol=1e-5
    )


def test_the_true_law_scores_best():
    rows, dim = 20_000, 4
    x = torch.randn(rows, dim, generator=torch.Generator().manual_seed(1))
    one, zero = torch.ones(dim), torch.zeros(dim)

    def score(mean, std):
        law = unconditional(mean, std, rows)
        return float(energy_of_density(law, x, one, 8, torch.Generator().manual_seed(2)).mean())

    best = score(zero, one)
    assert all(score(mean, std) > best + 0.01 for mean, std in ((zero, 0.6 * one), (zero, 1.6 * one), (one / 2, one)))


def test_a_draw_that_overflowed_is_an_overflow_of_its_row_alone():
    draws = torch.zeros(3, 2, 2)
    draws[1, 0, 1], draws[2, 1, 0] = math.nan, math.inf
    assert energy_score(draws, torch.ones(3, 2), torch.ones(2)).tolist() == [
        pytest.approx(math.sqrt(2)), math.inf, math.inf
    ]  # fmt: skip
