"""Gates: questions whose thresholds the seed documents set before the answer was known, and what measurements answer.

A gate is met, not met or not measured; a missing number is never taken for an answer. Several gates are joined by
Kleene's logic: if one part is not met, the whole is not met, whatever was not measured. An overflow meets no gate.

The verdict is about the value. `decided` says whether the 95 % interval lies on one side of the threshold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from latentdyn.reporting.measurements import Measurements

Verdict = Literal["met", "not met", "not measured"]


@dataclass(frozen=True)
class Question:
    """source: where the seed documents ask it. published: their own answer."""

    name: str
    source: str
    question: str
    published: str


@dataclass(frozen=True)
class Gate(Question):
    """A question that one value answers.

    metric, mode, step (None: all steps pooled), horizon: of the record that answers. least_steps: a forecast with fewer
    steps cannot answer. relative: the value is a ratio to that of a reference representation. in_mimi_units: the
    threshold was set in nats a frame, or latent units, of Mimi at 12.5 Hz.
    """

    metric: str
    comparison: Literal[">", "<"]
    threshold: float
    mode: str | None = None
    step: int | None = None
    horizon: int | None = None
    least_steps: int = 0
    relative: bool = False
    in_mimi_units: bool = False


@dataclass(frozen=True)
class Judgement:
    """value, ci_low, ci_high: what was measured; None or NaN where there is none. why: the reason why
    it is not measured."""

    verdict: Verdict
    decided: bool = False
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    why: str = ""


DIRECTION_SUSTAINED = Gate(
    "direction_sustained", "seed 004 §9 (Exp 1)", "Is the cosine at step 16 of a forecast above .6?",
    "not met: -0.012 (seed 003 §1.2)", metric="cosine", comparison=">", threshold=0.6, mode="D", step=16,
)  # fmt: skip
HORIZON_EXTENDED = Gate(  # seed 003 §6.2: "from ~2 steps to >8 steps without destroying dynamics signal"
    "horizon_extended", "seed 003 §6.2, §7", "Are more than 8 steps of a forecast kept?",
    "not met: about 2, without correction", metric="divergence_horizon", comparison=">", threshold=8.0, mode="D",
    least_steps=8,
)  # fmt: skip
NATS_BEYOND_PCA = Gate(
    "nats_beyond_pca", "seed 003 §6.1", "Is ΔNLL at k = 1 more negative than PCA-32's -14.7?",
    "open: planned", metric="dnll", comparison="<", threshold=-14.7, horizon=1, in_mimi_units=True,
)  # fmt: skip
STATE_ERROR_BELOW_MIMI = Gate(
    "state_error_below_mimi", "seed 003 §6.1", "Is the state error of a forecast below raw Mimi's 79?",
    "open: planned", metric="state_error", comparison="<", threshold=79.0, mode="D", in_mimi_units=True,
)  # fmt: skip
PESQ_ABOVE_2 = Gate(
    "pesq_above_2", "seed 003 §6.1", "Is PESQ of the decoded latents above 2?",
    "open: planned", metric="pesq", comparison=">", threshold=2.0,
)  # fmt: skip
REPRESENTATION_GAIN = Gate(
    "representation_gain", "seed 004 §4 (Exp 3), §9", "Is ΔNLL at k = 1 more than twice the reference's?",
    "not met: EnCodec's -93.6 is 0.51 of Mimi's -184.4 (seed 003 §1.3)", metric="dnll", comparison=">", threshold=2.0,
    horizon=1, relative=True,
)  # fmt: skip
GATES = (DIRECTION_SUSTAINED, HORIZON_EXTENDED, NATS_BEYOND_PCA, STATE_ERROR_BELOW_MIMI, PESQ_ABOVE_2,
         REPRESENTATION_GAIN)  # fmt: skip

FULL_SWEEP = Question(
    "full_sweep", "seed 003 §6.1", "Are nats_beyond_pca, state_error_below_mimi and pesq_above_2 all met?",
    "open: planned",
)  # fmt: skip
FULL_SWEEP_PARTS = (NATS_BEYOND_PCA, STATE_ERROR_BELOW_MIMI, PESQ_ABOVE_2)

_MATRIX = "seed 003 §2"
DECISIONS = (
    Question("decision_1", _MATRIX, "Does any vMF forecast keep its direction and its steps?", "no"),
    Question("decision_2", _MATRIX, "Does none, but has another representation far more gain?", "partial"),
    Question("decision_3", _MATRIX, "Neither, but does a linear projection help?", "partial"),
    Question("decision_4", _MATRIX, "Do the forecasts of all predictors and representations fail?", "most consistent"),
    Question("decision_5", _MATRIX, "Does slow but correctly directed motion sound good?", "yes"),
)


def judge(gate: Gate, here: Measurements, reference: Measurements | None = None) -> Judgement:
    """The verdict on what was measured of one representation, predictor and split.

    Args:
        reference: the same of the reference representation, for a relative gate.

    Raises:
        UserError: a relative gate's two were measured on different speakers.
    """
    if gate.least_steps and not (here.where(mode=gate.mode).records["step"] >= gate.least_steps).any():
        return unmeasured(f"forecasts have fewer than {gate.least_steps} steps")
    mine = _at(gate, here)
    value = mine.over_seeds(gate.metric)
    if value is None:
        return unmeasured(f"there is no record of {gate.metric}" + (f" at step {gate.step}" if gate.step else ""))
    if not gate.relative:
        low, high = (mine.over_seeds(gate.metric, f"ci_{bound}") for bound in ("low", "high"))
        return compare(value, low, high, gate.comparison, gate.threshold)
    if reference is None:
        return unmeasured("no reference is named")
    theirs = _at(gate, reference)
    compared = mine.ratio(theirs, gate.metric)
    if compared is None or not (theirs.over_seeds(gate.metric) or 0) < 0:
        return unmeasured("the reference has no gain to compare with")
    return compare(compared.value, compared.ci_low, compared.ci_high, gate.comparison, gate.threshold)


def compare(
    value: float, ci_low: float | None, ci_high: float | None, comparison: Literal[">", "<"], threshold: float
) -> Judgement:
    """The verdict on a value and its interval. An overflow (+inf) meets no gate; NaN counts as not measured."""
    if math.isnan(value):
        return unmeasured("undefined")
    met = math.isfinite(value) and (value > threshold if comparison == ">" else value < threshold)
    decided = ci_low is not None and ci_high is not None and (ci_low > threshold or ci_high < threshold)
    return Judgement("met" if met else "not met", decided, value, ci_low, ci_high)


def unmeasured(why: str) -> Judgement:
    return Judgement("not measured", why=why)


def every(judgements: Sequence[Judgement]) -> Judgement:
    """Whether all are met (Kleene's conjunction); of none, not measured."""
    failed = [j for j in judgements if j.verdict == "not met"]
    if failed:
        return Judgement("not met", any(j.decided for j in failed))
    missing = [j.why for j in judgements if j.verdict == "not measured"]
    if missing or not judgements:
        return unmeasured("; ".join(dict.fromkeys(missing)) or "nothing to judge")
    return Judgement("met", all(j.decided for j in judgements))


def negation(judgement: Judgement) -> Judgement:
    """Whether it is not met; what was not measured remains so."""
    opposite: dict[Verdict, Verdict] = {"met": "not met", "not met": "met", "not measured": "not measured"}
    return replace(judgement, verdict=opposite[judgement.verdict])


def some(judgements: Sequence[Judgement]) -> Judgement:
    """Whether any is met (Kleene's disjunction); of none, not measured."""
    return negation(every([negation(j) for j in judgements]))


def decision_matrix(
    works: Sequence[Judgement], vmf_works: Sequence[Judgement], gains: Sequence[Judgement]
) -> list[tuple[Question, Judgement]]:
    """The rows of seed 003 §2, as far as they follow from gates.

    Args:
        works: of each forecast, whether it keeps its direction and its steps. vmf_works: of those by a von Mises-Fisher
            predictor. gains: of each representation beside the reference, whether its gain is that much larger.
    """
    fails = negation(some(vmf_works)) if vmf_works else unmeasured("no predictor is of kind vmf_lognormal")
    gain = some(gains) if gains else unmeasured("no other representation is compared with a reference")
    projection = unmeasured("no representation is a linear projection of another")
    answers = (
        negation(fails),
        every([fails, gain]),
        every([fails, negation(gain), projection]),
        every([negation(work) for work in works]),
        unmeasured("it needs listeners"),
    )
    return list(zip(DECISIONS, answers, strict=True))


def _at(gate: Gate, here: Measurements) -> Measurements:
    return here.where(mode=gate.mode, horizon=gate.horizon, slice="all").at_step(gate.step)
