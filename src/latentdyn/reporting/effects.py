"""What helps, what does not, and what makes it worse: one sentence for each cause, of all its effects.

Causes and effects are named by the questions and gates that ask of them. Where rows stand beside others, a no says that
they are worse than these; where they stand beside a threshold, a no is no more than that.
"""

from collections.abc import Mapping, Sequence

from latentdyn.reporting.bounds import Verdict
from latentdyn.reporting.counted import answered_rows, beyond, count, levels_of, span, values, which
from latentdyn.reporting.criteria import Gate
from latentdyn.reporting.findings import Finding
from latentdyn.reporting.questions import Question, effects

_WORDS: dict[bool, dict[Verdict, str]] = {True: {"yes": "better", "no": "worse"}, False: {"yes": "yes", "no": "no"}}


def told_effects(answered: Mapping[str, Finding]) -> dict[str, list[str]]:
    """By topic, a sentence for each cause of which an effect was measured.

    Args:
        answered: findings that have an answer, by name.
    """
    by_cause: dict[tuple[str, str], list[str]] = {}
    for entry in effects():
        if entry.name in answered:
            by_cause.setdefault((entry.topic, entry.cause), []).append(_effect(entry, answered[entry.name]))
    by_topic: dict[str, list[str]] = {}
    for (topic, cause), told in by_cause.items():
        by_topic.setdefault(topic, []).append(f"{_capital(cause)}. {' '.join(told)}")
    return by_topic


def _effect(entry: Question | Gate, finding: Finding) -> str:
    """One effect with how many rows have it, which these are, and how large it is."""
    n = count(finding)
    parts: list[str] = []
    verdicts: Sequence[tuple[Verdict, int]] = (("yes", n.yes), ("no", n.no))
    for verdict, how_many in verdicts:
        if not how_many:
            continue
        of = n.share(how_many) if not parts else f"{how_many}"
        named, size = which(finding, verdict), _size(entry, finding, verdict)
        told = f"{_WORDS[entry.of_difference][verdict]} in {of}{f' ({named})' if named else ''}"
        parts.append(f"{told}, by {size}{_level(finding, verdict)}" if size else told)
    if n.undecided:
        parts.append(f"{n.undecided} undecided" if parts else f"undecided in {n.share(n.undecided)}")
    numbers = values(answered_rows(finding))
    if entry.values and numbers:
        parts.append(entry.values.format(span(numbers)))
    return f"{_capital(entry.effect)}: {'; '.join(parts)}{f' ({entry.but})' if entry.but else ''}."


def _size(entry: Question | Gate, finding: Finding, verdict: Verdict) -> str:
    """How far the rows of an answer are from what they are compared with; "" where that is not told."""
    far = beyond(answered_rows(finding, verdict))
    side = 1 if verdict == "yes" else -1
    told = entry.size and far and (verdict == "yes" or entry.of_difference)
    return entry.size.format(span(side * value for value in far)) if told else ""


def _level(finding: Finding, verdict: Verdict) -> str:
    """What the rows of an answer come to, after a comma; "" where that is not told."""
    levels = levels_of(answered_rows(finding, verdict))
    return f", to {span(levels, 3)}" if levels else ""


def _capital(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}"
