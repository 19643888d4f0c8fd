"""The jackknife's interval: a closed form that it must equal, and how often it holds a value that is known."""

import math

import numpy as np
import pytest
from scipy.stats import t as student_t

from latentdyn.diagnostics.jackknife import jackknife_interval
from tests.indexed import whole_index
from tests.unit.diagnostics.test_geometry import shape


def test_of_a_mean_it_is_students_interval():
    x = np.array([1.0, 2.0, 4.0, 9.0])
    sums = np.column_stack([x, np.ones(4)])
    low, high = jackknife_interval(sums, lambda total: math.exp(total[0] / total[1]))
    exact = student_t.interval(0.95, 3, loc=x.mean(), scale=x.std(ddof=1) / 2)
    assert (math.log(low), math.log(high)) == pytest.approx(exact)


def test_it_holds_an_estimate_that_its_centre_leaves_behind():
    # ln of the total less 40 / S: equal speakers have no deviation, and the centre is at ln of the total
    low, high = jackknife_interval(np.ones((4, 1)), lambda total: math.exp(-40 / total[0]))
    assert low == math.exp(-10)
    assert high == pytest.approx(math.exp(4 * -10 - 3 * -40 / 3))  # the bias of 1 / S is gone


@pytest.mark.parametrize("sums", [np.ones((1, 1)), np.array([[1.0], [0.0]]), np.array([[1.0], [np.nan]])])
def test_without_several_speakers_who_all_count_there_is_none(sums):
    assert np.isnan(jackknife_interval(sums, lambda total: float(total[0]))).all()


def test_it_holds_the_exact_participation_ratio_as_often_as_it_says_and_always_its_own_estimate():
    """Gaussian frames of 10 speakers with means of their own; percentiles of a bootstrap hold the exact ratio in none
    of the samples."""
    generator, frames = np.random.default_rng(0), whole_index([30] * 10)
    variances = np.exp(-0.1 * np.arange(8))
    exact = variances.sum() ** 2 / np.square(variances).sum()
    held = 0
    for _ in range(60):
        means, noise = generator.standard_normal((10, 1, 8)), generator.standard_normal((10, 30, 8))
        x = (math.sqrt(0.3) * means + math.sqrt(0.7) * noise) * np.sqrt(variances)
        found = shape(x.reshape(300, 8), frames, n=30, resamples=0)["participation_ratio"]
        assert found.ci_low <= found.value <= found.ci_high
        held += found.ci_low <= exact <= found.ci_high
    assert held >= 54
