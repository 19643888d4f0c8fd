"""How a gate is judged: what measurements answer to a question that has a threshold.

A gate is met or not met where the 95 % interval of the value lies on one side of the threshold, and undecided where it
does not, or where there is no interval. A missing number is never taken for an answer: it is not measured. An overflow
meets no gate. Several gates are joined by Kleene's logic: if one part is not met, the whole is not met, whatever else
is open; what is not measured comes before what is undecided.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from latentdyn.reporting.criteria import Gate
from latentdyn.reporting.measurements import Measurements

Verdict = Literal["met", "not met", "undecided", "not measured"]


@dataclass(frozen=True)
class Judgement:
    """value, ci_low, ci_high: what was measured; None or NaN where there is none. why: the reason why
    it is not measured."""

    verdict: Verdict
    value: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    why: str = ""


def judge(gate: Gate, here: Measurements, beside: Measurements | None = None) -> Judgement:
    """The verdict on what was measured of one row.

    Args:
        beside: the same of the row that the gate compares with, if it names one.

    Raises:
        UserError: the two were measured on different speakers.
    """
    if gate.least_steps and not (here.where(mode=gate.at.mode).records["step"] >= gate.least_steps).any():
        return unmeasured(f"forecasts have fewer than {gate.least_steps} steps")
    mine = records_for(gate, here)
    if mine.over_seeds(gate.metric) is None:
        step = gate.at.step
        return unmeasured(f"there is no record of {gate.metric}" + (f" at step {step}" if step else ""))
    settings = settings_of(gate.some, mine)
    if settings == [{}]:
        return _judged(gate, mine, beside)
    theirs = [beside and (beside if gate.beside and gate.beside.correction else beside.where(**s)) for s in settings]
    return best([_judged(gate, mine.where(**s), other) for s, other in zip(settings, theirs, strict=True)])


def records_for(gate: Gate, here: Measurements, correction: str | None = None) -> Measurements:
    """Only what answers the gate; of forecasts with another correction, if one is named."""
    place = gate.at.model_dump()
    step = place.pop("step")
    if correction:
        place["correction"] = correction
    return here.where(measurement=gate.measurement, slice="all", **place).at_step(step)


def settings_of(names: Sequence[str], here: Measurements) -> list[dict[str, Any]]:
    """Every combination of values of some fields of records that was measured; an empty one of no fields."""
    known = here.records[list(names)].dropna().drop_duplicates().sort_values(list(names)) if names else None
    return [{}] if known is None else [dict(zip(names, row, strict=True)) for row in known.itertuples(index=False)]


def _judged(gate: Gate, mine: Measurements, beside: Measurements | None) -> Judgement:
    """The verdict on the records that answer."""
    if gate.beside is None:
        value = mine.over_seeds(gate.metric)
        low, high = (mine.over_seeds(gate.metric, f"ci_{bound}") for bound in ("low", "high"))
        return compare(math.nan if value is None else value, low, high, gate.comparison, gate.threshold)
    if beside is None:
        return unmeasured("no reference is named")
    theirs = records_for(gate, beside, gate.beside.correction)
    if gate.by == "ratio":
        compared = mine.ratio(theirs, gate.metric)
        if compared is None or not (theirs.over_seeds(gate.metric) or 0) < 0:
            return unmeasured("the reference has no gain to compare with")
    elif (compared := mine.difference(theirs, gate.metric)) is None:
        return _of_values(gate, mine, theirs)
    return compare(compared.value, compared.ci_low, compared.ci_high, gate.comparison, gate.threshold)


def _of_values(gate: Gate, mine: Measurements, theirs: Measurements) -> Judgement:
    """The verdict on a difference of which no sums over speakers give a paired interval: its interval is as wide as
    those of both together."""
    (value, low, high), other = (_with_bounds(measured, gate.metric) for measured in (mine, theirs))
    if math.isnan(value) or math.isnan(other[0]):
        return unmeasured(f"there is no record of {gate.metric} to compare with")
    return compare(value - other[0], low - other[2], high - other[1], gate.comparison, gate.threshold)


def _with_bounds(measured: Measurements, metric: str) -> list[float]:
    """Value, ci_low and ci_high; NaN where there is none."""
    found = (measured.over_seeds(metric, column) for column in ("value", "ci_low", "ci_high"))
    return [math.nan if number is None else number for number in found]


def compare(
    value: float, ci_low: float | None, ci_high: float | None, comparison: Literal[">", "<"], threshold: float
) -> Judgement:
    """The verdict on a value and its interval. An overflow (+inf) meets no gate; what is less than an overflow (-inf)
    is undecided; NaN counts as not measured."""
    if math.isnan(value):
        return unmeasured("undefined")
    verdict: Verdict = "undecided"
    if math.isinf(value):
        verdict = "not met" if value > 0 else "undecided"
    elif ci_low is not None and ci_high is not None:
        above, below = ci_low > threshold, ci_high < threshold
        met, failed = (above, ci_high <= threshold) if comparison == ">" else (below, ci_low >= threshold)
        verdict = "met" if met else "not met" if failed else "undecided"
    return Judgement(verdict, value, ci_low, ci_high)


def unmeasured(why: str) -> Judgement:
    return Judgement("not measured", why=why)


def best(judgements: Sequence[Judgement]) -> Judgement:
    """Of one question asked at several settings, the verdict on whether any meets it, with the value of one that
    decides it.

    No interval is widened for the choice.
    """
    joint = some(judgements)
    return next((j for j in judgements if j.verdict == joint.verdict), joint)


def every(judgements: Sequence[Judgement]) -> Judgement:
    """Whether all are met (Kleene's conjunction); of none, not measured."""
    verdicts = {j.verdict for j in judgements}
    if "not met" in verdicts:
        return Judgement("not met")
    if "not measured" in verdicts or not judgements:
        missing = dict.fromkeys(j.why for j in judgements if j.verdict == "not measured")
        return unmeasured("; ".join(missing) or "nothing to judge")
    return Judgement("undecided" if "undecided" in verdicts else "met")


def negation(judgement: Judgement) -> Judgement:
    """Whether it is not met; what is open remains so."""
    opposite: dict[Verdict, Verdict] = {"met": "not met", "not met": "met"}
    return replace(judgement, verdict=opposite.get(judgement.verdict, judgement.verdict))


def some(judgements: Sequence[Judgement]) -> Judgement:
    """Whether any is met (Kleene's disjunction); of none, not measured."""
    return negation(every([negation(j) for j in judgements]))
