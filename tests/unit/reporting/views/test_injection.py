"""The injection tables: which rows there are, the ceiling beside its step, and what is published beside which row."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.injection import Mode
from latentdyn.diagnostics.records import RECORDS, SUMS, WORST_FRAMES, record
from latentdyn.errors import UserError
from latentdyn.metrics import DIM, FRAME_RATE_HZ
from latentdyn.metrics import metric as metric_named
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.views import injection, injection_steps
from latentdyn.reporting.views.injection import MODES

TABLE = {"predictors": ["p"], "seeds": [0], "splits": ["eval"]}
PLAN = {
    "corpus": "c",
    "rows": ["r"],
    "kinds": {"representations": {"r": "mimi", "s": "logmel"}, "predictors": {"p": "mdn"}},
}
POOLED = {"dnll": (-20.0, -25.0, -15.0), "cosine": (0.3, 0.2, 0.4), "skill": (0.9, 0.8, 1.0), "magnitude_ratio": 0.5,
          "state_error": 7.5, "state_error_normalised": 0.75, "divergence_horizon": 3.0, "nonfinite": 0.0}  # fmt: skip


def injected(modes: dict[str | Mode, dict[int | None, dict[str, Any]]], dim: int = 512, rate: float = 12.5, **who: Any):
    """Measurements from {mode: {step: {metric: value or (value, low, high)}}}; who: changes to what measured them."""
    rows = [record(DIM, dim, 8, split="eval"), record(FRAME_RATE_HZ, rate, 8, split="eval")]
    for mode, steps in modes.items():
        place = dataclasses.asdict(mode if isinstance(mode, Mode) else Mode(mode))
        for step, values in steps.items():
            for metric, value in values.items():
                value, low, high = value if isinstance(value, tuple) else (value, None, None)
                where = {"split": "eval", **place, "step": step, "ci_low": low, "ci_high": high}
                rows.append(record(metric_named(metric), value, 8, **where))
    identity = {"measurement": "injection", "corpus": "c", "representation": "r", "by": "p", "seed": 0,
                "regime": "teacher_forced", **who}  # fmt: skip
    table = pd.DataFrame([{**identity, **dataclasses.asdict(r)} for r in rows], columns=list(RECORDS)).astype(RECORDS)
    return Measurements(table, pd.DataFrame(columns=list(SUMS)), pd.DataFrame(columns=list(WORST_FRAMES)))


def speaker_sums(predictor: str, totals: dict[str, tuple[float, int]], **more: Any) -> pd.DataFrame:
    who = {
        "measurement": "injection",
        "corpus": "c",
        "representation": "r",
        "by": predictor,
        "seed": 0,
        "split": "eval",
    }
    what = {"regime": "teacher_forced", "mode": "D", "metric": "state_error_normalised", **more}
    rows = [{**who, **what, "speaker_id": name, "total": total, "n": n} for name, (total, n) in totals.items()]
    return pd.DataFrame(rows, columns=list(SUMS)).astype(SUMS)


def test_forecasts_stand_beside_one_that_stays_at_the_mean_over_the_speakers_of_both():
    p = injected({"D": {None: POOLED}, "ceiling": {None: {"dnll": -30.0}}})
    mean = injected({"D": {None: POOLED}}, by="at_mean")
    sums = [speaker_sums("p", {"a": (8, 10), "b": (9, 10), "c": (70, 10)}),
            speaker_sums("at_mean", {"a": (9, 10), "b": (10, 10), "d": (0, 10)})]  # fmt: skip
    measured = Measurements(pd.concat([p.records, mean.records]), pd.concat(sums), p.worst_frames)
    plan = {**PLAN, "kinds": {**PLAN["kinds"], "predictors": {"p": "mdn", "at_mean": "gaussian"}}}
    rows = injection.tabulate(measured, {**TABLE, "predictors": ["p", "at_mean"]}, plan).rows
    over = rows.set_index(["predictor", "mode"])["state_error_over_staying"]
    assert over["p", "D"] == pytest.approx(-0.1) and over.drop(("p", "D")).isna().all()
    bounds = rows.loc[0, ["state_error_over_staying_ci_low", "state_error_over_staying_ci_high"]]
    assert rows.loc[0, "mode"] == "D" and list(bounds) == pytest.approx([-0.1, -0.1])
    assert "state_error_over_staying" not in injection.tabulate(p, TABLE, PLAN).rows


def test_directions_are_set_beside_staying_at_the_mean_step_by_step_since_it_has_one_at_first_alone():
    by = {name: injected({"D": {None: POOLED, 1: POOLED}}, by=name) for name in ("p", "at_mean")}
    sums = [speaker_sums(name, {"a": (total, n)}, metric="cosine", step=step)
            for name, step, total, n in (("p", None, 1, 20), ("p", 1, 1, 10), ("at_mean", None, 4, 10),
                                         ("at_mean", 1, 4, 10))]  # fmt: skip
    measured = Measurements(pd.concat(m.records for m in by.values()), pd.concat(sums), by["p"].worst_frames)
    plan = {**PLAN, "kinds": {**PLAN["kinds"], "predictors": {"p": "mdn", "at_mean": "gaussian"}}}
    table = {**TABLE, "predictors": ["p", "at_mean"]}
    assert "cosine_over_staying" not in injection.tabulate(measured, table, plan).rows
    steps = injection_steps.tabulate(measured, table, plan)
    assert steps.rows["cosine_over_staying"].dropna().tolist() == pytest.approx([-0.3])


def test_rows_are_modes_in_their_order_and_values_by_hand():
    measured = injected(
        {"ceiling": {None: {"dnll": -30.0}}, "D": {None: POOLED}, "A": {None: POOLED}, "odd": {None: {}}}
    )
    rows = injection.tabulate(measured, TABLE, PLAN).rows
    assert rows["mode"].tolist() == ["A", "D", "ceiling"] and "step" not in rows
    row = rows.iloc[1]
    for metric, value in POOLED.items():
        value, *bounds = value if isinstance(value, tuple) else (value,)
        assert row[metric] == value
        assert not bounds or [row[f"{metric}_ci_low"], row[f"{metric}_ci_high"]] == bounds
    assert row["n"] == 8 and row["ms_per_step"] == 80
    assert math.isnan(rows.iloc[2]["state_error"]) and rows.iloc[2]["dnll"] == -30


def test_steps_stand_beside_their_ceiling():
    steps = {s: {"dnll": -s * 1.0, "cosine": 0.5 / s, "skill": 0.9} for s in (1, 2, 10)}
    ceilings = {2: {"dnll": -4.0, "cosine": 0.4}, None: {"dnll": -4.0}}
    rows = injection_steps.tabulate(injected({"D": {None: POOLED, **steps}, "ceiling": ceilings}), TABLE, PLAN).rows
    assert rows[["mode", "step"]].values.tolist() == [["D", 1], ["D", 2], ["D", 10]]
    assert rows["dnll"].tolist() == [-1, -2, -10]
    assert rows["ceiling_cosine"].fillna(-1).tolist() == [-1, 0.4, -1]


def test_an_overflow_is_shown_and_counted(tmp_path):
    measured = injected({"D": {None: {**POOLED, "dnll": math.inf, "nonfinite": 5.0}}})
    sheet = injection.tabulate(measured, TABLE, PLAN)
    assert sheet.rows["dnll"].tolist() == [math.inf] and sheet.rows["nonfinite"].tolist() == [5]
    write_sheet(sheet, *(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    assert "overflow" in (tmp_path / "t.md").read_text(encoding="utf-8").splitlines()[2]


def test_a_table_averages_its_own_seeds():
    measured = [
        injected({"D": {None: {**POOLED, "dnll": value}}}, seed=seed) for seed, value in enumerate((-2, -4, -90))
    ]
    both = dataclasses.replace(measured[0], records=pd.concat([f.records for f in measured]))
    assert injection.tabulate(both, {**TABLE, "seeds": [0, 1]}, PLAN).rows["dnll"].tolist() == [-3]


def test_records_of_other_diagnostics_are_not_taken_for_ours():
    other = injected({"D": {None: POOLED}})
    lagged = other.records[other.records.metric == "dnll"].assign(mode=None, horizon=1, value=-999.0)
    both = dataclasses.replace(other, records=pd.concat([lagged, other.records]).astype(RECORDS))
    assert injection.tabulate(both, TABLE, PLAN).rows["dnll"].tolist() == [-20]


@pytest.mark.parametrize(
    ("dim", "rate", "kinds", "expected"),
    [
        (512, 12.5, {}, {"dnll": 40.1, "cosine": 0.068, "state_error": 79.1}),  # of two runs the first
        (32, 12.5, {"r": "mimi>pca"}, {"dnll": 40.4, "cosine": 0.099, "state_error": 47.9}),
        (64, 12.5, {"r": "mimi>pca"}, {"dnll": 81.9, "cosine": 0.097, "state_error": 53.1}),
        (16, 12.5, {"r": "mimi>pca"}, {}),
        (32, 12.5, {}, {}),
        (128, 12.5, {"r": "encodec>pooled"}, {"dnll": 0.62, "cosine": 0.093, "state_error": 13.9}),
        (128, 75.0, {"r": "encodec"}, {}),  # natively its steps last a sixth
        (512, 12.5, {"r": "logmel"}, {}),
        (512, 12.5, {"r": "mimi>surrogate"}, {}),
    ],
)
def test_published_values_stand_beside_rows_of_their_kind_only(dim, rate, kinds, expected):
    plan = {**PLAN, "kinds": {**PLAN["kinds"], "representations": {"r": "mimi", **kinds}}}
    sheet = injection.tabulate(injected({"D": {None: POOLED}}, dim, rate), TABLE, plan)
    measured = {name.removeprefix("published_"): sheet.rows[name][0] for name in sheet.rows if "published" in name}
    assert measured == expected
    assert any("Exp 4 gave" in note and "dnll 45.8 (D)" in note for note in sheet.notes) == bool(expected)


def test_the_fine_tuned_vmf_is_published_by_step_and_its_nats_are_not_ours():
    plan = {**PLAN, "kinds": {**PLAN["kinds"], "predictors": {"p": "vmf_lognormal"}}}
    measured = injected({"D": {None: POOLED, 4: POOLED, 5: POOLED}}, regime="scheduled_sampling")
    rows = injection_steps.tabulate(measured, TABLE, plan).rows
    assert rows["published_state_error"].fillna(-1).tolist() == [101, -1] and "published_dnll" not in rows


def test_the_unrolled_are_published_beside_the_unrolled_alone():
    for regime, mode, expected in (("unrolled", "A", -35), ("unrolled", "D", -0.4), ("teacher_forced", "D", 40.1)):
        measured = injected({mode: {None: POOLED}}, regime=regime)
        assert injection.tabulate(measured, TABLE, PLAN).rows["published_dnll"].tolist() == [expected], (regime, mode)


@pytest.mark.parametrize(("table", "named"), [({"splits": ["train"]}, "split = train"), ({"predictors": ["q"]}, "= q")])
def test_a_row_without_metrics_is_an_error_that_names_it(table, named):
    with pytest.raises(UserError, match=named):
        injection.tabulate(injected({"D": {None: POOLED}}), {**TABLE, **table}, PLAN)


# the figure
def test_lines_hold_the_values_of_the_steps():
    by_step = {
        s: {"dnll": (s - 9.0, s - 10.0, s - 8.0), "cosine": 1 / s, "state_error_normalised": s - 1.0} for s in (1, 2, 3)
    }
    measured = injected({mode: {None: {"dnll": -99.0}, **by_step} for mode in ("A", "C", "D", "ceiling")})
    figure = injection.draw(measured, {**TABLE, "splits": ["eval"]}, PLAN)
    assert len(figure.axes) == 4
    cosine, dnll = figure.axes[:2]
    drawn = [line for line in cosine.get_lines() if line.get_marker() == "o"]
    assert [line.get_color() for line in drawn] == [f"C{MODES.index(mode)}" for mode in ("A", "D", "ceiling")]
    for line in drawn:
        np.testing.assert_allclose(line.get_xydata(), [[1, 1], [2, 1 / 2], [3, 1 / 3]])
    band = dnll.collections[0].get_paths()[0].vertices
    assert {(1.0, -9.0), (1.0, -7.0), (3.0, -7.0), (3.0, -5.0)} <= {tuple(point) for point in band}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["A", "D", "ceiling"]
    assert injection_steps.draw is injection.draw


def test_a_row_of_panels_for_each_representation():
    values = {"dnll": 1.0, "cosine": 0.5}
    measured = injected({"D": {None: values, 1: values}})
    records = [measured.records, measured.records.assign(representation="s")]
    both = dataclasses.replace(measured, records=pd.concat(records))
    figure = injection.draw(both, TABLE, {**PLAN, "rows": ["r", "s"]})
    assert [axis.get_title().split("\n")[0] for axis in figure.axes[::4]] == ["r, p, eval", "s, p, eval"]
