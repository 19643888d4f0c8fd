"""The table of parametrisations: each column from its own measurement, means and deviations over seeds, stand-ins."""

from dataclasses import replace

import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.views.parametrisation import draw, tabulate

from .everything import everything, nothing, plan_of, table_of

TABLE, PLAN = table_of("parametrisation"), plan_of()
# a column, and the metric, mode and step that it shows
SHOWS = {
    "dnll": ("dnll", None, None), "cosine": ("cosine", None, None), "parameters": ("parameters", None, None),
    "forecast_dnll": ("dnll", "D", None), "forecast_cosine": ("cosine", "D", None), "skill": ("skill", "D", None),
    "state_error_normalised": ("state_error_normalised", "D", None),
    "energy_score_1": ("energy_score_state", "D_sampled", 1),
    "energy_score_last": ("energy_score_state", "D_sampled", 16),
    "unbounded": ("unbounded", "sampled", None), "energy": ("energy", "sampled", None),
    "frechet_latents": ("frechet_latents", "sampled", None), "frechet_deltas": ("frechet_deltas", "sampled", None),
    "classifier_accuracy": ("classifier_accuracy", "sampled", None),
    "autocorrelation_latents_1": ("autocorrelation_latents", "sampled", 1),
}  # fmt: skip


def placed(records, metric, mode, step):
    """The records of one place, of `p` alone."""
    here = (records["metric"] == metric) & (records["by"] == "p")
    here &= records["mode"] == mode if mode else records["mode"].isna() & (records["measurement"] == "lagged")
    return here & (records["step"].isna() if step is None else records["step"] == step).fillna(False)


def numbered(measured):
    """Each place has a number of its own, and all others another one."""
    records = measured.records.copy()
    records["value"] = 99.0
    for i, place in enumerate(SHOWS.values()):
        here = placed(records, *place)
        assert here.any(), place
        records.loc[here, "value"] = float(i)
    return replace(measured, records=records)


def test_a_column_shows_its_own_measurement():
    row = tabulate(numbered(everything()), TABLE, PLAN).rows.iloc[0]
    assert {column: row[column] for column in SHOWS} == {column: float(i) for i, column in enumerate(SHOWS)}


def test_seeds_are_averaged_and_their_deviation_is_shown():
    measured = everything()
    other = measured.records.assign(seed=1, value=measured.records["value"] + 2)
    both = replace(measured, records=pd.concat([measured.records, other]))
    row = tabulate(both, {**TABLE, "seeds": [0, 1]}, PLAN).rows.iloc[0]
    for metric in ("dnll", "energy", "frechet_latents", "classifier_accuracy"):
        assert row[metric] == pytest.approx(1.5) and row[f"{metric}_seed_sd"] == pytest.approx(2**0.5)
    assert row["seeds"] == 2 and "dnll_seed_sd" not in tabulate(measured, TABLE, PLAN).rows


def test_frames_that_no_predictor_made_stand_below_once_for_each_representation():
    two = {**TABLE, "predictors": ["p", "q"]}
    rows = tabulate(everything(), two, PLAN).rows
    assert rows["predictor"].tolist() == ["p", "q", "data", "half", "phase_randomised", "marginal"]
    stand_ins = rows.iloc[2:]
    assert stand_ins["regime"].isna().all() and stand_ins["dnll"].isna().all()
    assert (stand_ins["frechet_deltas"] == 0.5).all()


def test_what_a_head_describes_stands_beside_it():
    arms = {"p": {"target": "level", "linear_skip": "none", "target_axes": "natural"}}
    row = tabulate(everything(), TABLE, {**PLAN, "arms": arms}).rows.iloc[0]
    assert (row["target"], row["linear_skip"], row["target_axes"]) == ("level", "none", "natural")


def test_the_figure_has_a_panel_for_each_score_and_a_row_for_each_representation():
    figure = draw(everything(), TABLE, PLAN)
    assert len(figure.axes) == 5


def test_a_row_without_measurements_is_an_error():
    with pytest.raises(UserError, match="there are no metrics for representation = r, predictor = p"):
        tabulate(nothing(), TABLE, PLAN)


def test_a_skill_whose_ceiling_is_the_predictor_itself_is_blank():
    measured = everything()
    records = measured.records
    ceilings = records[(records["mode"] != "ceiling").fillna(True) | (records["step"] == 1).fillna(False)]
    row = tabulate(replace(measured, records=ceilings), TABLE, PLAN).rows.iloc[0]
    assert pd.isna(row.get("skill")) and not pd.isna(row["forecast_cosine"])


def test_the_runs_that_are_lost_are_told_by_what_heads_describe():
    measured = everything()
    records = measured.records.copy()
    lost = (records["metric"] == "unbounded") & (records["by"] == "q")
    records.loc[lost, "value"] = 0.25
    arms = {"p": {"target": "step", "linear_skip": "fixed"}, "q": {"target": "step", "linear_skip": "none"}}
    table = {**TABLE, "predictors": ["p", "q"]}
    (note,) = [n for n in tabulate(replace(measured, records=records), table, {**PLAN, "arms": arms}).notes
               if n.startswith("Shares of free runs")]  # fmt: skip
    assert "from the line 0." in note and "step 0.250 to 0.250 (1 of the arms)" in note
    assert not [n for n in tabulate(measured, TABLE, PLAN).notes if n.startswith("Shares of free runs")]
