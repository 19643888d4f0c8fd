"""Summaries against numpy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latentdyn.diagnostics.summaries import QUANTILES, quantile_name, robust_summary


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_finite_values_are_summarised_as_numpy_does(values):
    summary = robust_summary(np.array(values))
    assert summary["mean"] == pytest.approx(np.mean(values), rel=1e-9, abs=1e-6)
    for q in QUANTILES:
        assert summary[quantile_name(q)] == pytest.approx(np.quantile(values, q), rel=1e-9, abs=1e-6)
    assert (summary["min"], summary["max"], summary["nonfinite"]) == (min(values), max(values), 0)


def test_the_trimmed_mean_leaves_a_twentieth_out_at_either_end():
    values = np.arange(40.0)
    values[0], values[39] = -1e9, 1e9
    assert robust_summary(values)["trimmed"] == np.arange(2, 38).mean()


def test_overflows_are_counted_and_shown_not_averaged_away():
    summary = robust_summary(np.array([1.0, 2.0, np.inf, 3.0, np.nan]))
    assert summary["mean"] == np.inf and summary["max"] == np.inf and summary["nonfinite"] == 2
    assert summary["median"] == 2.5  # of 1, 2, 3, inf


def test_nothing_gives_nothing():
    summary = robust_summary(np.array([np.nan]))
    assert np.isnan(summary["mean"]) and summary["nonfinite"] == 1


def test_a_few_outliers_move_the_mean_and_not_the_median():
    values = np.random.default_rng(0).normal(size=100_000)
    shaken = values.copy()
    shaken[:10] *= 1e6
    before, after = robust_summary(values), robust_summary(shaken)
    assert abs(after["mean"] - before["mean"]) > 1
    assert abs(after["median"] - before["median"]) < 1e-3 and abs(after["trimmed"] - before["trimmed"]) < 1e-3
