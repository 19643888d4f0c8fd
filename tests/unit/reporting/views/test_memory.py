"""What a memory adds: differences by hand, and that it is answered only beside a control that gained."""

from typing import Any

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.views.memory import draw, tabulate

TABLE = {"representations": ["r"], "surrogates": ["looked_up"], "predictors": ["p"], "seeds": [0]}
PLAN = {"corpus": "c", "rows": ["r", "r__looked_up"]}


def add(handmade, representation: str, by: str, nll: tuple[float, float], **facts: Any) -> None:
    """Two speakers of four frames each, with these means."""
    seed = facts.pop("seed", 0)
    speakers = {"nll": {f"s{i}": (4 * mean, 4) for i, mean in enumerate(nll)}}
    handmade.add(
        {"nll": sum(nll) / 2, **facts}, speakers=speakers, representation=representation, predictor=by, seed=seed
    )


def measure(handmade, representation: str, own=(0.0, 4.0), widened=(1.0, 7.0), random=(2.0, 6.0), seed=0):
    add(handmade, representation, "p", own, seed=seed, dnll=-5.0, cosine=0.4, parameters=1000.0)
    add(handmade, representation, "p__widened", widened, seed=seed, dnll=-3.0, cosine=0.3, parameters=1010.0)
    add(handmade, representation, "p__random_codes", random, seed=seed, dnll=-3.5, cosine=0.2, parameters=1000.0)


def test_values_by_hand(handmade):
    for representation in PLAN["rows"]:
        measure(handmade, representation)
    row = tabulate(handmade.measured, TABLE, PLAN).rows.iloc[0]
    assert tuple(row[["representation", "predictor", "n", "seeds", "helps"]]) == ("r", "p", 50, 1, "yes")
    assert tuple(row[["dnll", "dnll_widened", "dnll_random_codes"]]) == (-5, -3, -3.5)
    assert tuple(row[["cosine", "cosine_widened", "cosine_random_codes"]]) == (0.4, 0.3, 0.2)
    assert tuple(row[["parameters", "parameters_widened", "parameters_random_codes"]]) == (1000, 1010, 1000)
    assert tuple(row[["over_widened", "over_widened_ci_low", "over_widened_ci_high"]]) == (-2, -3, -1)
    assert tuple(row[["over_random", "over_random_ci_low", "over_random_ci_high"]]) == (-2, -2, -2)


@pytest.mark.parametrize(
    ("own", "control", "helps"),
    [
        ({}, {}, ["yes", "yes"]),
        ({"widened": (-1.0, 7.0)}, {}, ["no", "yes"]),  # one speaker says so, the other not
        ({"random": (0.0, 4.0)}, {}, ["no", "yes"]),  # better than the widened one alone
        ({"widened": (-1.0, 7.0)}, {"random": (-1.0, 3.0)}, ["unknown", "unknown"]),
        ({}, {"widened": (0.0, 4.0)}, ["unknown", "unknown"]),  # a gain of what does not learn its control
    ],
)
def test_whether_a_memory_helps_is_said_only_beside_a_control_that_gained(handmade, own, control, helps):
    measure(handmade, "r", **own)
    measure(handmade, "r__looked_up", **control)
    sheet = tabulate(handmade.measured, TABLE, PLAN)
    assert sheet.rows["helps"].tolist() == helps
    gained = "gained" if helps[1] == "yes" else "did not gain"
    assert sheet.rows["positive_control"].tolist() == [gained, gained]
    told = [note for note in sheet.notes if "control of `r` by `p`" in note]
    assert len(told) == 1 and ("did not gain" in told[0]) == (helps[1] != "yes")


def test_an_overflow_says_nothing_whatever_the_control_gained(handmade):
    measure(handmade, "r", own=(0.0, np.inf))
    measure(handmade, "r__looked_up")
    assert tabulate(handmade.measured, TABLE, PLAN).rows["helps"].tolist() == ["unknown", "yes"]


@pytest.mark.parametrize("own", [{}, {"widened": (0.0, 4.0)}])
def test_without_a_control_nothing_is_said(handmade, own):
    measure(handmade, "r", **own)
    sheet = tabulate(handmade.measured, TABLE, {**PLAN, "rows": ["r"]})
    assert sheet.rows[["helps", "positive_control"]].to_numpy().tolist() == [["unknown", "none"]]
    assert any("`r` by `p` has no positive control" in note for note in sheet.notes)


def test_seeds_are_pooled_and_their_deviation_is_shown(handmade):
    measure(handmade, "r")
    measure(handmade, "r", widened=(3.0, 9.0), seed=1)
    row = tabulate(handmade.measured, {**TABLE, "seeds": [0, 1]}, {**PLAN, "rows": ["r"]}).rows.iloc[0]
    assert row["over_widened"] == -3 and row["over_widened_seed_sd"] == pytest.approx(np.std([-2, -4], ddof=1))
    assert row["over_random_seed_sd"] == 0 and row["seeds"] == 2


def test_the_figure_has_a_line_for_each_row(handmade, tmp_path):
    for representation in PLAN["rows"]:
        measure(handmade, representation)
    figure = draw(handmade.measured, TABLE, PLAN)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["r__looked_up, p", "r, p"]
    write_figure(figure, tmp_path / "f.png")


def test_a_row_that_was_not_measured_is_told(handmade):
    measure(handmade, "r")
    with pytest.raises(UserError, match="no metrics for representation = r__looked_up"):
        tabulate(handmade.measured, TABLE, PLAN)
