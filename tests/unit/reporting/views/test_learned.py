"""The table that judges: ceilings, roles, and differences to controls of equal dimension, paired by speakers."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from latentdyn.diagnostics.records import RECORDS, SUMS, record
from latentdyn.errors import UserError
from latentdyn.metrics import (
    DECODED_SKILL,
    DIM,
    FRAME_RATE_HZ,
    PESQ,
    PREDICTIVE_INFORMATION,
    RECONSTRUCTION,
    STATE_INFORMATION,
    STATE_INFORMATION_MDN,
    STATE_INFORMATION_MDN_OVER_LINE,
)
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.views import learned

LINEAGES = {"x": "soundstream>pooled", "pca": "soundstream>pooled>pca", "wide": "soundstream>pooled>pca",
            "own": "soundstream>vae", "gru": "soundstream>pooled>random_gru"}  # fmt: skip
DIMS = {"x": 64, "pca": 8, "wide": 16, "own": 8, "gru": 8}
SKILL = {"x": 0.5, "pca": 0.2, "wide": 0.3, "own": 0.35, "gru": 0.1}
PLAN = {"corpus": "c", "rows": list(LINEAGES), "kinds": {"representations": LINEAGES}, "unheard": {"gru": "random_gru"},
        "objectives": {"own": "decoded_prediction"}, "window_frames": 8}  # fmt: skip
TABLE = {"reference": "x", "groups": []}


@pytest.fixture
def measured():
    """Values of three speakers with ten frames each: they vary by speaker, and rows differ by the same everywhere."""
    records, sums = [], []
    for name, skill in SKILL.items():
        who = {"measurement": "learned", "corpus": "c", "representation": name, "by": name, "seed": 0, "regime": "none",
               "fitted_on": "c"}  # fmt: skip
        way = "line" if name == "gru" else "approximate"
        at = {"split": "eval", "slice": "all", "horizon": 1}
        for metric, value, where in (
            (DECODED_SKILL, skill, {**at, "mode": way}), (STATE_INFORMATION, 2 * skill, {**at, "mode": "frame"}),
            (STATE_INFORMATION, 9.0, {**at, "mode": "window"}),
            (RECONSTRUCTION, 1 - skill, {"split": "eval", "slice": "all", "mode": way}),
        ):  # fmt: skip
            records.append({**who, **asdict(record(metric, value, 30, **where))})
            sums += [{**who, **where, "metric": metric.name, "speaker_id": s, "total": 10 * (value + d), "n": 10}
                     for s, d in (("a", -0.1), ("b", 0.0), ("c", 0.1))]  # fmt: skip
        for metric, value in ((DIM, DIMS[name]), (FRAME_RATE_HZ, 12.5)):
            records.append({**who, **asdict(record(metric, value, 30, split="eval"))})
        shape = {**who, "measurement": "geometry"}
        records.append({**shape, **asdict(record(PREDICTIVE_INFORMATION, 3.0, 30, split="eval", horizon=1))})
    tables = (pd.DataFrame(t, columns=list(c)).astype(c) for t, c in ((records, RECORDS), (sums, SUMS)))
    return Measurements(*tables, pd.DataFrame(), resamples=50)


def rows_of(measured):
    return learned.tabulate(measured, TABLE, PLAN).rows.set_index("representation")


def test_the_first_row_is_the_ceiling_and_others_stand_below_it(measured):
    rows = rows_of(measured)
    assert rows.role.to_dict() == {
        "x": "reference",
        "pca": "control",
        "wide": "control",
        "own": "judged",
        "gru": "control",
    }
    assert rows.way_back["gru"] == "line"
    to_reference = rows.decoded_skill_to_reference_1
    assert to_reference["x"] == 0 and to_reference["pca"] == pytest.approx(-0.3)
    # all rows differ alike for every speaker, so that paired intervals have no width
    assert rows.decoded_skill_to_reference_1_ci_low["pca"] == pytest.approx(-0.3)
    assert rows.state_information_window_1["own"] == 9


def test_what_is_judged_is_compared_with_controls_of_equal_dimension_alone(measured):
    rows = rows_of(measured)
    assert rows.decoded_skill_over_pca["own"] == pytest.approx(0.15), "8 dimensions, not 16"
    assert rows.state_information_over_random_gru["own"] == pytest.approx(0.5)
    assert rows.decoded_skill_over_pca_ci_low["own"] == pytest.approx(0.15)
    others = rows.drop(index="own").filter(like="_over_")
    assert others.isna().all(axis=None) and np.isnan(rows.decoded_skill_over_pca["pca"])


def test_decoded_skill_is_compared_at_every_horizon(measured):
    later = [part.assign(horizon=4) for part in (measured.records, measured.speakers)]
    skill = [part["metric"] == DECODED_SKILL.name for part in later]
    later = [part[mine] for part, mine in zip(later, skill, strict=True)]
    both = [pd.concat([a, b]) for a, b in zip((measured.records, measured.speakers), later, strict=True)]
    rows = rows_of(Measurements(*both, pd.DataFrame(), resamples=50))
    assert rows.decoded_skill_over_pca_4["own"] == pytest.approx(0.15) == rows.decoded_skill_over_pca["own"]
    assert "state_information_over_pca_4" not in rows and "decoded_skill_over_pca_1" not in rows


def test_a_speaker_without_a_score_is_in_no_difference_of_scores(measured):
    at = {"split": "eval", "slice": "all", "mode": "noisy", "sigma": 0.0}
    records, sums = [], []
    for name, speakers in (
        ("own", {"a": 2.0, "b": 3.0}),
        ("pca", {"a": 1.5, "b": 2.0, "c": 9.0}),
        ("x", {}),
        ("wide", {}),
    ):
        who = {"measurement": "decoder_tolerance", "corpus": "c", "representation": name, "by": name, "seed": 0}
        value = sum(speakers.values()) / len(speakers) if speakers else 4.0
        records.append({**who, "regime": "none", "fitted_on": "c", **asdict(record(PESQ, value, 3, **at))})
        sums += [{**who, **at, "metric": "pesq", "speaker_id": s, "total": v, "n": 1} for s, v in speakers.items()]
    more = [pd.DataFrame(t, columns=list(c)).astype(c) for t, c in ((records, RECORDS), (sums, SUMS))]
    both = [
        pd.concat(pair, ignore_index=True) for pair in zip((measured.records, measured.speakers), more, strict=True)
    ]
    heard = Measurements(*both, measured.worst_frames, resamples=50)
    rows = learned.tabulate(heard, {**TABLE, "groups": ["perception"]}, PLAN).rows.set_index("representation")
    assert rows.pesq_over_pca["own"] == 0.75, "of a and b: c has no score of the own one"
    assert (rows.pesq_over_pca_ci_low["own"], rows.pesq_over_pca_ci_high["own"]) == (0.5, 1.0)


def test_the_line_of_the_figure_joins_what_no_other_row_beats(measured):
    figure = learned.draw(measured, TABLE, PLAN)
    (front,) = (line for line in figure.axes[0].lines if line.get_zorder() == 0 and len(line.get_xdata()) > 2)
    assert list(front.get_xdata()) == sorted(front.get_xdata(), reverse=True)
    assert list(front.get_ydata()) == sorted(front.get_ydata())


def test_the_window_is_told_as_a_number_of_frames_and_of_milliseconds(measured):
    told = [note for note in learned.tabulate(measured, TABLE, PLAN).notes if "W = 8 frames (640 ms)" in note]
    assert len(told) == 2, "8 frames of 12.5 a second: of the memory of filters, and of what forecasts are made from"


def test_what_a_network_tells_stands_beside_the_line_where_it_was_asked_for(measured):
    """The plain table is the same with and without it; the window's is told of the reference alone."""
    assert not list(rows_of(measured).filter(like="mdn"))
    at, records, sums = {"split": "eval", "slice": "all", "horizon": 1}, [], []
    for name, skill in SKILL.items():
        who = {"measurement": "state_information", "corpus": "c", "representation": name, "by": name, "seed": 0,
               "regime": "none", "fitted_on": "c"}  # fmt: skip
        for mode in ("frame", "window") if name == "x" else ("frame",):
            for metric, value in ((STATE_INFORMATION_MDN, 3 * skill), (STATE_INFORMATION_MDN_OVER_LINE, skill)):
                where = {**at, "mode": mode}
                records.append({**who, **asdict(record(metric, value, 30, **where))})
                sums += [{**who, **where, "metric": metric.name, "speaker_id": s, "total": 10 * value, "n": 10}
                         for s in "abc"]  # fmt: skip
    more = [pd.DataFrame(t, columns=list(c)).astype(c) for t, c in ((records, RECORDS), (sums, SUMS))]
    both = [
        pd.concat(pair, ignore_index=True) for pair in zip((measured.records, measured.speakers), more, strict=True)
    ]
    asked = {**TABLE, "groups": ["state_information"]}
    sheet = learned.tabulate(Measurements(*both, measured.worst_frames, resamples=50), asked, PLAN)
    rows = sheet.rows.set_index("representation")
    assert rows.state_information_mdn_1.to_dict() == pytest.approx({name: 3 * s for name, s in SKILL.items()})
    assert rows.state_information_mdn_over_line_1["own"] == pytest.approx(0.35)
    assert rows.state_information_mdn_over_pca["own"] == pytest.approx(3 * 0.15)
    assert rows.state_information_over_pca["own"] == pytest.approx(2 * 0.15), "the line's stays what it was"
    assert rows.state_information_mdn_window_1.dropna().index.tolist() == ["x"]
    assert "state_information_mdn_1" in sheet.columns and "below the line's" in sheet.notes[-1]
    with pytest.raises(UserError, match="state_information"):
        learned.tabulate(measured, asked, PLAN)
