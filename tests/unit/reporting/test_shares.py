"""Intervals of shares: against scipy's own exact binomial test, at both ends, and how many trials a claim takes."""

import numpy as np
import pytest
from scipy.stats import binomtest

from latentdyn.reporting.questions import asked
from latentdyn.reporting.shares import exact_interval


@pytest.mark.parametrize(("successes", "n"), [(0, 64), (1, 64), (5, 64), (63, 64), (64, 64), (0, 1), (1, 1), (7, 20)])
def test_bounds_are_those_of_the_exact_binomial_test(successes, n):
    expected = binomtest(successes, n).proportion_ci(0.95, method="exact")
    low, high = exact_interval(np.array([successes / n]), np.array([n]))
    np.testing.assert_allclose([low[0], high[0]], expected, atol=1e-12)


def test_neither_no_nor_all_runs_make_an_interval_of_width_zero():
    low, high = exact_interval(np.array([0.0, 1.0]), np.array([64, 64]))
    assert low[0] == 0 and high[0] == pytest.approx(1 - 0.025 ** (1 / 64))  # (1 - p)^64 = 2.5 %
    assert high[1] == 1 and low[1] == pytest.approx(0.025 ** (1 / 64))


def test_a_question_says_how_many_runs_would_show_it():
    (question,) = [entry for entry in asked().questions.root if entry.name == "bounded"]
    of = np.arange(1, 1000)
    _, high = exact_interval(np.zeros(len(of)), of)
    assert f"({of[high < question.than][0]} runs, none of them lost, would show it)" in question.question
