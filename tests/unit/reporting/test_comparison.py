"""Verdicts beside published values, by hand."""

import math
from typing import Any

import pandas as pd
import pytest

from latentdyn.reporting.comparison import AGREES, DIFFERS, with_verdicts
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.stored import StoredSheet

KINDS = {
    "representations": {"mimi": "mimi", "pca": "mimi>pca", "lyra": "soundstream"},
    "predictors": {"mdn": "mdn", "vmf": "vmf_lognormal", "line": "linear_gaussian"},
    "keys": {},
}
ROW = {"representation": "mimi", "predictor": "mdn", "split": "eval", "slice": "all", "k": 1, "dim": 512.0,
       "frame_rate_hz": 12.5, "dnll": -190.0, "dnll_ci_low": -192.0, "dnll_ci_high": -188.0, "published_dnll": -185.44,
       "r2_head": 0.5}  # fmt: skip


def stored(*rows: dict[str, Any], columns: tuple[str, ...] = ()) -> StoredSheet:
    made = pd.DataFrame([{**ROW, **row} for row in rows])
    return StoredSheet("t", "0", {"kind": "lagged"}, {"kinds": KINDS}, Sheet(made, ["Corpus `c`."], columns=columns))


def verdicts(*rows: dict[str, Any], column: str = "dnll", is_librispeech: bool = True) -> list[str]:
    return with_verdicts(stored(*rows), is_librispeech).rows[f"{column}_beside_published"].tolist()


@pytest.mark.parametrize(
    ("published", "expected"),
    # the interval is -192 to -188, and 5 % of the published value are added at either end
    [(-188.5, AGREES), (-185.44, AGREES), (-179.1, AGREES), (-178.9, DIFFERS), (-202.0, AGREES), (-202.2, DIFFERS),
     (math.inf, DIFFERS)],
)  # fmt: skip
def test_a_published_value_near_the_interval_agrees(published, expected):
    assert verdicts({"published_dnll": published}) == [expected]


def test_two_overflows_agree_and_a_value_without_an_interval_is_taken_alone():
    gap = {"rollout_gap": math.inf, "published_rollout_gap": math.inf, "k": 8}
    assert verdicts(gap, column="rollout_gap") == [AGREES]
    alone = {"dnll_ci_low": math.nan, "dnll_ci_high": math.nan, "published_dnll": -182.0}
    assert verdicts(alone) == [AGREES] and verdicts({**alone, "published_dnll": -180.0}) == [DIFFERS]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"representation": "lyra", "dim": 64.0, "frame_rate_hz": 50.0},
         "codec soundstream (published: mimi), dimension 64 (published: 512), frame rate 50 (published: 12.5)"),
        ({"predictor": "line"}, "predictor linear_gaussian (published: mdn)"),
        ({"representation": "pca", "dim": 16.0}, "dimension 16 (published: 64)"),
        ({"frame_rate_hz": 25.0}, "frame rate 25 (published: 12.5)"),
        ({"split": "validation"}, "split validation (published: eval)"),
    ],
)  # fmt: skip
def test_what_was_published_of_another_thing_does_not_compare_and_the_row_says_why(changes, reason):
    assert verdicts({**changes, "published_dnll": math.nan}) == [f"not comparable: {reason}"]


def test_other_speech_errors_of_the_source_and_unknown_baselines_do_not_compare():
    assert verdicts({}, is_librispeech=False) == ["not comparable: corpus (published of LibriSpeech)"]
    vmf = {"predictor": "vmf", "r2_mean": -10.0, "published_r2": -3686.0}
    assert verdicts(vmf, column="r2_mean")[0].startswith("not comparable: known error in the source")
    factored = {"predictor": "vmf", "dnll_factored": -2.0, "published_dnll_factored": -2.2}
    assert verdicts(factored, column="dnll_factored")[0].startswith("not comparable: baseline")


def test_what_was_never_published_has_no_verdict():
    sheet = with_verdicts(stored({}), True)
    assert "r2_head_beside_published" not in sheet.rows
    assert verdicts({"k": 3, "published_dnll": math.nan}, {}) == ["", AGREES]
    assert verdicts({"dnll": math.nan}, {}) == ["", AGREES]


def test_people_see_the_verdict_beside_the_value_where_there_is_one_to_see():
    shown = ("representation", "dnll", "published_dnll", "r2_head")
    sheet = with_verdicts(stored({}, columns=shown), True)
    assert list(sheet.columns) == [*shown[:3], "dnll_beside_published", "r2_head"]
    assert list(sheet.rows)[-3:] == ["published_dnll", "dnll_beside_published", "r2_head"]
    assert "5 % of the published value" in sheet.notes[-1]
    apart = with_verdicts(stored({"representation": "lyra", "published_dnll": math.nan}, columns=shown), True)
    assert list(apart.columns) == list(shown) and apart.notes[-1].startswith(
        "**Not comparable with published values:** 1 of 1"
    )
