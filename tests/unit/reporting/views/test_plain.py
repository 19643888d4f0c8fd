"""The plain view: a row for each place that was measured, seeds averaged, nothing computed between rows."""

from dataclasses import asdict, replace

import pandas as pd
import pytest

from latentdyn.diagnostics.records import RECORDS, SUMS, WORST_FRAMES, record
from latentdyn.errors import UserError
from latentdyn.metrics import DIM, DNLL, ENERGY, FRAME_RATE_HZ
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.views.plain import draw, tabulate

TABLE = {"kind": "rank", "corpora": ["c"], "seeds": [0, 1], "splits": ["eval"], "representations": ["b", "a"]}
SHOWN = {"about": "What a row is.", "caption": "All of it", "columns": [], "drawn": ["dnll", "energy"], "axis": None,
         "across": None, "differences": []}  # fmt: skip
PLAN = {
    "corpus": "c", "rows": ["b", "a"], "shown": SHOWN, "bootstrap_resamples": 20,
    "kinds": {"representations": {"a": "var", "b": "mimi"}, "predictors": {"p": "mdn"}, "keys": {}},
}  # fmt: skip


def measured(*found: tuple[str, str, int, dict]) -> Measurements:
    """found: representation, what measured it, seed, and the record."""
    rows = [
        {"measurement": "m", "corpus": "c", "representation": of, "by": by, "seed": seed,
         "regime": "teacher_forced" if by == "p" else "none", **asdict(made)}
        for of, by, seed, made in found
    ]  # fmt: skip
    records = pd.DataFrame(rows, columns=list(RECORDS)).astype(RECORDS)
    return Measurements(
        records, pd.DataFrame(columns=list(SUMS)).astype(SUMS), pd.DataFrame(columns=list(WORST_FRAMES)), 20
    )


def here(metric, value, n=7, **where):
    return record(metric, value, n, split="eval", **where)


BY_SEED = measured(
    ("a", "a", 0, here(ENERGY, 3.0, n=4)),
    ("b", "p", 0, here(DNLL, -1.0, horizon=1, ci_low=-2.0, ci_high=0.0)),
    ("b", "p", 1, here(DNLL, -3.0, horizon=1, ci_low=-4.0, ci_high=-2.0)),
    ("b", "p", 0, here(DNLL, -0.5, horizon=2)),
    ("b", "p", 1, here(DNLL, -0.7, horizon=2)),
    ("b", "p", 0, here(DIM, 512, horizon=1)),
    ("b", "p", 0, here(FRAME_RATE_HZ, 12.5, horizon=1)),
)


def test_rows_follow_the_table_and_average_the_seeds():
    rows = tabulate(BY_SEED, TABLE, PLAN).rows
    assert rows["representation"].tolist() == ["b", "b", "a"] and rows["k"].tolist()[:2] == [1, 2]
    assert rows["dnll"].tolist()[:2] == [-2.0, -0.6] and rows["energy"].tolist()[2] == 3.0
    assert rows["dnll_ci_low"][0] == -3.0 and rows["dnll_ci_high"][0] == -1.0
    assert rows["dnll_seed_sd"][0] == pytest.approx(2**0.5) and rows["n"].tolist() == [7, 7, 4]
    assert pd.isna(rows["by"][2]), "what nothing else measured has no `by`"


def test_a_published_value_stands_beside_its_own_row_only():
    rows = tabulate(BY_SEED, TABLE, PLAN).rows
    assert rows["published_dnll"].tolist()[0] == -185.44 and rows["published_dnll"].isna()[1:].all()


def test_people_see_the_chosen_metrics_and_their_sentences(tmp_path):
    plan = {**PLAN, "shown": {**SHOWN, "columns": ["dnll"]}}
    paths = [tmp_path / f"t.{form}" for form in ("csv", "md", "tex")]
    write_sheet(tabulate(BY_SEED, TABLE, plan), *paths)
    csv, markdown, latex = (path.read_text() for path in paths)
    assert "energy" in csv.splitlines()[0] and "energy" not in markdown.splitlines()[0]
    assert "-2.00 [-3.00, -1.00]" in markdown and DNLL.sentence in " ".join(markdown.split())
    assert "All of it, corpus c." in latex


def test_a_row_that_was_not_measured_is_told():
    with pytest.raises(UserError, match="representation = z"):
        tabulate(BY_SEED, TABLE, {**PLAN, "rows": ["b", "z"]})


@pytest.mark.parametrize("axis", [None, "horizon"])
def test_lines_run_over_the_axis_and_bars_stand_for_rows(axis):
    figure = draw(BY_SEED, TABLE, {**PLAN, "shown": {**SHOWN, "axis": axis}})
    panel = figure.axes[0]
    values = panel.lines[0].get_ydata() if axis else panel.lines[0].get_xdata()
    assert list(values)[:2] == [-2.0, -0.6]
    assert panel.get_xlabel() == ("k" if axis else "")


def test_values_of_one_place_stand_across():
    sheet = tabulate(BY_SEED, TABLE, {**PLAN, "shown": {**SHOWN, "across": "horizon", "columns": ["dnll"]}})
    assert sheet.rows["representation"].tolist() == ["b", "a"] and "k" not in sheet.rows
    assert sheet.rows["dnll_1"].tolist()[0] == -2.0 and sheet.rows["dnll_2"].tolist()[0] == -0.6
    assert sheet.rows["energy"].tolist()[1] == 3.0 and sheet.rows["published_dnll_1"].tolist()[0] == -185.44
    assert [name for name in sheet.columns if name.startswith("dnll")][:3] == [
        "dnll_1",
        "dnll_1_ci_low",
        "dnll_1_ci_high",
    ]
    assert sheet.decimals["dnll_1"] == sheet.decimals["dnll_1_ci_low"] == DNLL.decimals


def test_a_mode_stands_beside_the_one_that_it_is_compared_with_over_the_same_speakers():
    modes = {"slow_a0.5": (2.0, 1.0), "turned_a0.5": (3.5, 2.5), "turned_a0.7": (0.0, 0.0), "held": (1.0, 1.0)}
    found = measured(*(("b", "b", 0, here(ENERGY, sum(v) / 2, mode=mode)) for mode, v in modes.items()))
    sums = [
        {"measurement": "m", "representation": "b", "by": "b", "seed": 0, "split": "eval", "slice": "all", "mode": mode,
         "metric": "energy", "speaker_id": f"s{i}", "total": 4 * value, "n": 4}
        for mode, values in modes.items() for i, value in enumerate(values)
    ]  # fmt: skip
    found = replace(found, speakers=pd.DataFrame(sums, columns=list(SUMS)).astype(SUMS))
    differences = [{"name": "turned", "metric": "energy", "of": "slow", "other": "turned*"},
                   {"name": "held", "metric": "energy", "of": "slow", "other": "held"}]  # fmt: skip
    plan = {**PLAN, "rows": ["b"], "shown": {**SHOWN, "differences": differences}}
    rows = tabulate(found, TABLE, plan).rows.set_index("mode")
    ends = ("", "_ci_low", "_ci_high")
    assert [rows.loc["slow_a0.5", f"energy_over_turned{end}"] for end in ends] == [-1.5] * 3  # of each speaker
    assert rows.loc["slow_a0.5", "energy_over_held"] == 0.5
    assert rows.drop("slow_a0.5")["energy_over_turned"].isna().all()
    (note,) = (note for note in tabulate(found, TABLE, plan).notes if "in the CSV" in note)
    assert note.startswith("`energy_over_turned`, `energy_over_held`, in the CSV:")
    alone = tabulate(measured(("b", "b", 0, here(ENERGY, 1.0, mode="slow"))), TABLE, plan)
    assert not any("in the CSV" in note for note in alone.notes), "there is nothing to set it beside"
    lost = found.speakers[~((found.speakers["mode"] == "held") & (found.speakers["speaker_id"] == "s1"))]
    rows = tabulate(replace(found, speakers=lost), TABLE, plan).rows.set_index("mode")
    assert rows.loc["slow_a0.5", "energy_over_held"] == 1.0, "of s0 alone: s1 has no score of the other mode"
