"""The table of regimes: values of arms by hand, differences to the control, and what is said of unequal arms."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.views import regimes
from latentdyn.reporting.views.regimes import draw
from tests.unit.reporting.views.test_injection import injected

TABLE = {"predictors": ["tf", "arm"], "against": "tf", "seeds": [0], "splits": ["eval"]}
PLAN = {
    "corpus": "c",
    "rows": ["r"],
    "kinds": {
        "representations": {"r": "mimi", "s": "logmel"},
        "predictors": {"tf": "mdn", "arm": "mdn", "base": "mdn"},
    },
    "steps": {"tf": 500, "arm": 500},
}
# of two speakers with as many frames, by mode and metric
TF = {"A": {"dnll": (-10, -30), "cosine": (0.5, 0.5), "magnitude_ratio": (0.5, 0.75)},
      "D": {"dnll": (8, 12), "cosine": (0.1, 0.3), "magnitude_ratio": (0.5, 0.5), "state_error_normalised": (1, 2)},
      "D_sampled": {"dnll": (20, 20), "state_error_normalised": (1.5, 1.5)}}  # fmt: skip
ARM = {"A": {"dnll": (-5, -20), "cosine": (0.25, 0.25), "magnitude_ratio": (0.25, 0.25)},
       "D": {"dnll": (1, 3), "cosine": (0, 0.25), "magnitude_ratio": (0.005, 0.015),
             "state_error_normalised": (0.5, 1)},
       "D_sampled": {"dnll": (2, 6), "state_error_normalised": (1, 1)}}  # fmt: skip
FACTS = {"D": {"skill": 0.9, "divergence_horizon": 3.0, "nonfinite": 0.0}}


def add(handmade, modes: dict[str, dict[str, tuple[float, float]]], step: int | None = None, **who: Any) -> None:
    """Forecasts of two speakers with these means over eight frames each."""
    for mode, metrics in modes.items():
        sums = {metric: {f"s{i}": (8 * mean, 8) for i, mean in enumerate(means)} for metric, means in metrics.items()}
        values = {metric: sum(means) / 2 for metric, means in metrics.items()} | FACTS.get(mode, {})
        handmade.add(values, mode=mode, step=step, horizon=None, n=16, speakers=sums, **who)
    handmade.add({"dim": 512, "frame_rate_hz": 12.5}, horizon=None, **who)


@pytest.fixture
def arms(handmade):
    add(handmade, TF, predictor="tf")
    add(handmade, ARM, predictor="arm", regime="unrolled")
    add(handmade, {mode: {m: (1e6, 1e6) for m in v} for mode, v in TF.items()}, step=1, predictor="arm")  # one step
    return handmade


def test_values_by_hand(arms):
    rows = regimes.tabulate(arms.measured, TABLE, PLAN).rows.set_index("predictor")
    assert rows.index.tolist() == ["tf", "arm"]
    assert rows[["regime", "steps", "n"]].values.tolist() == [["teacher_forced", 500, 16], ["unrolled", 500, 16]]
    expected = {"dnll_A": -12.5, "cosine_A": 0.25, "magnitude_ratio_A": 0.25, "dnll_D": 2, "cosine_D": 0.125,
                "magnitude_ratio_D": 0.01, "state_error_normalised_D": 0.75, "skill": 0.9, "divergence_horizon": 3,
                "dnll_D_sampled": 4, "state_error_normalised_D_sampled": 1, "nonfinite_D": 0}  # fmt: skip
    assert rows.loc["arm", list(expected)].to_dict() == pytest.approx(expected)


def test_differences_to_the_control_by_hand(arms):
    """Half of all resamples draw one of two speakers twice, so the interval is from one's difference to the other's."""
    rows = regimes.tabulate(arms.measured, TABLE, PLAN).rows.set_index("predictor")
    expected = {"shrinkage": (0.02, 0.01, 0.03), "d_dnll_D": (-8, -9, -7), "d_cosine_D": (-0.075, -0.1, -0.05),
                "d_state_error_normalised_D": (-0.75, -1, -0.5), "d_dnll_A": (7.5, 5, 10)}  # fmt: skip
    for name, values in expected.items():
        columns = [name, f"{name}_ci_low", f"{name}_ci_high"]
        assert rows.loc["arm", columns].tolist() == pytest.approx(values)
        assert rows.loc["tf", columns].isna().all()  # against itself nothing


def test_an_arm_is_compared_within_its_own_representation_and_split(arms):
    for representation, split, offset in (("r", "train", 1.0), ("s", "eval", 3.0), ("s", "train", 5.0)):
        for predictor, values in (("tf", TF), ("arm", ARM)):
            shift = offset if predictor == "arm" else 0
            moved = {mode: {m: (a + shift, b + shift) for m, (a, b) in v.items()} for mode, v in values.items()}
            add(arms, moved, predictor=predictor, representation=representation, split=split)
    table, plan = {**TABLE, "splits": ["train", "eval"]}, {**PLAN, "rows": ["r", "s"]}
    rows = regimes.regime_rows(arms.measured, table, plan)
    arm = rows[rows["predictor"] == "arm"]
    assert arm[["representation", "split", "d_dnll_D"]].values.tolist() == [
        ["r", "train", -7], ["r", "eval", -8], ["s", "train", -3], ["s", "eval", -5],
    ]  # fmt: skip


def test_seeds_are_pooled(handmade):
    for seed, dnll in ((0, (1, 3)), (1, (5, 7)), (2, (1e6, 1e6))):  # the last belongs to another table
        add(handmade, {**ARM, "D": {**ARM["D"], "dnll": dnll}}, predictor="arm", seed=seed)
        add(handmade, TF, predictor="tf", seed=seed)
    row = regimes.regime_rows(handmade.measured, {**TABLE, "seeds": [0, 1]}, PLAN).iloc[1]
    assert (row["dnll_D"], row["d_dnll_D"], row["d_dnll_D_ci_low"], row["d_dnll_D_ci_high"]) == (4, -6, -7, -5)


def test_an_overflow_is_shown_and_counted_and_has_no_interval(handmade):
    add(handmade, TF, predictor="tf")
    add(handmade, {**ARM, "D": {**ARM["D"], "dnll": (1, math.inf)}}, predictor="arm")
    measured = handmade.measured
    mine = (measured.records.by == "arm") & (measured.records.metric == "nonfinite")
    measured.records.loc[mine, "value"] = 5.0
    row = regimes.tabulate(measured, TABLE, PLAN).rows.iloc[1]
    assert row["dnll_D"] == row["d_dnll_D"] == math.inf and row["nonfinite_D"] == 5
    assert "d_dnll_D_ci_low" not in row and row["d_cosine_D"] == pytest.approx(-0.075)


def test_without_draws_there_are_no_columns_of_draws(handmade):
    for predictor, values in (("tf", TF), ("arm", ARM)):
        add(handmade, {mode: values[mode] for mode in ("A", "D")}, predictor=predictor)
    rows = regimes.tabulate(handmade.measured, TABLE, PLAN).rows
    assert "cosine_D" in rows and not [name for name in rows if "sampled" in name]


@pytest.mark.parametrize(
    ("steps", "named"),
    [
        ({"tf": 500, "arm": 500}, None),
        ({"tf": 500, "arm": 800}, "the control was trained for 500, but `arm` (800 steps)"),
        ({"tf": 500}, "but `arm` (no steps)"),
    ],
)
def test_arms_at_unequal_steps_are_named(arms, steps, named):
    notes = [note for note in regimes.tabulate(arms.measured, TABLE, {**PLAN, "steps": steps}).notes if "equal" in note]
    assert len(notes) == (named is not None) and all(named in note for note in notes)


@pytest.mark.parametrize(
    ("kind", "regime", "expected"),
    [
        ("mdn", "unrolled", {"dnll_A": -35, "dnll_D": -0.4, "shrinkage": 1 / 450}),
        ("vmf_lognormal", "scheduled_sampling", {"cosine_A": 0.118, "magnitude_ratio_A": 7.89, "cosine_D": -0.004}),
        ("vmf_lognormal", "unrolled", {}),
        ("mdn", "sampled_unroll", {}),
        ("mdn", "teacher_forced", {"dnll_A": -154.3, "cosine_A": 0.606, "magnitude_ratio_A": 0.631, "dnll_D": 40.1,
                                   "cosine_D": 0.068}),
    ],
)  # fmt: skip
def test_published_values_stand_beside_arms_of_their_kind_and_regime(handmade, kind, regime, expected):
    add(handmade, TF, predictor="tf")
    add(handmade, ARM, predictor="arm", regime=regime)
    plan = {**PLAN, "kinds": {**PLAN["kinds"], "predictors": {"tf": "flow", "arm": kind}}}
    sheet = regimes.tabulate(handmade.measured, TABLE, plan)
    row = sheet.rows.iloc[1]
    assert {n.removeprefix("published_"): row[n] for n in sheet.rows if "published" in n} == pytest.approx(expected)
    assert any("+761868 before, -0.4 after" in note for note in sheet.notes) == bool(expected)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"predictors": ["tf", "arm", "base"]}, "predictor = base"),
        ({"splits": ["train"]}, "split = train"),
        ({"predictors": ["arm"], "against": "base"}, "predictor = base"),
    ],
)
def test_what_was_not_measured_is_an_error_that_names_it(arms, table, named):
    with pytest.raises(UserError, match=named):
        regimes.tabulate(arms.measured, {**TABLE, **table}, PLAN)


def test_arms_of_different_speakers_are_refused(handmade):
    add(handmade, TF, predictor="tf")
    sums = {metric: {"s0": (1.0, 8), "s9": (1.0, 8)} for metric in ARM["D"]}
    values = {metric: 1.0 for metric in ARM["D"]} | FACTS["D"]
    handmade.add(values, mode="D", horizon=None, speakers=sums, predictor="arm")
    with pytest.raises(UserError, match="not the same ones"):
        regimes.tabulate(handmade.measured, TABLE, PLAN)


def forecasts(predictor: str, length: float):
    by_step = {
        s: {"dnll": 1.0, "cosine": (1 / s, 0.0, 1.0), "state_error_normalised": s - 1.0, "magnitude_ratio": length}
        for s in (1, 2, 3)
    }
    ceiling = {s: {"dnll": 1.0, "cosine": length, "magnitude_ratio": length} for s in (1, 2)}
    everything = {mode: {None: {"dnll": -99.0, "cosine": 9.0}, **by_step} for mode in ("A", "D")}
    return injected({**everything, "ceiling": {None: {"dnll": -99.0}, **ceiling}}, by=predictor)


def test_an_arm_is_a_line_and_the_ceiling_of_the_control_is_dashed():
    sides = [forecasts("tf", 0.5), forecasts("arm", 0.002)]
    measured = dataclasses.replace(sides[0], records=pd.concat([side.records for side in sides]))
    plan = {**PLAN, "kinds": {**PLAN["kinds"], "predictors": {"tf": "mdn", "arm": "mdn"}}}
    figure = draw(measured, TABLE, plan)
    cosine, error, ratio = figure.axes
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["tf", "ceiling", "arm"]
    colors = ["C0", "0.4", "C1"]
    for axis, values in (
        (cosine, [[1, 1 / 2, 1 / 3], [0.5, 0.5], [1, 1 / 2, 1 / 3]]),
        (error, [[0, 1, 2], [np.nan, np.nan], [0, 1, 2]]),
        (ratio, [[0.5] * 3, [0.5, 0.5], [0.002] * 3]),
    ):
        lines = [line for line in axis.get_lines() if line.get_marker() == "o"]
        assert [line.get_color() for line in lines] == colors
        assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
        for line, expected in zip(lines, values, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), range(1, len(expected) + 1))
            np.testing.assert_allclose(line.get_ydata(), expected)
    assert ratio.get_yscale() == "log" and error.get_yscale() == "symlog"
