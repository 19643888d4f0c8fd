"""The stability table: a row for each way of stepping, columns by step and by lag, the floor in the row of the data."""

import math

import pandas as pd
import pytest

from latentdyn.diagnostics.records import DTYPES
from latentdyn.errors import UserError
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables import free_runs

TABLE = {"predictors": ["p"], "seeds": [0], "splits": ["eval"]}
ABOUT = {"corpus": "c", "rows": ["r"]}
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
    ("4 clusters", "energy", None, 9.0),  # of no diagnostic of ours
]


@pytest.fixture
def found(handmade):
    for mode, metric, _, value in VALUES:
        handmade.add({metric: (value, 0.1, 2.0) if math.isfinite(value) else value}, mode=mode)
    records = handmade.found.records.assign(step=pd.array([step for _, _, step, _ in VALUES], "Int64"))
    return Measurements(records.astype(DTYPES), handmade.found.speakers, handmade.found.worst_frames)


def test_values_by_hand(found):
    rows = free_runs.tabulate(found, TABLE, ABOUT).rows.set_index("mode")
    assert rows.index.tolist() == ["sampled", "mean", "data"]
    sampled = rows.loc["sampled"]
    assert sampled[["unbounded", "energy", "energy_16", "frechet_latents"]].tolist() == [0.25, 1.5, 1.25, 3.0]
    assert sampled["energy_2"] == math.inf and sampled["n"] == 50
    assert sampled[["energy_ci_low", "energy_ci_high"]].tolist() == [0.1, 2.0]
    assert rows["autocorrelation_latents_8"].fillna(-1).tolist() == [0.5, -1, 0.75]
    assert rows.loc["data", "frechet_latents"] == 0.5 and math.isnan(rows.loc["data", "unbounded"])
    assert "step_length" not in rows and "frechet_deltas" not in rows  # that no row has


def test_a_row_without_metrics_is_an_error_that_names_it(found):
    with pytest.raises(UserError, match="split = train"):
        free_runs.tabulate(found, {**TABLE, "splits": ["train"]}, ABOUT)
