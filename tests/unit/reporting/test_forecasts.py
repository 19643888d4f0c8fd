"""Brier scores of the seed documents' forecasts, and what a run says of them."""

import pandas as pd
import pytest

from latentdyn.reporting.criteria import criteria
from latentdyn.reporting.forecasts import FORECASTS, Forecast, forecasts_sheet, mean_brier
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.stored import StoredSheet


def test_a_score_is_the_squared_distance_to_what_came_out():
    sure, wrong, open_ = (Forecast("s", "e", 0.8, outcome, "") for outcome in (True, False, None))
    assert sure.brier == pytest.approx(0.04) and wrong.brier == pytest.approx(0.64) and open_.brier is None
    assert mean_brier([sure, wrong, open_]) == (pytest.approx(0.34), 2)
    with pytest.raises(ValueError, match="no outcome"):
        mean_brier([open_])


def test_the_seeds_did_worse_than_one_half():
    # .55 yes, .6 no, .65 no, .5 no, .6 no
    expected = (0.45**2 + 0.6**2 + 0.65**2 + 0.5**2 + 0.6**2) / 5
    assert mean_brier() == (pytest.approx(expected), 5) and expected > 0.25
    assert all(0 < forecast.probability < 1 for forecast in FORECASTS)
    assert "Of 20 forecasts of the seed documents, 5 have" in forecasts_sheet().notes[0]


def stored(kind, rows, **predictors):
    """A table of a run."""
    return StoredSheet(kind, "", {"kind": kind}, {"kinds": {"predictors": predictors}}, Sheet(pd.DataFrame(rows), []))


def gates(*rows):
    """A table of gates, from (gate, representation, predictor, value, comparison, verdict)."""
    names = ["gate", "representation", "predictor", "measured", "comparison", "verdict"]
    told = pd.DataFrame(rows, columns=names).assign(threshold=0.5, split="eval")
    told.loc[told["representation"] == "heard in training", "split"] = "train"
    told = told.assign(ci_low=told["measured"] - 0.1, ci_high=told["measured"] + 0.1)
    return stored("gates", told, vmf="vmf_lognormal", gmm="mdn")


def said(expected, *tables):
    """What the run says of the forecasts that begin so: the same of each."""
    rows = forecasts_sheet(tables).rows
    mine = rows[rows["expected"].str.startswith(expected)].drop(columns=["source", "probability", "brier", "outcome"])
    assert len(mine.astype(str).drop_duplicates()) == 1
    return mine.iloc[0]


def test_a_run_says_yes_where_one_row_does_and_shows_the_row_that_says_it_most():
    run = gates(
        ("direction_sustained", "a", "vmf", 0.65, ">", "met"),
        ("direction_sustained", "b", "vmf", 0.75, ">", "met"),
        ("direction_sustained", "c", "vmf", 0.55, ">", "undecided"),
        ("direction_sustained", "d", "gmm", 0.95, ">", "met"),  # no vMF
        ("direction_sustained", "a__white", "vmf", 0.99, ">", "met"),  # a control
        ("direction_sustained", "heard in training", "vmf", 0.99, ">", "met"),
        ("direction_sustained", "e", "vmf", None, ">", "not measured"),
        ("direction_sustained", "f", "vmf", 0.99, ">", "not comparable"),
    )
    row = said("vMF keeps", run)
    assert (row["this_run"], row["met"], row["representation"], row["predictor"]) == ("yes", "2 of 3", "b", "vmf")
    assert (row["measured"], row["ci_low"], row["ci_high"]) == pytest.approx((0.75, 0.65, 0.85))
    assert row["asked"] == "direction_sustained (> 0.5)"


def test_a_run_is_undecided_before_it_says_no_and_a_forecast_may_be_turned_round():
    undecided = ("smooth_term_helps", "a", "vmf", 0.45, "<", "undecided")
    lost = ("prediction_term_helps", "a", "vmf", 0.9, "<", "not met")
    beaten = ("vae_beats_projection", "a", "vmf", 0.7, "<", "not met")
    assert said("Losses on", gates(undecided, lost))["this_run"] == "undecided"
    assert said("Losses on", gates(lost))["this_run"] == "no"
    row = said("A linear readout", gates(beaten))
    assert (row["this_run"], row["met"], row["measured"]) == ("yes", "0 of 1", 0.7)
    assert said("A linear readout", gates((*beaten[:-1], "met")))["this_run"] == "no"


def test_tables_of_other_kinds_answer_and_what_nothing_asks_is_not_measured():
    memory = {
        "representation": ["a", "a__looked_up"],
        "predictor": "vmf",
        "over_widened": [-0.2, -9.0],
        "over_widened_ci_low": [-0.3, -9.5],
        "over_widened_ci_high": [-0.1, -8.5],
        "helps": ["unknown", "yes"],
    }
    assert said("Memory as basis", stored("memory", memory, vmf="vmf_lognormal"))["this_run"] == "undecided"
    assert said("Memory as basis", stored("memory", memory, vmf="mdn"))["this_run"] == "not measured"
    lagged = {
        "representation": ["a", "a", "b"],
        "predictor": "gmm",
        "slice": ["all", "onset", "all"],
        "k": [1, 1, 2],
        "level_gain_over_shuffled": [0.5, -3.0, -4.0],
        "level_gain_over_shuffled_ci_low": [0.4, -3.5, -4.5],
        "level_gain_over_shuffled_ci_high": [0.6, -2.5, -3.5],
    }
    row = said("A predictor shows", stored("lagged", lagged))
    assert (row["this_run"], row["measured"], row["ci_high"]) == ("no", 0.5, 0.6)
    assert said("It is fundamental", gates(), stored("lagged", lagged))["this_run"] == "not measured"


def test_what_a_run_says_is_never_scored_and_every_gate_that_is_named_exists():
    run = gates(("archetypes_tight", "a", None, 0.9, ">", "met"))
    rows = forecasts_sheet([run]).rows
    mine = rows[rows["expected"].str.startswith("Archetypes")].iloc[0]
    assert (mine["this_run"], mine["outcome"]) == ("yes", "open") and pd.isna(mine["brier"])
    assert forecasts_sheet([run]).notes == forecasts_sheet().notes
    asked = [forecast.asked for forecast in FORECASTS if forecast.asked and forecast.asked.kind == "gates"]
    assert asked and {name for one in asked for name in one.where["gate"]} <= {g.name for g in criteria().gates.root}
