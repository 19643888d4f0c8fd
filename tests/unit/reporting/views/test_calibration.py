"""The certificate: what counts as agreement, on processes whose exact values follow by hand.

Those of white noise in D dimensions at k = 1 are ΔNLL = -(D/2) ln 2, the same against the full covariance and for the
context, R² = 1/2, a level gain of 0 and an energy score of √π / 2; at k = 2 the gains are 0.
"""

import math
from typing import Any

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.processes.base import build_process
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.views import calibration
from latentdyn.reporting.views.calibration import calibration_rows, draw
from tests.settings import settings_of

WHITE = settings_of("representations", "var", dim=2, radius=0.0)
DNLL = -math.log(2)  # of WHITE
EXACT = {"dnll": DNLL, "dnll_full": DNLL, "r2_delta": 0.5, "level_gain": 0.0, "unbounded": 0.0,
         "energy_score": math.sqrt(math.pi) / 2}  # fmt: skip
JUMPS = settings_of("representations", "jumps", dim=2)
VMF = settings_of("representations", "vmf_steps", dim=3)
UNSTABLE = settings_of("representations", "var", dim=2, radius=1.05)
TABLE = {
    "predictors": {"x": "p"},
    "keys": {},
    "geometry": [],
    "judged": [],
    "state_information": [],
    "readouts": [],
    "factorizers": {},
    "horizons": [1],
    "seeds": [0],
    "tolerance": 0.02,
}


def tabulate(measured: Measurements, processes: dict[str, Any], **table: Any) -> Sheet:
    plan = {"corpus": "c", "rows": list(processes), "processes": processes}
    return calibration.tabulate(measured, {**TABLE, **table}, plan)


def exact_cosine() -> tuple[float, float]:
    ((value, error),) = [(a.value, a.error) for a in build_process(WHITE).answers([1]) if a.metric == "cosine"]
    return value, error


def white(handmade, representation: str = "x", **values: Any) -> None:
    """White noise measured without a flaw, but for `values`."""
    handmade.add({**EXACT, "cosine": exact_cosine()[0], **values}, representation=representation)


def verdict(sheet: Sheet, diagnostic: str, k: int = 1) -> str:
    (measured,) = sheet.rows.agrees[(sheet.rows.diagnostic == diagnostic) & (sheet.rows.k == k)]
    return measured


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        ((-0.6, -0.7, -0.5), "interval"),  # -.693 is within
        ((-0.6, -0.65, -0.55), "no"),
        ((DNLL * 1.019, -0.720, -0.700), "2 %"),
        (DNLL * 0.981, "2 %"),
        (DNLL * 1.021, "no"),
        (math.inf, "no"),
        (math.nan, "no"),
    ],
)
def test_agreement_is_an_interval_that_holds_the_exact_value_or_two_percent(handmade, measured, expected):
    white(handmade, dnll=measured)
    sheet = tabulate(handmade.measured, {"x": WHITE})
    assert verdict(sheet, "dnll") == expected
    assert sheet.notes[0].startswith(f"**{len(sheet.rows) - (expected == 'no')} of {len(sheet.rows)} rows agree.**")


def test_the_tolerance_is_the_tables(handmade):
    white(handmade, dnll=1.05 * DNLL)
    measured = handmade.measured
    assert verdict(tabulate(measured, {"x": WHITE}), "dnll") == "no"
    sheet = tabulate(measured, {"x": WHITE}, tolerance=0.06)
    assert verdict(sheet, "dnll") == "6 %" and "at most 6 % of `exact`" in sheet.notes[0]


def test_an_exact_value_by_monte_carlo_may_be_two_standard_errors_off(handmade):
    value, error = exact_cosine()
    assert 0 < error < 0.01
    intervals = {
        "a": (value + 1.9 * error, 2.0),
        "b": (value + 2.1 * error, 2.0),
        "c": (-1.0, value - 1.9 * error),
        "d": (-1.0, value - 2.1 * error),
    }
    for name, (low, high) in intervals.items():
        white(handmade, name, cosine=((low + high) / 2, low, high))  # far from the tolerance
    rows = tabulate(handmade.measured, dict.fromkeys(intervals, WHITE), predictors=dict.fromkeys(intervals, "p")).rows
    assert rows.agrees[rows.diagnostic == "cosine"].tolist() == ["interval", "no", "interval", "no"]
    assert rows.error[rows.diagnostic == "cosine"].tolist() == [error] * 4
    assert rows.error[rows.diagnostic != "cosine"].isna().all()


@pytest.mark.parametrize("dim", [2, 32])  # at 32, the closed form of a ΔNLL of 0 may round to -7e-15
def test_a_zero_is_met_on_the_scale_of_the_largest_dnll_or_of_one(handmade, dim):
    largest = dim / 2 * math.log(2)
    process = {**WHITE, "dim": dim}
    near, far = 0.0199, 0.0201
    answers = {"dnll": -largest, "dnll_full": -largest, "r2_delta": 0.5, "level_gain": near * largest, "cosine": 0.0,
               "energy_score": 0.0}  # fmt: skip
    handmade.add({**answers, "unbounded": far}, representation="x")
    handmade.add({"dnll": -near * largest, "dnll_full": far * largest, "r2_delta": near, "energy_score": 0.0},
                 representation="x", horizon=2)  # fmt: skip
    handmade.add({"dnll": far * largest, "dnll_full": near * largest, "r2_delta": -far, "energy_score": 0.0},
                 representation="x", horizon=4)  # fmt: skip
    sheet = tabulate(handmade.measured, {"x": process}, horizons=[1, 2, 4])
    assert [verdict(sheet, name) for name in ("level_gain", "unbounded")] == ["2 %", "no"]
    assert [verdict(sheet, name, 2) for name in ("dnll", "dnll_full", "r2_delta")] == ["2 %", "no", "2 %"]
    assert [verdict(sheet, name, 4) for name in ("dnll", "dnll_full", "r2_delta")] == ["no", "2 %", "no"]


def test_values_by_hand(handmade):
    white(handmade, dnll=(-0.6, -0.8, -0.4), level_gain=0.01)
    rows = tabulate(handmade.measured, {"x": WHITE}).rows
    row = rows[rows.diagnostic == "dnll"].iloc[0]
    assert row[["process", "by", "k", "agrees"]].tolist() == ["x", "p", 1, "interval"]
    expected = [DNLL, -0.6, -0.8, -0.4, -0.6 - DNLL, (-0.6 - DNLL) / 0.2]  # half the interval is .2
    assert row[["exact", "measured", "ci_low", "ci_high", "difference", "intervals"]].tolist() == pytest.approx(
        expected
    )
    without = rows[rows.diagnostic == "level_gain"].iloc[0]
    assert without.difference == pytest.approx(0.01) and math.isnan(without.intervals)


def test_rows_are_processes_in_the_order_of_the_config_and_seeds_are_averaged(handmade):
    for name in ("x", "y"):
        for seed, dnll in ((0, -0.5), (1, -0.7), (2, 1e6)):
            values = {**EXACT, "cosine": 0.7, "dnll": dnll}
            handmade.add(values, representation=name, predictor=f"p_{name}", seed=seed)
    processes, predictors = {"y": WHITE, "x": WHITE}, {"x": "p_x", "y": "p_y"}
    rows = tabulate(handmade.measured, processes, predictors=predictors, seeds=[0, 1]).rows
    assert rows.process.unique().tolist() == ["y", "x"]
    assert rows.measured[rows.diagnostic == "dnll"].tolist() == pytest.approx([-0.6, -0.6])


def test_only_eval_speakers_and_whole_splits_are_compared(handmade):
    white(handmade)
    handmade.add({name: 1e6 for name in EXACT}, representation="x", split="train")
    handmade.add({name: 1e6 for name in EXACT}, representation="x", slice="utterance_medial")
    assert set(tabulate(handmade.measured, {"x": WHITE}).rows.agrees) == {"2 %"}


def test_the_nll_itself_is_compared_only_where_no_difference_is_known(handmade):
    white(handmade, nll=5.0)
    entropy = math.log(2 * math.pi * math.e)  # of two normals
    handmade.add({"nll": entropy, "spectral_radius": 1.05, "unbounded": 1.0}, representation="u")
    rows = tabulate(handmade.measured, {"x": WHITE, "u": UNSTABLE}, predictors={"x": "p", "u": "p"}).rows
    assert "nll" not in set(rows.diagnostic[rows.process == "x"])
    mine = rows[rows.process == "u"]
    assert mine.diagnostic.tolist() == ["nll", "spectral_radius", "unbounded"] and set(mine.agrees) == {"2 %"}
    assert mine.exact.tolist() == pytest.approx([entropy, 1.05, 1.0])


def test_the_context_gain_is_measured_against_the_twin_without_context(handmade):
    gains, n = np.array([-0.6, -0.7, -0.8]), 10
    white(handmade)
    for predictor, means in (("p", 3 + gains), ("p__unconditional", [3.0, 3.0, 3.0])):
        nll = {f"s{i}": (mean * n, n) for i, mean in enumerate(means)}
        handmade.add({}, representation="x", predictor=predictor, speakers={"nll": nll})
    rows = tabulate(handmade.measured, {"x": WHITE}).rows
    row = rows[rows.diagnostic == "context_gain"].iloc[0]
    assert row[["exact", "measured"]].tolist() == pytest.approx([DNLL, -0.7])
    assert -0.8 <= row.ci_low < -0.7 < row.ci_high <= -0.6 and row.agrees == "interval"


def test_a_horizon_that_the_predictor_is_not_trained_at_is_passed_over(handmade):
    white(handmade)
    rows = tabulate(handmade.measured, {"x": WHITE}, horizons=[1, 2]).rows
    assert set(rows.k) == {1}


# ------------------------------------------------------------------------------------------------- clusters


def test_the_fewest_clusters_stand_for_a_key(handmade):
    for key, values in (("pool", {64: 1.5, 128: 1.0}), ("pc", {128: 1.0, 64: 0.99})):
        for clusters, ratio in values.items():
            handmade.add({"variance_ratio": ratio}, representation="x", predictor=key, clusters=clusters)
    # whatever the seeds of predictors: a clustering is measured once
    table = {"predictors": {}, "keys": {"x": ["pool", "pc"]}, "seeds": [3, 4]}
    rows = tabulate(handmade.measured, {"x": JUMPS}, **table).rows
    columns = ["by", "diagnostic", "exact", "measured", "agrees"]
    assert rows[columns].values.tolist() == [
        ["pool, 64 clusters", "variance_ratio", 1.0, 1.5, "no"],
        ["pc, 64 clusters", "variance_ratio", 1.0, 0.99, "2 %"],
    ]


def test_a_clustering_that_was_not_measured_is_an_error(handmade):
    with pytest.raises(UserError, match=r"variance_ratio of 'x' was not measured.*predictors and keys"):
        tabulate(handmade.measured, {"x": JUMPS}, predictors={}, keys={"x": ["pool"]})


def test_a_head_without_a_likelihood_is_compared_by_what_it_gives(handmade):
    values = {name: value for name, value in EXACT.items() if name in ("r2_delta", "energy_score", "unbounded")}
    handmade.add({**values, "cosine": exact_cosine()[0], "nll": None}, representation="x")
    sheet = tabulate(handmade.measured, {"x": WHITE})
    assert set(sheet.rows.diagnostic) == {*values, "cosine"}
    assert set(sheet.rows.agrees) == {"2 %"}


# ------------------------------------------------------------------------------------------------ factorizers


def test_a_factorizer_is_compared_with_what_the_whole_past_tells(handmade):
    process = settings_of("representations", "state_space", dim=4)
    exact = {a.metric: a.value for a in build_process(process).answers([1]) if a.horizon is None}
    names = ("innovation_nats", "frame_nll", "next_frame_information")
    handmade.add({n: exact[n] * (1.1 if n == "frame_nll" else 1) for n in names}, representation="z", predictor="z",
                 horizon=None)  # fmt: skip
    sheet = tabulate(handmade.measured, {"x": process}, predictors={}, factorizers={"x": "z"})
    rows = sheet.rows[["by", "diagnostic", "agrees"]].values.tolist()
    assert rows == [["z", names[0], "2 %"], ["z", names[1], "no"], ["z", names[2], "2 %"]]


# -------------------------------------------------------------------------- the judge of representations


def test_a_judged_process_has_a_row_for_its_skill_and_for_what_its_window_tells(handmade):
    process = settings_of("representations", "var", dim=3, radius=0.5)
    exact = {a.metric: a.value for a in build_process(process).answers([1])}
    place = {"representation": "x", "predictor": "x", "measurement": "learned"}
    handmade.add({"decoded_skill": exact["decoded_skill"]}, mode="exact", **place)
    handmade.add({"state_information_whole": 1.1 * exact["state_information_whole"]}, mode="window", **place)
    handmade.add({"state_information_whole": 0.0}, mode="frame", **place)
    sheet = tabulate(handmade.measured, {"x": process}, predictors={}, judged=["x"])
    rows = sheet.rows[["by", "diagnostic", "k", "agrees"]].values.tolist()
    line = "a line of the window"
    assert rows == [[line, "decoded_skill", 1, "2 %"], [line, "state_information_whole", 1, "no"]]
    assert "`decoded_skill`" in sheet.notes[-1]


def test_what_a_network_tells_of_a_process_is_a_row_of_its_own(handmade):
    process = settings_of("representations", "switching", dim=3)
    exact = {a.metric: a.value for a in build_process(process).answers([1])}["state_information_mdn_whole"]
    place = {"representation": "x", "predictor": "x", "measurement": "state_information"}
    handmade.add({"state_information_mdn_whole": 0.99 * exact}, mode="window", **place)
    handmade.add({"state_information_mdn_whole": 0.5 * exact}, mode="frame", **place)
    sheet = tabulate(handmade.measured, {"x": process}, predictors={}, state_information=["x"])
    rows = sheet.rows[["by", "diagnostic", "k", "agrees"]].values.tolist()
    assert rows == [["a network of the window", "state_information_mdn_whole", 1, "2 %"]]
    assert "expected a little below what is exact" in sheet.notes[-1]


# ------------------------------------------------------------------------------ slow features, correlations


def test_readouts_are_compared_as_fitted_and_held_out_as_far_as_they_were_measured(handmade):
    process = settings_of("representations", "var", dim=3, radius=0.5)
    exact = {a.metric: a.value for a in build_process(process).answers([1])}
    first = {name: exact[name] for name in ("slowness_c1", "slowness_c2", "canonical_correlation_c1")}
    handmade.add(first, representation="x", predictor="x", split="train", horizon=None)
    held_out = {**first, "slowness_c2": (1.1 * exact["slowness_c2"],) * 3}
    handmade.add(held_out, representation="x", predictor="x", horizon=None)
    sheet = tabulate(handmade.measured, {"x": process}, predictors={}, readouts=["x"])
    rows = sheet.rows[["by", "diagnostic", "agrees"]].values.tolist()
    assert rows == [
        ["as fitted", "slowness_c1", "2 %"],
        ["held out", "slowness_c1", "2 %"],
        ["as fitted", "canonical_correlation_c1", "2 %"],
        ["held out", "canonical_correlation_c1", "2 %"],
        ["as fitted", "slowness_c2", "2 %"],
        ["held out", "slowness_c2", "no"],
    ]
    assert "`held out`" in sheet.notes[-1]
    with pytest.raises(UserError, match="no exact value of 'x'"):
        tabulate(handmade.measured, {"x": process}, predictors={})


# ------------------------------------------------------------------------------------------------- outliers

OUTLIERS = {"kind": "outliers", "source": "x", "share": 0.01, "factor": 1e3, "splits": ["eval"]}


@pytest.mark.parametrize(
    ("median", "mean", "expected"),
    [
        (-0.70, 500.0, ["2 %", "moved"]),
        (-0.70, math.inf, ["2 %", "moved"]),
        (-0.60, 500.0, ["no", "moved"]),  # what a median must not do
        (-0.70, -0.70, ["2 %", "no"]),  # and what a mean must
    ],
)
def test_outliers_must_move_the_mean_and_not_the_median(handmade, median, mean, expected):
    white(handmade, dnll_median=-0.701)
    handmade.add({"dnll_median": median, "dnll": mean}, representation="shaken")
    processes, predictors = {"x": WHITE, "shaken": OUTLIERS}, {"x": "p", "shaken": "p"}
    rows = tabulate(handmade.measured, processes, predictors=predictors, horizons=[1, 2]).rows  # x is not trained at 2
    mine = rows[rows.process == "shaken"]
    assert mine[["diagnostic", "k"]].values.tolist() == [["dnll_median", 1], ["dnll", 1]]
    assert mine.agrees.tolist() == expected
    assert mine.exact.tolist() == pytest.approx([-0.701, DNLL])
    assert mine.exact_is.tolist() == ["x: must not differ", "x: must differ"]


def test_outliers_without_their_source_are_an_error(handmade):
    handmade.add({"dnll_median": -0.7, "dnll": 1.0}, representation="shaken")
    with pytest.raises(UserError, match=r"'x' was not measured with 'p'.*give 'x' the same predictor as 'shaken'"):
        tabulate(handmade.measured, {"shaken": OUTLIERS}, predictors={"shaken": "p"})


# ----------------------------------------------------------------------------------------------- what is refused


def test_a_predictor_that_reports_no_kappa_cannot_be_held_to_one(handmade):
    measured = {a.metric: a.value for a in build_process(VMF).answers([1])}
    handmade.add(measured, representation="x")
    assert set(tabulate(handmade.measured, {"x": VMF}).rows.agrees) == {"2 %"}
    del measured["kappa"]
    handmade.add(measured, representation="y")
    with pytest.raises(UserError, match=r"kappa of 'y' was not measured.*vmf_lognormal for kappa"):
        tabulate(handmade.measured, {"y": VMF}, predictors={"y": "p"})


@pytest.mark.parametrize(
    ("process", "table"),
    [
        (UNSTABLE, {"horizons": [2]}),  # known at k = 1 only
        (WHITE, {"horizons": [4]}),  # not trained there
        (JUMPS, {"predictors": {}}),
        (OUTLIERS, {"predictors": {}}),
    ],
)
def test_a_process_that_is_compared_with_nothing_is_an_error(handmade, process, table):
    white(handmade)
    with pytest.raises(UserError, match=r"no exact value of 'x' is compared with anything.*add k = 1"):
        tabulate(handmade.measured, {"x": process}, **table)


# the figure
PROCESSES = {
    "white": WHITE,
    "shaken": {"kind": "outliers", "source": "white"},
    "unstable": UNSTABLE,  # in the panel of ratios alone
    "mixture": settings_of("representations", "scale_mixture", dim=2),
}
DRAWN_TABLE = {"predictors": dict.fromkeys(PROCESSES, "p"), "keys": {},
               "geometry": [], "judged": [], "state_information": [], "readouts": [], "factorizers": {},
               "horizons": [1], "seeds": [0], "tolerance": 0.02}  # fmt: skip
PLAN = {"corpus": "c", "rows": list(PROCESSES), "processes": PROCESSES}
NATS = ["dnll", "dnll_full", "context_gain", "level_gain"]


@pytest.fixture
def measured(handmade):
    values = {"dnll_full": -0.5, "r2_delta": (0.5, 0.4, 0.6), "level_gain": 1.0, "unbounded": 0.0, "cosine": 0.7,
              "energy_score": 0.9}  # fmt: skip
    for name in ("white", "mixture"):
        handmade.add({"dnll": (-0.7, -0.8, -0.6), "dnll_median": -0.7, **values}, representation=name)
    handmade.add({"dnll": 1e6, "dnll_median": -0.7}, representation="shaken")
    handmade.add({"nll": 2.8, "spectral_radius": 1.05, "unbounded": 1.0}, representation="unstable")
    return handmade.measured


def test_points_hold_the_differences_in_tolerances(measured):
    rows = calibration_rows(measured, DRAWN_TABLE, PLAN)
    rows = rows[rows.process != "shaken"][::-1].reset_index(drop=True)  # those compare two measurements
    (axis,) = draw(measured, DRAWN_TABLE, PLAN).axes
    points = np.concatenate([line.get_xydata() for line in axis.get_lines() if line.get_marker() == "o"])
    expected = (rows.measured - rows.exact) / rows.tolerance
    np.testing.assert_allclose(points[np.argsort(points[:, 1])], np.stack([expected, rows.index], 1))
    (crosses,) = [line for line in axis.get_lines() if line.get_marker() == "x"]
    assert crosses.get_ydata().tolist() == rows.index[rows.agrees == "no"].tolist() != []
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == [f"{r.process}, {r.diagnostic}, k = {r.k}" for r in rows.itertuples()]
    ends = [tuple(s[:, 0]) for bars in axis.collections for s in bars.get_segments() if len(s)]
    bounded = rows.dropna(subset=["ci_low"])
    low, high = ((bounded[bound] - bounded.exact) / bounded.tolerance for bound in ("ci_low", "ci_high"))
    np.testing.assert_allclose(sorted(ends), sorted(zip(low, high, strict=True)))


def test_a_row_within_the_tolerance_is_in_the_band(measured):
    rows = calibration_rows(measured, DRAWN_TABLE, PLAN)
    near = rows[rows.agrees.str.endswith("%")]
    assert ((near.measured - near.exact).abs() <= near.tolerance).all() and len(near)


def test_an_overflow_is_drawn_as_a_failure_at_the_edge(handmade, tmp_path):
    values = {"nll": 2.8, "spectral_radius": math.inf, "unbounded": 1.0}
    handmade.add(values, representation="unstable")
    figure = draw(handmade.measured, DRAWN_TABLE, {**PLAN, "rows": ["unstable"]})
    (crosses,) = [line for line in figure.axes[0].get_lines() if line.get_marker() == "x"]
    low, high = figure.axes[0].get_xlim()
    assert 0.5 * high < crosses.get_xdata().max() < high and low == -high
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(measured, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(measured, DRAWN_TABLE, PLAN), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
