"""The figure draws the table's numbers, and draws them the same twice."""

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.records import DTYPES
from latentdyn.reporting.figures import lagged_figure, write_figure

TABLE = {"representations": ["r"], "predictors": ["p"], "seeds": [0], "splits": ["train", "eval"], "slices": ["all"],
         "horizons": [1, 2]}  # fmt: skip
METRICS = {"nll": 3.0, "dnll": -4.0, "cosine": 0.5, "r2_head": 0.1, "rollout_gap_median": 2.0, "dim": 8.0,
           "frame_rate_hz": 12.5}  # fmt: skip


@pytest.fixture
def records():
    rows = [
        {"corpus": "c", "representation": "r", "predictor": "p", "regime": "t", "seed": 0, "split": split,
         "slice": "all", "horizon": k, "metric": metric, "unit": "", "value": value * k, "n": 5,
         "ci_low": value * k - 1, "ci_high": value * k + 1, "status": "ok"}
        for split in TABLE["splits"] for k in TABLE["horizons"] for metric, value in METRICS.items()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=list(DTYPES)).astype(DTYPES)


def test_lines_hold_the_values_of_the_table(records):
    figure = lagged_figure(records, TABLE, {"r": "logmel", "p": "mdn"})
    lines = {axis.get_title().split(" ")[0].rstrip(":"): axis.get_lines() for axis in figure.axes}
    dnll = next(line for line in lines["ΔNLL"] if line.get_label() == "r, p, eval")
    np.testing.assert_allclose(dnll.get_xydata(), [[1, -4 / 8], [2, -8 / 16]])  # the dimension doubles with k here
    cosine = next(line for line in lines["direction"] if line.get_label() == "r, p, train")
    np.testing.assert_allclose(cosine.get_xydata(), [[1, 0.5], [2, 1.0]])


def test_equal_records_give_an_equal_file(records, tmp_path):
    for name in ("a", "b"):
        write_figure(lagged_figure(records, TABLE, {"r": "logmel", "p": "mdn"}), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
