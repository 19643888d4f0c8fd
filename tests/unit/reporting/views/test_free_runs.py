"""The table of free runs: a row for each mode, columns by step and by lag, the floor in the row of the data."""

import math

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.records import RECORDS
from latentdyn.errors import UserError
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.views import free_runs
from latentdyn.reporting.views.free_runs import draw
from tests.unit.reporting.views.test_injection import injected

TABLE = {"predictors": ["p"], "seeds": [0], "splits": ["eval"]}
PLAN = {"corpus": "c", "rows": ["r"]}
VALUES = [
    ("sampled", "unbounded", None, 0.25),
    ("sampled", "energy", None, 1.5),
    ("sampled", "energy", 16, 1.25),
    ("sampled", "energy", 2, math.inf),
    ("sampled", "frechet_latents", None, 3.0),
    ("sampled", "autocorrelation_latents", 8, 0.5),
    ("data", "autocorrelation_latents", 8, 0.75),
    ("data", "frechet_latents", None, 0.5),
    ("mean", "unbounded", None, 0.0),
    (None, "unbounded", 256, 9.0),  # of the lagged diagnostic
    ("clustered", "energy", None, 9.0),  # of no diagnostic of ours
]


@pytest.fixture
def measured(handmade):
    for mode, metric, _, value in VALUES:
        handmade.add({metric: (value, 0.1, 2.0) if math.isfinite(value) else value}, mode=mode)
    records = handmade.measured.records.assign(step=pd.array([step for _, _, step, _ in VALUES], "Int64"))
    return Measurements(records.astype(RECORDS), handmade.measured.speakers, handmade.measured.worst_frames)


def test_values_by_hand(measured):
    rows = free_runs.tabulate(measured, TABLE, PLAN).rows.set_index("mode")
    assert rows.index.tolist() == ["sampled", "mean", "data"]
    sampled = rows.loc["sampled"]
    assert sampled[["unbounded", "energy", "energy_16", "frechet_latents"]].tolist() == [0.25, 1.5, 1.25, 3.0]
    assert sampled["energy_2"] == math.inf and sampled["n"] == 50
    assert sampled[["energy_ci_low", "energy_ci_high"]].tolist() == [0.1, 2.0]
    assert rows["autocorrelation_latents_8"].fillna(-1).tolist() == [0.5, -1, 0.75]
    assert rows.loc["data", "frechet_latents"] == 0.5 and math.isnan(rows.loc["data", "unbounded"])
    assert "step_length" not in rows and "frechet_deltas" not in rows  # that no row has


def test_a_row_without_metrics_is_an_error_that_names_it(measured):
    with pytest.raises(UserError, match="split = train"):
        free_runs.tabulate(measured, {**TABLE, "splits": ["train"]}, PLAN)


def test_lines_are_over_steps_and_lags():
    runs = {None: {"energy": 7.0}, **{s: {"energy": 1.0 * s, "step_length": 2.0} for s in (1, 16)}}
    lags = {1: {"autocorrelation_latents": 0.5}, 2: {"autocorrelation_latents": 0.25}}
    figure = draw(injected({"sampled": {**runs, 2: lags[2]}, "data": lags}), TABLE, PLAN)
    energy, _, latents, _ = figure.axes
    lines = {line.get_label(): line for line in energy.get_lines()}
    np.testing.assert_array_equal(lines["r, p, eval, sampled"].get_xydata(), [[1, 1], [16, 16]])
    lines = {line.get_label(): line for line in latents.get_lines()}
    np.testing.assert_array_equal(lines["r, p, eval, data"].get_xydata(), [[1, 0.5], [2, 0.25]])
    assert lines["r, p, eval, data"].get_linestyle() == ":"
    assert {text.get_text() for text in figure.legends[0].texts} == {"r, p, eval, sampled", "r, p, eval, data"}
