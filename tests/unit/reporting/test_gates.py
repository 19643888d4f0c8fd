"""Gates: verdicts by hand, Kleene's logic, and that nothing missing or overflown ever passes."""

import math
from typing import get_args

import numpy as np
import pytest

from latentdyn.config.kinds import kinds_of
from latentdyn.config.predictors import PredictorKind
from latentdyn.config.tables.gates import Part
from latentdyn.errors import UserError
from latentdyn.metrics import MEASURED
from latentdyn.reporting import gates
from latentdyn.reporting.asked import Answers, Asked
from latentdyn.reporting.criteria import Criteria, Gate, criteria, digest_of, gate
from latentdyn.reporting.entries import read_entries
from latentdyn.reporting.gates import Judgement, best, compare, every, judge, negation, some

GATES = [gate for gate in criteria().gates.root[:7] if isinstance(gate, Gate)]
MET, FAILED, OPEN, MISSING = *map(Judgement, ("met", "not met", "undecided")), gates.unmeasured("gone")


@pytest.mark.parametrize(
    ("value", "interval", "comparison", "threshold", "expected"),
    [
        (0.7, (0.65, 0.75), ">", 0.6, "met"),
        (0.7, (0.55, 0.75), ">", 0.6, "undecided"),
        (0.5, (0.45, 0.55), ">", 0.6, "not met"),
        (0.6, (0.5, 0.7), ">", 0.6, "undecided"),
        (5.0, (3.0, 8.0), ">", 8.0, "not met"),  # above means above
        (9.0, (8.0, 10.0), "<", 8.0, "not met"),
        (0.7, (0.65, 0.75), "<", 0.6, "not met"),
        (0.5, (0.45, 0.55), "<", 0.6, "met"),
        (-20.0, (-25.0, -14.7), "<", -14.7, "undecided"),  # an interval that ends there is not below it
        (math.inf, (math.nan, math.nan), ">", 0.6, "not met"),  # an overflow is no large value
        (math.inf, (None, None), "<", 79, "not met"),
        (-math.inf, (math.nan, math.nan), "<", 0, "undecided"),  # what it is less than overflowed
        (-math.inf, (-3.0, -1.0), "<", 0, "undecided"),
        (0.7, (None, None), ">", 0.6, "undecided"),
        (0.7, (math.nan, math.nan), ">", 0.6, "undecided"),
        (math.nan, (None, None), ">", 0.6, "not measured"),
    ],
)
def test_a_value_beside_its_threshold(value, interval, comparison, threshold, expected):
    assert compare(value, *interval, comparison, threshold).verdict == expected


@pytest.mark.parametrize(
    ("parts", "all_of_them", "any_of_them"),
    [
        ([MET, MET], "met", "met"),
        ([MET, FAILED], "not met", "met"),
        ([FAILED, FAILED], "not met", "not met"),
        ([MET, OPEN], "undecided", "met"),
        ([FAILED, OPEN], "not met", "undecided"),
        ([MISSING, OPEN], "not measured", "not measured"),
        ([MET, MISSING], "not measured", "met"),
        ([FAILED, MISSING], "not met", "not measured"),
        ([MISSING], "not measured", "not measured"),
        ([], "not measured", "not measured"),
    ],
)
def test_joint_verdicts_follow_kleene(parts, all_of_them, any_of_them):
    assert (every(parts).verdict, some(parts).verdict) == (all_of_them, any_of_them)
    assert (every(parts[::-1]).verdict, some(parts[::-1]).verdict) == (all_of_them, any_of_them)


def test_what_is_open_stays_open_when_it_is_negated_and_every_reason_is_told_once():
    assert [negation(part) for part in (FAILED, MET, OPEN, MISSING)] == [MET, FAILED, OPEN, MISSING]
    assert every([MISSING, MISSING, gates.unmeasured("away")]).why == "gone; away"


# ------------------------------------------------------------------------------------------ where a gate looks


@pytest.fixture
def forecasts(handmade):
    """16 steps of mode D, beside what a gate must not take for them."""
    for step in range(1, 17):
        cosine = (1.0 - step / 20, 0.1, 0.19) if step == 16 else 0.9  # at step 16 .2
        handmade.add({"cosine": cosine, "state_error": 1e6}, mode="D", step=step, horizon=None)
    handmade.add({"cosine": 0.95, "state_error": (70.0, 65.0, 85.0)}, mode="D", horizon=None)
    handmade.add({"divergence_horizon": (10.0, 9.0, 12.0)}, mode="D", horizon=None)
    handmade.add({"cosine": 0.99, "state_error": 0.0, "divergence_horizon": 17.0}, mode="A", step=16, horizon=None)
    handmade.add({"dnll": (-20.0, -22.0, -18.0)}, horizon=1)
    handmade.add({"dnll": -2.0}, horizon=2)
    handmade.add({"dnll": -2.0}, horizon=1, slice="high_energy")
    handmade.add({"dnll": -2.0}, mode="D", horizon=None)
    return handmade


@pytest.mark.parametrize(
    ("name", "value", "verdict"),
    [
        ("direction_sustained", 0.2, "not met"),
        ("horizon_extended", 10, "met"),
        ("nats_beyond_pca", -20, "met"),
        ("state_error_below_mimi", 70, "undecided"),
    ],
)
def test_a_gate_takes_its_own_record(forecasts, name, value, verdict):
    answer = judge(gate(name), forecasts.measured)
    assert (answer.value, answer.verdict) == (pytest.approx(value), verdict)


def test_thresholds_are_those_of_the_seed_documents():
    measured = {
        gate.name: (gate.comparison, gate.threshold, gate.at.mode, gate.at.step, gate.at.horizon) for gate in GATES
    }
    assert measured == {
        "direction_sustained": (">", 0.6, "D", 16, None), "horizon_extended": (">", 8, "D", None, None),
        "nats_beyond_pca": ("<", -14.7, None, None, 1), "state_error_below_mimi": ("<", 79, "D", None, None),
        "pesq_above_2": (">", 2, "noisy", None, None), "representation_gain": (">", 2, None, None, 1),
    }  # fmt: skip


def test_what_was_not_measured_says_why(handmade):
    for step in range(1, 5):
        handmade.add({"cosine": 0.9}, mode="D", step=step, horizon=None)
    handmade.add({"divergence_horizon": 5.0}, mode="D", horizon=None)  # never, of 4: says nothing of 8
    handmade.add({"dnll": math.nan}, horizon=1)
    answers = {gate.name: judge(gate, handmade.measured) for gate in GATES}
    assert {name: answer.why for name, answer in answers.items()} == {
        "direction_sustained": "there is no record of cosine at step 16",
        "horizon_extended": "forecasts have fewer than 8 steps", "nats_beyond_pca": "undefined",
        "state_error_below_mimi": "there is no record of state_error", "pesq_above_2": "there is no record of pesq",
        "representation_gain": "no reference is named",
    }  # fmt: skip
    assert {answer.verdict for answer in answers.values()} == {"not measured"}


def test_eight_steps_are_enough_to_say_that_eight_were_kept(handmade):
    for step in range(1, 9):
        handmade.add({"cosine": 0.9}, mode="D", step=step, horizon=None)
    handmade.add({"divergence_horizon": (9.0, 8.5, 9.0)}, mode="D", horizon=None)
    assert judge(gate("horizon_extended"), handmade.measured).verdict == "met"


@pytest.mark.parametrize(
    ("mine", "theirs", "verdict", "interval"),
    [
        ((5.0, 2.0, 6.0), (3.0, 2.0, 6.0), "undecided", (-4, 4)),
        ((9.0, 7.0, 9.0), (3.0, 2.0, 6.0), "met", (1, 7)),
        ((3.0, 2.0, 3.0), (5.0, 4.0, 6.0), "not met", (-4, -1)),
        (5.0, (3.0, 2.0, 4.0), "undecided", (math.nan, math.nan)),
    ],
)
def test_a_difference_without_sums_over_speakers_is_as_unsure_as_both(handmade, mine, theirs, verdict, interval):
    for predictor, horizon in (("vmf", mine), ("net", theirs)):
        handmade.add({"divergence_horizon": horizon}, predictor=predictor, mode="D", horizon=None)
    answer = judge(gate("more_stable_than_mixture"), *(handmade.measured.where(by=name) for name in ("vmf", "net")))
    assert answer.verdict == verdict
    np.testing.assert_equal((answer.ci_low, answer.ci_high), interval)


def test_of_several_settings_one_that_meets_it_is_shown():
    answers = [Judgement("not met", 0.1), Judgement("undecided", 0.8), Judgement("met", 0.9)]
    assert [best(answers[:n]) for n in (1, 2, 3)] == answers
    assert best([MISSING, FAILED]).verdict == "not measured"


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ((-30.0, -30.0), (-10.0, -10.0), ("met", 3)),
        ((-60.0, -30.0), (-30.0, -10.0), ("undecided", 2.25)),  # by speaker 2 and 3
        ((-5.0, -5.0), (-10.0, -10.0), ("not met", 0.5)),
        ((5.0, 5.0), (-10.0, -10.0), ("not met", -0.5)),
        ((30.0, 30.0), (10.0, 10.0), ("not measured", None)),  # worse than nothing, thrice
        ((-30.0, -30.0), (0.0, 0.0), ("not measured", None)),
    ],
)
def test_a_gain_is_a_ratio_to_that_of_the_reference(handmade, mine, theirs, expected):
    for representation, means in (("r", mine), ("ref", theirs)):
        sums = {"dnll": {f"s{i}": (4 * mean, 4) for i, mean in enumerate(means)}}
        handmade.add({"dnll": sum(means) / 2}, representation=representation, speakers=sums)
    measured = handmade.measured
    answer = judge(gate("representation_gain"), *(measured.where(representation=name) for name in ("r", "ref")))
    assert (answer.verdict, answer.value) == expected


def test_gains_on_different_speakers_are_refused(handmade):
    for representation, speaker in (("r", "s1"), ("ref", "s2")):
        sums = {"dnll": {speaker: (-4.0, 4)}}
        handmade.add({"dnll": -1.0}, representation=representation, speakers=sums)
    measured = handmade.measured
    with pytest.raises(UserError, match="not the same ones"):
        judge(gate("representation_gain"), *(measured.where(representation=name) for name in ("r", "ref")))


# ------------------------------------------------------------------------------------------ the decision matrix


def answers(works: list[Judgement], vmf_works: list[Judgement], gains: list[Judgement]) -> dict[str, Judgement]:
    """The decisions where forecasts of a representation r, and those of them by vMF, keep their direction and steps so,
    and where other representations gain so."""
    rest = [work for work in works if work not in vmf_works]
    rows = {("r", f"vmf{i}"): work for i, work in enumerate(vmf_works)}
    rows |= {("r", f"net{i}"): work for i, work in enumerate(rest)}
    gained = {(f"other{i}", "net0"): gain for i, gain in enumerate(gains)}
    found = {g.name: {} for g in criteria().gates.root}
    found |= {"direction_sustained": rows, "horizon_extended": dict.fromkeys(rows, MET), "representation_gain": gained}
    asked = {name: Asked({row: ("r", row[1]) for row in of}) for name, of in found.items()}
    kinds = {row[1]: "vmf_lognormal" if row[1].startswith("vmf") else "mdn" for row in (*rows, *gained)}
    decided = Answers(found, asked, criteria()).decisions(["r", *(row[0] for row in gained)], kinds)
    return {question.name: answer for question, answer in decided}


@pytest.mark.parametrize(
    ("works", "vmf_works", "gains", "expected"),
    [
        ([MET, FAILED], [MET], [FAILED], ["met", "not met", "not met", "not met"]),
        ([FAILED, FAILED], [FAILED], [MET], ["not met", "met", "not met", "met"]),
        ([FAILED, MET], [FAILED], [FAILED], ["not met", "not met", "not measured", "not met"]),
        ([FAILED, MISSING], [FAILED], [], ["not met", "not measured", "not measured", "not measured"]),
        ([FAILED], [], [FAILED], ["not measured", "not met", "not measured", "met"]),
    ],
)
def test_the_matrix_follows_from_gates(works, vmf_works, gains, expected):
    found = answers(works, vmf_works, gains)
    assert [found[f"decision_{i}"].verdict for i in range(1, 6)] == [*expected, "not measured"]


def test_the_matrix_says_what_it_lacks():
    found = answers([FAILED], [], [])
    assert [found[f"decision_{i}"].why for i in range(1, 6)] == [
        "no predictor is of kind vmf_lognormal",
        "no predictor is of kind vmf_lognormal; no other representation is compared with a reference",
        "no predictor is of kind vmf_lognormal; no other representation is compared with a reference; "
        "no representation is named as projection beside a reference",
        "asked: no row meets direction_sustained and horizon_extended; none of 1 does",
        "it needs listeners",
    ]


# ------------------------------------------------------------------------------------------------------- as data


def test_every_gate_asks_for_what_a_table_of_gates_can_measure():
    measured = {"lagged", "injection", "free_runs", "archetypes", "decoder_tolerance", "corrections"}
    asked = [g for g in criteria().gates.root if isinstance(g, Gate)]
    assert {g.measurement for g in asked} == measured
    assert all(g.metric in {m.name for m in MEASURED[g.measurement]} for g in asked)
    parts = {rows.representation for g in asked for rows in (g.of, g.beside) if rows and rows.representation}
    assert parts == {"reference", *get_args(Part)}
    kinds = {get_args(kind.model_fields["kind"].annotation)[0] for kind in kinds_of(PredictorKind)}
    assert {rows.predictor for g in asked for rows in (g.of, g.beside) if rows and rows.predictor} <= kinds


GATE = (
    "{name: a, source: s, question: q, topic: t, published: p, measurement: lagged, metric: dnll, comparison: '>', "
    "threshold: 1.0"
)
JOINT = "{name: j, source: s, question: q, topic: t, published: p, every: [a], some: [sigma]}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"gates: [{GATE}, colour: red}}]\ndecisions: []", r"gates\.a\.colour: Extra inputs"),
        (f"gates: [{GATE}}}, {GATE}}}]\ndecisions: []", r"gates: two entries have the name a"),
        (f"gates: [{GATE.replace('1.0', 'high')}}}]\ndecisions: []", r"gates\.a\.threshold: Input should be a"),
        (f"gates: [{GATE.replace('dnll', 'dnl')}}}]\ndecisions: []", r"gates\.a: there is no metric 'dnl'"),
        (f"gates: [{GATE}, name: b}}]\ndecisions: []", r"the key 'name' stands twice.*line 1"),
        ("gates: [\ndecisions: []", r"cannot be read .*line [23]"),  # libyaml names the line after the last
        ("gates: []\ndecisions: \a", r"cannot be read \([^\n]*not allowed\)[^\n]*line 2"),
        ("gates: []\ndecisions: 2020-99-99", r"cannot be read \([^\n]*month[^\n]*line 2"),
        ("gates: []\n? [a]\n: 1", r"cannot be read \(a key is no single value\).*line 2"),
        ("gates: []\ndecisions: [{name: d, source: s, question: q, topic: t, published: p, "
         "every: [{some: [x], without: w}]}]",
         r"decisions\.d\.every: no gate has the name x"),
        ("gates: [{name: j, source: s, question: q, topic: t, published: p, every: [x]}]\ndecisions: []",
         r"gates\.j\.every: no gate before it has the name x"),
        (f"gates: [{GATE}}}]\ndecisions: [{{name: a, source: s, question: q, topic: t, published: p, "
         "every: [{some: [a], without: w}]}]",
         r"decisions\.a: a gate has this name"),
        (f"gates: [{GATE.replace('lagged', 'laged')}}}]\ndecisions: []", r"gates\.a: there is no measurement 'laged'"),
        (f"gates: [{GATE}, beside: {{correction: none}}}}, {JOINT}]\ndecisions: []",
         r"gates\.j\.every: with `some`, each is a gate on one measurement, without `beside`"),
        (f"gates: [{GATE}}}, {GATE.replace('name: a', 'name: b').replace('lagged', 'injection')}}}, "
         f"{JOINT.replace('[a]', '[a, b]')}]\ndecisions: []", r"gates\.j\.every: with `some`, each is"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_and_dotted_path(tmp_path, text, told):
    (tmp_path / "gates.yaml").write_text(text)
    with pytest.raises(UserError, match=told) as error:
        read_entries(tmp_path / "gates.yaml", Criteria)
    assert "gates.yaml" in error.value.where


def test_a_digest_is_of_what_is_asked_and_of_the_gates_that_are_named():
    digests = [digest_of(names) for names in (["all"], ["horizon_extended"], ["pesq_above_2"])]
    assert len(set(digests)) == 3 and digests[1] == digest_of(("horizon_extended",))
