"""Gates: verdicts by hand, Kleene's logic, and that nothing missing or overflown ever passes."""

import dataclasses
import math

import pytest

from latentdyn.errors import UserError
from latentdyn.reporting import gates
from latentdyn.reporting.gates import GATES, Judgement, compare, decision_matrix, every, judge, negation, some

MET, FAILED, MISSING = Judgement("met"), Judgement("not met"), gates.unmeasured("gone")


@pytest.mark.parametrize(
    ("value", "interval", "comparison", "threshold", "expected"),
    [
        (0.7, (0.65, 0.75), ">", 0.6, ("met", True)),
        (0.7, (0.55, 0.75), ">", 0.6, ("met", False)),
        (0.5, (0.45, 0.55), ">", 0.6, ("not met", True)),
        (0.6, (0.5, 0.7), ">", 0.6, ("not met", False)),  # above means above
        (0.5, (0.45, 0.55), "<", 0.6, ("met", True)),
        (-20.0, (-25.0, -14.7), "<", -14.7, ("met", False)),  # an interval that ends there is not below it
        (math.inf, (math.nan, math.nan), ">", 0.6, ("not met", False)),  # an overflow is no large value
        (math.inf, (None, None), "<", 79, ("not met", False)),
        (0.7, (None, None), ">", 0.6, ("met", False)),
        (0.7, (math.nan, math.nan), ">", 0.6, ("met", False)),
        (math.nan, (None, None), ">", 0.6, ("not measured", False)),
    ],
)
def test_a_value_beside_its_threshold(value, interval, comparison, threshold, expected):
    answer = compare(value, *interval, comparison, threshold)
    assert (answer.verdict, answer.decided) == expected


@pytest.mark.parametrize(
    ("parts", "all_of_them", "any_of_them"),
    [
        ([MET, MET], "met", "met"),
        ([MET, FAILED], "not met", "met"),
        ([FAILED, FAILED], "not met", "not met"),
        ([MET, MISSING], "not measured", "met"),
        ([FAILED, MISSING], "not met", "not measured"),
        ([MISSING], "not measured", "not measured"),
        ([], "not measured", "not measured"),
    ],
)
def test_joint_verdicts_follow_kleene(parts, all_of_them, any_of_them):
    assert (every(parts).verdict, some(parts).verdict) == (all_of_them, any_of_them)
    assert (every(parts[::-1]).verdict, some(parts[::-1]).verdict) == (all_of_them, any_of_them)


def test_joint_verdicts_are_decided_where_what_they_rest_on_is():
    def sure(part: Judgement) -> Judgement:
        return dataclasses.replace(part, decided=True)

    assert every([sure(MET), sure(MET)]).decided and not every([sure(MET), MET]).decided
    assert every([FAILED, sure(FAILED)]).decided and not every([FAILED, sure(MET)]).decided
    assert some([MET, sure(MET)]).decided and not some([FAILED, sure(FAILED)]).decided
    assert negation(sure(FAILED)) == sure(MET)
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
    ("gate", "value", "verdict", "decided"),
    [
        (gates.DIRECTION_SUSTAINED, 0.2, "not met", True),
        (gates.HORIZON_EXTENDED, 10, "met", True),
        (gates.NATS_BEYOND_PCA, -20, "met", True),
        (gates.STATE_ERROR_BELOW_MIMI, 70, "met", False),
    ],
)
def test_a_gate_takes_its_own_record(forecasts, gate, value, verdict, decided):
    answer = judge(gate, forecasts.measured)
    assert (answer.value, answer.verdict, answer.decided) == (pytest.approx(value), verdict, decided)


def test_thresholds_are_those_of_the_seed_documents():
    measured = {gate.name: (gate.comparison, gate.threshold, gate.mode, gate.step, gate.horizon) for gate in GATES}
    assert measured == {
        "direction_sustained": (">", 0.6, "D", 16, None), "horizon_extended": (">", 8, "D", None, None),
        "nats_beyond_pca": ("<", -14.7, None, None, 1), "state_error_below_mimi": ("<", 79, "D", None, None),
        "pesq_above_2": (">", 2, None, None, None), "representation_gain": (">", 2, None, None, 1),
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
    handmade.add({"divergence_horizon": 9.0}, mode="D", horizon=None)
    assert judge(gates.HORIZON_EXTENDED, handmade.measured).verdict == "met"


def test_a_gate_can_be_asked_of_another_mode(forecasts):
    for step in range(1, 17):
        forecasts.add({"cosine": 0.9}, mode="D_sampled", step=step, horizon=None)
    forecasts.add({"divergence_horizon": 3.0}, mode="D_sampled", horizon=None)
    drawn = dataclasses.replace(gates.HORIZON_EXTENDED, mode="D_sampled")
    assert judge(drawn, forecasts.measured).value == 3


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ((-30.0, -30.0), (-10.0, -10.0), ("met", 3, True)),
        ((-60.0, -30.0), (-30.0, -10.0), ("met", 2.25, False)),  # by speaker 2 and 3
        ((-5.0, -5.0), (-10.0, -10.0), ("not met", 0.5, True)),
        ((5.0, 5.0), (-10.0, -10.0), ("not met", -0.5, True)),
        ((30.0, 30.0), (10.0, 10.0), ("not measured", None, False)),  # worse than nothing, thrice
        ((-30.0, -30.0), (0.0, 0.0), ("not measured", None, False)),
    ],
)
def test_a_gain_is_a_ratio_to_that_of_the_reference(handmade, mine, theirs, expected):
    for representation, means in (("r", mine), ("ref", theirs)):
        sums = {"dnll": {f"s{i}": (4 * mean, 4) for i, mean in enumerate(means)}}
        handmade.add({"dnll": sum(means) / 2}, representation=representation, speakers=sums)
    measured = handmade.measured
    answer = judge(gates.REPRESENTATION_GAIN, *(measured.where(representation=name) for name in ("r", "ref")))
    assert (answer.verdict, answer.value, answer.decided) == expected


def test_gains_on_different_speakers_are_refused(handmade):
    for representation, speaker in (("r", "s1"), ("ref", "s2")):
        sums = {"dnll": {speaker: (-4.0, 4)}}
        handmade.add({"dnll": -1.0}, representation=representation, speakers=sums)
    measured = handmade.measured
    with pytest.raises(UserError, match="not the same ones"):
        judge(gates.REPRESENTATION_GAIN, *(measured.where(representation=name) for name in ("r", "ref")))


# ------------------------------------------------------------------------------------------ the decision matrix


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
    rows = decision_matrix(works, vmf_works, gains)
    assert [question.name for question, _ in rows] == [f"decision_{i}" for i in range(1, 6)]
    assert [answer.verdict for _, answer in rows] == [*expected, "not measured"]


def test_the_matrix_says_what_it_lacks():
    why = [answer.why for _, answer in decision_matrix([FAILED], [], [])]
    assert why == [
        "no predictor is of kind vmf_lognormal",
        "no predictor is of kind vmf_lognormal; no other representation is compared with a reference",
        "no predictor is of kind vmf_lognormal; no other representation is compared with a reference; "
        "no representation is a linear projection of another",
        "",
        "it needs listeners",
    ]
