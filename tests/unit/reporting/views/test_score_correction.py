"""The score correction table: which rows there are, changes to no correction, the gate."""

import math

import numpy as np
import pandas as pd
import pytest

from latentdyn.correction.variants import KINDS
from latentdyn.diagnostics.injection import Mode
from latentdyn.diagnostics.records import SUMS
from latentdyn.errors import UserError
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.views import score_correction
from tests.unit.reporting.views.test_injection import PLAN as SHARED
from tests.unit.reporting.views.test_injection import injected

PLAN = {**SHARED, "sampling": {"sigmas": [0.1, 0.5], "step_size": 0.2, "n_steps": [1, 2]}}
TABLE = {"predictors": ["p"], "seeds": [0], "splits": ["eval"],
         "variants": ["none", "langevin", "noise_only", "score_only"]}  # fmt: skip
LANGEVIN, NOISE, SCORE = (Mode("D", kind, 2, 0.5) for kind in ("langevin", "noise_only", "score_only"))
D, D_SAMPLED, CEILING = Mode("D", "none"), Mode("D_sampled", "none"), Mode("ceiling")


def measurements(
    modes: dict[Mode, dict[str, float]], means: dict[Mode, list[float]] | None = None, metric: str = "cosine"
) -> Measurements:
    """Records of {mode: {metric: value}}, all steps pooled; means: by mode, that of `metric` of each speaker."""
    some = {"dnll": -1.0, "cosine": 0.2}
    pooled = {
        mode: {None: {**some, **({} if mode == CEILING else {"divergence_horizon": 2.0}), **values}}
        for mode, values in modes.items()
    }
    pooled[Mode(None, sigma=0.5)] = {None: {"denoising_loss": 0.5, "denoising_loss_gaussian": 0.6}}
    measured = injected(pooled)
    sums = [
        {"representation": "r", "by": "p", "seed": 0, "split": "eval", **vars(mode), "metric": metric,
         "speaker_id": f"s{i}", "total": 10 * mean, "n": 10}
        for mode, speakers in (means or {}).items() for i, mean in enumerate(speakers)
    ]  # fmt: skip
    speakers = pd.DataFrame(sums, columns=list(SUMS)).astype(SUMS)
    return Measurements(measured.records, speakers, measured.worst_frames)


def gates(measured: Measurements, table=TABLE) -> list[str]:
    return [note for note in score_correction.tabulate(measured, table, PLAN).notes if note.startswith("Gate")]


def test_rows_are_forecasts_and_variants_in_their_order_and_the_ceiling_last():
    modes = {CEILING: {}, SCORE: {}, LANGEVIN: {"divergence_horizon": 3.0}, D: {}, D_SAMPLED: {}, Mode("A"): {},
             Mode("D", "langevin", 1, 0.1): {}}  # fmt: skip
    rows = score_correction.tabulate(measurements(modes), TABLE, PLAN).rows
    who = rows[["forecast", "variant", "n_steps", "sigma"]].astype(object).fillna("-").values.tolist()
    assert who == [["D", "none", "-", "-"], ["D", "langevin", 1, 0.1], ["D", "langevin", 2, 0.5],
                   ["D", "score_only", 2, 0.5], ["D_sampled", "none", "-", "-"],
                   ["-", "ceiling", "-", "-"]]  # fmt: skip
    assert rows["divergence_horizon"].fillna(-1).tolist() == [2, 2, 3, 2, 2, -1]
    assert rows["denoising_loss"].fillna(-1).tolist() == [-1, -1, 0.5, 0.5, -1, -1]
    assert rows["ms_per_step"].tolist() == [80] * 6 and rows["n"].tolist() == [8] * 6
    few = score_correction.tabulate(measurements(modes), {**TABLE, "variants": ["none"]}, PLAN).rows
    assert few["variant"].tolist() == ["none", "none", "ceiling"]


def test_the_change_of_the_cosine_is_over_the_same_speakers():
    measured = measurements({D: {}, LANGEVIN: {}}, {D: [0.1, 0.5, 0.3], LANGEVIN: [0.05, 0.45, 0.25]})
    row = score_correction.tabulate(measured, TABLE, PLAN).rows.iloc[1]
    for part in ("", "_ci_low", "_ci_high"):  # every speaker by as much: no doubt about it
        assert row[f"cosine_change{part}"] == pytest.approx(-0.05)


def test_errors_are_set_beside_those_of_controls_with_as_many_steps_at_the_same_level():
    shrunk, elsewhere = Mode("D", "shrink_only", 2, 0.5), Mode("D", "shrink_only", 2, 0.1)
    errors = {D: [1.0, 1.4], SCORE: [0.8, 1.2], shrunk: [0.9, 1.3], elsewhere: [0.1, 0.1], NOISE: [1.1, 1.9]}
    measured = measurements({mode: {} for mode in errors}, errors, "state_error_normalised")
    table = {**TABLE, "variants": [*TABLE["variants"], "shrink_only"]}
    rows = score_correction.tabulate(measured, table, PLAN).rows.set_index(["variant", "sigma"])
    row = rows.loc[("score_only", 0.5)]
    expected = {"state_error_change": -0.2, "state_error_over_shrink": -0.1, "state_error_over_noise": -0.5}
    assert row[list(expected)].to_dict() == pytest.approx(expected)
    assert row["state_error_over_shrink_ci_high"] == pytest.approx(-0.1)  # though the speakers differ by .4
    assert rows.loc[("shrink_only", 0.5), "state_error_change"] == pytest.approx(-0.1)
    assert math.isnan(rows.loc[("shrink_only", 0.5), "state_error_over_noise"]), "a control is compared with none"
    assert "state_error_over_gaussian" not in rows, "it was not measured"


@pytest.mark.parametrize(
    ("horizon", "cosines", "verdict"),
    [
        ((9.0, 9.0, 10.0), [0.2, 0.2], "met"),
        ((9.0, 8.0, 10.0), [0.2, 0.2], "undecided"),  # above 8 is asked
        ((7.0, 6.0, 7.0), [0.9, 0.9], "not met"),
        ((17.0, 16.0, 17.0), [0.05, 0.05], "not met"),  # stable, but without the signal
        ((17.0, 16.0, 17.0), [0.0, 0.5], "met"),  # lower for one speaker, higher for the other
        ((17.0, 5.0, 17.0), [0.0, 0.0], "not met"),  # whatever the horizon is
    ],
)
def test_the_gate_asks_for_the_horizon_and_for_the_cosine(horizon, cosines, verdict):
    modes = {D: {"divergence_horizon": 2.0}, SCORE: {"divergence_horizon": horizon}}
    (note,) = gates(measurements(modes, {D: [0.1, 0.1], SCORE: cosines}))
    told = "{:g} [{:g}, {:g}]".format(*horizon)
    assert f"**{verdict}**. Horizon {told}, without correction 2;" in note and "score_only, 2 steps" in note


def test_a_horizon_that_was_not_measured_is_not_the_longest():
    modes = {D: {"divergence_horizon": 2.0}, LANGEVIN: {"divergence_horizon": (9.0, 9.0, 9.0)},
             SCORE: {"divergence_horizon": math.nan}}  # fmt: skip
    (note,) = gates(measurements(modes, {D: [0.1, 0.1], LANGEVIN: [0.2, 0.2], SCORE: [0.2, 0.2]}))
    assert "**met**" in note and "Best: langevin" in note


def test_controls_meet_no_gate_and_what_keeps_the_cosine_comes_first():
    modes = {D: {"divergence_horizon": 2.0}, NOISE: {"divergence_horizon": (17.0, 17.0, 17.0)},
             LANGEVIN: {"divergence_horizon": (12.0, 12.0, 12.0)},
             SCORE: {"divergence_horizon": (9.0, 9.0, 9.0)}}  # fmt: skip
    same = [0.1, 0.3]
    measured = measurements(modes, {D: same, NOISE: same, LANGEVIN: [0.0, 0.0], SCORE: same})
    (note,) = gates(measured)
    assert "Horizon 9 [9, 9]," in note and "Best: score_only" in note and "**met**" in note
    assert gates(measured, {**TABLE, "variants": ["langevin", "score_only"]}) == []  # nothing to compare with


def test_a_horizon_that_needed_no_extension_is_said_to():
    far = {"divergence_horizon": (17.0, 16.0, 17.0)}
    modes = {D: far, SCORE: far}
    (note,) = gates(measurements(modes, {D: [0.1, 0.1], SCORE: [0.1, 0.1]}))
    assert "nothing to extend" in note


def test_it_is_written_with_blanks_and_overflows(tmp_path):
    modes = {D: {}, LANGEVIN: {"state_error_normalised": math.inf, "nonfinite": 3.0}}
    paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
    write_sheet(score_correction.tabulate(measurements(modes), TABLE, PLAN), *paths)
    none, corrected = paths[1].read_text(encoding="utf-8").splitlines()[4:6]  # below the heading of the block
    assert "overflow" in corrected and "overflow" not in none and "NA" not in none
    written = pd.read_csv(paths[0], keep_default_na=False)
    assert written["n_steps"].tolist() == ["", "2"] and written["nonfinite"].tolist() == [0, 3]


def test_it_says_that_nothing_was_published():
    notes = " ".join(score_correction.tabulate(measurements({D: {}}), TABLE, PLAN).notes)
    assert "Published: nothing" in notes and ".40" in notes and ".35" in notes and ".30" in notes


def test_a_row_without_metrics_is_an_error_that_names_it():
    with pytest.raises(UserError, match="split = train"):
        score_correction.tabulate(measurements({D: {}}), {**TABLE, "splits": ["train"]}, PLAN)
    with pytest.raises(UserError, match="variant = langevin or shrink_only"):  # the ceiling is no forecast
        score_correction.tabulate(
            measurements({D: {}, CEILING: {}}), {**TABLE, "variants": ["langevin", "shrink_only"]}, PLAN
        )


# the figure
def test_a_line_a_variant_and_level_at_the_largest_number_of_steps():
    def steps(scale: float):
        values = {
            s: {"dnll": -1.0, "cosine": (scale / s, 0.0, 1.0), "state_error_normalised": s - 1.0} for s in (1, 2, 3)
        }
        return {None: {"dnll": -99.0, "cosine": 0.9}, **values}

    modes = {D: 1.0, LANGEVIN: 2.0, Mode("D", "langevin", 1, 0.5): 9.0, Mode("D", "langevin", 2, 0.1): 3.0, SCORE: 4.0,
             D_SAMPLED: 5.0, CEILING: 6.0}  # fmt: skip
    measured = injected({mode: steps(scale) for mode, scale in modes.items()})
    figure = score_correction.draw(measured, TABLE, PLAN)
    assert len(figure.axes) == 4 and "D_sampled" in figure.axes[2].get_title()
    drawn = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [line.get_color() for line in drawn] == [
        f"C{KINDS.index(k)}" for k in ("none", "langevin", "langevin", "score_only")
    ]
    for line, scale in zip(drawn, (1.0, 3.0, 2.0, 4.0), strict=True):  # levels in their order
        np.testing.assert_allclose(line.get_xydata(), [[1, scale], [2, scale / 2], [3, scale / 3]])
    dashed = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed[0].get_ydata(), [6, 3, 2])
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.texts]
    assert names == ["none", "langevin, sigma 0.1", "langevin, sigma 0.5", "score_only, sigma 0.5", "ceiling"]
