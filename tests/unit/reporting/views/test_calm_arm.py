"""The table of CALM's parts: a row an arm and seed, costs beside scores, tricks, equal parameters, published values."""

import math
from dataclasses import replace

import pandas as pd
import pytest

from latentdyn.diagnostics.records import SUMS
from latentdyn.errors import UserError
from latentdyn.reporting.views.calm_arm import draw, tabulate

from .everything import everything, nothing, plan_of, table_of

TABLE = {**table_of("calm_arm"), "predictors": ["p", "q"]}
HONEST = {"context_noise": 0.0, "clean_frames": 0, "temperature": 1.0, "rollout_training": "no"}
TRICKY = {"context_noise": 0.2, "clean_frames": 8, "temperature": 0.8, "rollout_training": "yes"}
PLAN = {**plan_of(), "arms": {"p": HONEST, "q": TRICKY}}


def changed(measured, value, **where):
    """With this value where all columns are as said."""
    records = measured.records.copy()
    here = pd.concat([(records[name] == of).fillna(False) for name, of in where.items()], axis=1).all(axis=1)
    assert here.any()
    records.loc[here, "value"] = value
    return replace(measured, records=records)


def arms(sheet):
    return sheet.rows[sheet.rows["predictor"].isin(["p", "q"])]


def test_a_seed_is_a_row_and_a_closed_form_has_one():
    measured = everything()
    again = measured.records[measured.records["by"] != "q"].assign(seed=1)
    both = replace(measured, records=pd.concat([measured.records, again]))
    rows = arms(tabulate(both, {**TABLE, "seeds": [0, 1]}, PLAN))
    assert list(zip(rows["predictor"], rows["seed"], strict=True)) == [("p", 0), ("p", 1), ("q", 0)]


def test_columns_show_their_own_measurements():
    last = {"step": 16, "mode": "D_sampled", "by": "p", "measurement": "injection"}
    measured = changed(everything(), 3e6, metric="flops_per_frame")
    measured = changed(measured, 1.25, metric="generation_ms")
    measured = changed(measured, 4.0, metric="energy_score_state", **last)
    measured = changed(measured, 5.0, metric="energy_score_state_baseline", **last)
    measured = changed(measured, 6.0, metric="energy_score", **{**last, "mode": "ceiling"})
    row = arms(tabulate(measured, TABLE, PLAN)).iloc[0]
    assert (row["flops_per_frame"], row["generation_ms"]) == (3e6, 1.25)
    assert (row["energy_score_1"], row["energy_score_last"], row["energy_score_last_marginal"]) == (0.5, 4.0, 5.0)
    assert (row["energy_score_step_last"], row["energy_score_step_ceiling"]) == (0.5, 6.0)


def test_scores_of_draws_are_set_beside_the_marginal_over_the_same_speakers():
    measured = everything()
    records = measured.records
    drawn = records[(records["mode"] == "D_sampled") & (records["metric"] == "energy_score_state")]
    same = {"energy_score_state": 0.0, "energy_score_state_baseline": 1.5}  # a speaker is as hard for both
    sums = [
        {**row, "metric": metric, "speaker_id": f"s{i}", "total": 4.0 * (i + more), "n": 4}
        for row in drawn.to_dict("records") for metric, more in same.items() for i in range(3)
    ]  # fmt: skip
    measured = replace(measured, speakers=pd.DataFrame(sums)[list(SUMS)].astype(SUMS))
    row = arms(tabulate(measured, TABLE, PLAN)).iloc[0]
    for end in ("", "_ci_low", "_ci_high"):
        assert row[f"energy_score_1_over_marginal{end}"] == pytest.approx(-1.5)
        assert row[f"energy_score_last_over_marginal{end}"] == pytest.approx(-1.5)


def test_the_innovation_is_what_the_context_leaves_of_white_frames_at_a_tenth_of_a_deviation():
    measured = changed(everything(), -30.0, metric="level_gain", by="p")
    expected = (512 * math.log(10) - 30) / math.log(2) * 12.5 / 1000
    assert arms(tabulate(measured, TABLE, PLAN)).iloc[0]["innovation_kbit_per_s"] == pytest.approx(expected)


def test_a_head_without_likelihood_has_no_innovation():
    measured = everything()
    without = measured.records[measured.records["metric"] != "level_gain"]
    assert "innovation_kbit_per_s" not in tabulate(replace(measured, records=without), TABLE, PLAN).rows


@pytest.mark.parametrize(
    ("unbounded", "said"),
    [
        (0.0, "Free runs of `r`: bounded with tricks: `q` (context noise 0.2, 8 clean frames, temperature 0.8, rollout "
         "training); bounded without any trick: `p`."),
        (0.1, "Free runs of `r`: bounded with tricks: `q` (context noise 0.2, 8 clean frames, temperature 0.8, rollout "
         "training); not bounded in every run: `p`."),
    ],
)  # fmt: skip
def test_what_an_arm_needs_to_stay_bounded_is_said(unbounded, said):
    measured = changed(changed(everything(), 0.0, metric="unbounded"), unbounded, metric="unbounded", by="p")
    sheet = tabulate(measured, TABLE, PLAN)
    assert arms(sheet)["bounded"].tolist() == ["no" if unbounded else "yes", "yes"] and said in sheet.notes


def test_an_arm_is_bounded_where_all_its_seeds_are():
    measured = changed(everything(), 0.0, metric="unbounded")
    other = everything().records.assign(seed=1)
    both = replace(measured, records=pd.concat([measured.records, other]))
    sheet = tabulate(both, {**TABLE, "seeds": [0, 1]}, PLAN)
    assert arms(sheet)["bounded"].tolist() == ["yes", "no", "yes", "no"]
    assert any(note.startswith("Free runs of `r`: not bounded in every run: `p`, `q`") for note in sheet.notes)


@pytest.mark.parametrize(("parameters", "told"), [(1049.0, False), (1051.0, True), (949.0, True)])
def test_arms_of_other_sizes_are_told(parameters, told):
    measured = changed(changed(everything(), 1000.0, metric="parameters"), parameters, metric="parameters", by="q")
    sheet = tabulate(measured, TABLE, PLAN)
    assert arms(sheet)["parameters_ratio"].tolist() == [1.0, parameters / 1000]
    cautions = [note for note in sheet.notes if "equally many parameters" in note]
    assert len(cautions) == told and all(f"`q` {parameters / 1000:.2f}" in note for note in cautions)


def test_published_values_stand_below_as_of_another_setting():
    last = tabulate(everything(), TABLE, PLAN).rows.iloc[-1]
    assert (last["representation"], last["published_pesq"], last["published_stoi"]) == ("another setting", 2.42, 0.9)


def test_the_figure_has_panels_for_each_representation():
    assert len(draw(everything(), TABLE, PLAN).axes) == 5


def test_a_row_without_measurements_is_an_error():
    with pytest.raises(UserError, match="there are no metrics for representation = r, predictor = p"):
        tabulate(nothing(), TABLE, PLAN)
