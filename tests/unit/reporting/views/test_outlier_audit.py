"""The outlier audit: what the mean would be without its worst frames, by hand, and where these are."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.errors import UserError
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.views import outlier_audit
from latentdyn.reporting.views.outlier_audit import draw

TABLE = {"representations": ["r"], "surrogates": [], "predictors": ["p"], "horizons": [1], "seeds": [0],
         "splits": ["eval"]}  # fmt: skip
QUANTILE_VALUES = {f"dnll_{quantile_name(q)}": -10.0 + i for i, q in enumerate(QUANTILES)}
VALUES = {"dnll": 8.0, "dnll_trimmed": -4.0, "dnll_min": -20.0, "dnll_max": 90.0, "dnll_nonfinite": 0.0,
          "path_difference": 2e-6, **QUANTILE_VALUES}  # fmt: skip


def tabulate(measured: Measurements, **table: Any) -> Sheet:
    table = {**TABLE, **table}
    return outlier_audit.tabulate(measured, table, {"corpus": "c", "rows": table["representations"]})


def test_values_by_hand(handmade):
    # ten frames of -1 and two worst of 90 and 16: a mean of 96 / 12
    speakers = {"dnll": {"s1": (-4 + 90, 5), "s2": (-6 + 16, 7)}}
    handmade.add(VALUES, n=12, speakers=speakers, worst=[(300.0, 90.0), (200.0, 16.0)])
    row = tabulate(handmade.measured).rows.iloc[0]
    assert row[["n", "dnll", "without_worst", "trimmed", "min", "max"]].tolist() == [12, 8.0, -1.0, -4.0, -20.0, 90.0]
    assert row[["nonfinite", "path_difference"]].tolist() == [0, 2e-6]
    assert [row[quantile_name(q)] for q in QUANTILES] == list(QUANTILE_VALUES.values())


def test_each_split_and_horizon_is_without_its_own_worst_frames(handmade):
    for split, horizon, worst in (("train", 1, 11.0), ("train", 2, 5.0), ("eval", 1, -1.0), ("eval", 2, 21.0)):
        speakers = {"dnll": {"s": (10.0, 6)}, "nll": {"s": (1e6, 6)}}
        handmade.add(VALUES, split=split, horizon=horizon, n=6, speakers=speakers, worst=[(1.0, worst)])
    rows = tabulate(handmade.measured, splits=["train", "eval"], horizons=[1, 2]).rows
    assert rows[["split", "k", "without_worst"]].values.tolist() == [
        ["train", 1, -1 / 5],
        ["train", 2, 1.0],
        ["eval", 1, 11 / 5],
        ["eval", 2, -11 / 5],
    ]


def test_seeds_have_their_own_worst_frames(handmade):
    for seed, (total, worst) in enumerate([(10.0, 6.0), (30.0, 2.0)]):
        speakers = {"dnll": {"s": (total, 5)}}
        handmade.add({**VALUES, "dnll": total / 5}, seed=seed, n=5, speakers=speakers, worst=[(1.0, worst)])
    row = tabulate(handmade.measured, seeds=[0, 1]).rows.iloc[0]
    assert row[["dnll", "without_worst"]].tolist() == [4.0, (4 / 4 + 28 / 4) / 2]


def test_a_frame_without_a_score_is_in_neither_mean(handmade):
    # of five frames, one has no ΔNLL: it is among the worst, and in no total
    handmade.add(VALUES, n=5, speakers={"dnll": {"s": (12.0, 4)}}, worst=[(None, None), (50.0, 9.0)])
    assert tabulate(handmade.measured).rows.without_worst.item() == 1.0


def test_an_overflow_is_shown_and_hides_what_would_be_left(handmade):
    values = {**VALUES, "dnll": math.inf, "dnll_max": math.inf, "dnll_nonfinite": 1.0}
    handmade.add(values, speakers={"dnll": {"s": (math.inf, 5)}}, worst=[(None, None)])
    row = tabulate(handmade.measured).rows.iloc[0]
    assert (row["dnll"], row["max"], row["nonfinite"], row["median"]) == (math.inf, math.inf, 1, -6.0)
    assert pd.isna(row["without_worst"])


def test_without_a_list_of_worst_frames_nothing_is_left_out(handmade):
    handmade.add(VALUES, n=12, speakers={"dnll": {"s": (96.0, 12)}})
    sheet = tabulate(handmade.measured)
    assert sheet.rows.without_worst.item() == 8.0 and sheet.below.empty


def test_the_worst_frames_stand_below_in_the_order_of_the_rows(handmade):
    for split in ("eval", "train"):
        for horizon in (1, 2):
            for seed in (0, 1):
                for r in ("r", "s"):
                    worst = [(300.0 + seed, 90.0), (None, None)]
                    handmade.add(VALUES, representation=r, split=split, horizon=horizon, seed=seed, worst=worst)
    lists = {"representations": ["s", "r"], "splits": ["train", "eval"], "horizons": [1, 2], "seeds": [1, 0]}
    below = tabulate(handmade.measured, **lists).below
    assert list(below) == ["representation", "predictor", "split", "utterance_id", "t", "time_s", "nll", "dnll",
                           "delta_norm"]  # fmt: skip
    keys = list(below[["representation", "split", "t"]].itertuples(index=False, name=None))
    assert keys == [(r, split, t) for r in ("s", "r") for split in ("train", "eval") for t in (0, 1)]
    assert below.nll.dropna().unique().tolist() == [301.0]  # the first seed's, at the smallest k
    assert below.nll.isna().sum() == 4


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"representations": ["other"]}, "representation = other, predictor = p, split = eval, k = 1"),
        ({"splits": ["validation"]}, "split = validation"),
        ({"horizons": [8]}, "k = 8"),
        ({"seeds": [7]}, "predictor = p"),
    ],
)
def test_a_row_without_metrics_is_an_error_that_names_it(handmade, table, named):
    with pytest.raises(UserError, match=named):
        tabulate(handmade.add(VALUES).measured, **table)


# the figure
DRAWN_TABLE = {"representations": ["r"], "surrogates": [], "predictors": ["p"], "seeds": [1, 0],
               "splits": ["train", "eval"], "horizons": [1, 2]}  # fmt: skip
PLAN = {"corpus": "c", "rows": ["r"]}


def values(mean: float, shift: float = 0.0) -> dict[str, float]:
    quantiles = {f"dnll_{quantile_name(q)}": shift + i for i, q in enumerate(QUANTILES)}
    return {"dnll": mean, "dnll_trimmed": 0.0, "dnll_min": 0.0, "dnll_max": 9.0, "dnll_nonfinite": 0.0, **quantiles}


@pytest.fixture
def measured(handmade):
    for split, shift in (("train", 0.0), ("eval", 20.0)):
        for seed in (0, 1):
            worst = [(1.0, shift + seed), (1.0, shift + seed + 7)]
            handmade.add(values(shift + 5.5, shift), split=split, seed=seed, worst=worst)
            handmade.add(values(1e6, 1e6), split=split, seed=seed, horizon=2, worst=[(1.0, 1e6)])
    return handmade.measured


def test_lines_and_points_hold_the_values_at_the_smallest_horizon(measured):
    quantiles, worst = draw(measured, DRAWN_TABLE, PLAN).axes
    train, train_mean, evaluated, eval_mean = quantiles.get_lines()
    assert [line.get_label() for line in (train, evaluated)] == ["r, p, train", "r, p, eval"]
    for line, shift in ((train, 0), (evaluated, 20)):
        np.testing.assert_array_equal(line.get_xdata(), QUANTILES)
        np.testing.assert_array_equal(line.get_ydata(), shift + np.arange(len(QUANTILES)))
    assert [line.get_ydata()[0] for line in (train_mean, eval_mean)] == [5.5, 25.5]
    points = [collection.get_offsets().tolist() for collection in worst.collections]
    assert points == [[[2, 1], [3, 8]], [[2, 21], [3, 28]]]  # size of the step and ΔNLL, the first seed's


def test_overflows_and_an_empty_list_are_drawn(handmade, tmp_path):
    handmade.add({**values(math.inf), "dnll_q0.999": math.inf}, split="train", worst=[(None, None)])
    handmade.add(values(1.0), split="eval")
    figure = draw(handmade.measured, {**DRAWN_TABLE, "horizons": [1], "seeds": [0]}, PLAN)
    line, *_ = figure.axes[0].get_lines()
    assert line.get_ydata()[-1] == math.inf and np.isfinite(line.get_ydata()[:-1]).all()
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(measured, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(measured, DRAWN_TABLE, PLAN), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
