"""What all findings come to, in a few plain sentences that follow from the verdicts by rules.

Nothing is said that no row answers: what was not measured is named as not known. The questions that sentences are made
of are found by their names in questions.yaml, and what may help by its `helps` there.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from latentdyn.reporting.bounds import Verdict
from latentdyn.reporting.findings import Finding, Row, Topic
from latentdyn.reporting.questions import Question, asked

_NAMED = 3  # rows that a list names
_HEADS = ("What helps", "What helps in part", "What does not", "What is open")
_NONE = "Nothing was measured that answers a question of this page."
_OTHERS = "Answers stand below, but none to a question that a conclusion is drawn from."


@dataclass(frozen=True)
class Said:
    """One part of a conclusion. head: what it is about; text: sentences; items: a list below them."""

    head: str
    text: str = ""
    items: Sequence[str] = ()


@dataclass(frozen=True)
class _Count:
    """How many rows of a finding give each answer. noun: what a row is, in the plural."""

    yes: int
    no: int
    undecided: int
    noun: str

    @property
    def of(self) -> int:
        return self.yes + self.no + self.undecided

    def share(self, n: int) -> str:
        """Of how many rows something is said; a single row is `the one row`."""
        if self.of == 1:
            return f"{'the one' if n else 'no'} {self.noun.removesuffix('s')}"
        if n == self.of:
            return f"both {self.noun}" if n == 2 else f"all {n} {self.noun}"
        return f"{n or 'none'} of {self.of} {self.noun}"

    @property
    def others(self) -> str:
        """How many rows do not say yes, in words; "" where none or all are of one such answer."""
        told = [f"{n} {word}" for n, word in ((self.no, "no"), (self.undecided, "undecided")) if n and n < self.of]
        return ", ".join(told)

    @property
    def rest(self) -> str:
        """The same in brackets, after a blank."""
        return f" ({self.others})" if self.others else ""


def conclusion(
    topics: Sequence[Topic],
    certificates: Mapping[str, Sequence[Topic]] | None = None,
    facts: Mapping[str, str] | None = None,
) -> list[Said]:
    """The parts of a conclusion, in order.

    Args:
        topics: what a page's tables say. certificates: what tables of known answers say, by name; None: it is told
            elsewhere. facts: of where all is from, by name: what is told of `speech` and `latents` comes first.
    """
    about = [facts[name] for name in ("speech", "latents") if facts and name in facts]
    first = [Said("What was measured", " ".join(f"{told[0].upper()}{told[1:]}." for told in about))] if about else []
    return [*first, *_concluded(topics, certificates)]


def _concluded(topics: Sequence[Topic], certificates: Mapping[str, Sequence[Topic]] | None) -> list[Said]:
    found = {finding.name: finding for topic in topics for finding in topic.findings if finding.name}
    answered = {name: finding for name, finding in found.items() if finding.kind != "missing"}
    parts = [
        Said("What can be predicted", " ".join([*_next(answered), *_beside_noise(answered)])),
        Said("How far", " ".join(_far(answered))),
        Said("Free runs", " ".join(_runs(answered))),
        *_helps(answered),
    ]
    parts = [part for part in parts if part.text or part.items]
    if not parts:
        any_answer = any(one.kind != "missing" for topic in topics for one in topic.findings)
        return [Said("What is known", _OTHERS if any_answer else _NONE), *_checked(certificates)]
    return [*parts, *_unknown(topics), *_checked(certificates)]


def _rows(finding: Finding, verdict: Verdict | None = None) -> list[Row]:
    """The rows that have an answer, or this one."""
    answers = [a for a in finding.answers if a.verdict != "missing" and verdict in (None, a.verdict)]
    return [row for answer in answers for row in answer.rows]


def _count(finding: Finding) -> _Count:
    rows = _rows(finding)
    models = {(r.place.get("representation"), r.place["predictor"]) for _, r in rows if "predictor" in r.place}
    n = {verdict: len(_rows(finding, verdict)) for verdict in ("yes", "no", "undecided")}
    return _Count(n["yes"], n["no"], n["undecided"], "models" if len(models) == len(rows) else "rows")


def _ends(rows: Sequence[Row], factor: float = 1.0, digits: int = 0) -> str:
    """The lowest and the highest number of some rows."""
    values = [factor * reply.value for _, reply in rows if math.isfinite(reply.value)]
    low, high = (f"{of(values):.{digits}f}" for of in (min, max))
    return low if low == high else f"{low} to {high}"


def _next(answered: Mapping[str, Finding]) -> list[str]:
    said = []
    if finding := answered.get("more_than_unordered_frames"):
        n = _count(finding)
        told = "The past tells more about the next frame than frames in random order do"
        if n.yes:
            size = _range([reply.beyond for _, reply in _rows(finding, "yes")])
            said.append(f"{told}: in {n.share(n.yes)}, by {size} nats a frame{n.rest}.")
        elif n.no == n.of:
            said.append(
                f"The past tells no more about the next frame than frames in random order do, in {n.share(n.no)}."
            )
        else:
            said.append(
                f"That the past tells more about the next frame than frames in random order do is not shown{n.rest}."
            )
    if finding := answered.get("past_saves_bits"):
        n = _count(finding)
        if n.yes:
            share = _ends(_rows(finding, "yes"), 100)
            rate = _rate(finding)
            said.append(
                f"At equal sound{f' and {rate:g} Hz' if rate else ''} it saves {share} % of the bits, more than such "
                f"frames save (in {n.share(n.yes)})."
            )
        else:
            said.append("That it saves bits at equal sound, more than such frames save, is not shown.")
    return said


def _beside_noise(answered: Mapping[str, Finding]) -> list[str]:
    """The steps of white noise lead back to the mean, so that their direction is known in part."""
    if not (finding := answered.get("direction_beyond_noise")):
        return []
    n = _count(finding)
    told = "The direction of the next step is predicted better than that of white noise"
    if n.yes:
        return [f"{told} in {n.share(n.yes)}{n.rest}; a step of noise leads back to the mean, which anyone can say."]
    if n.no == n.of:
        return [f"{told.replace('better', 'no better')}, which leads back to the mean, in {n.share(n.no)}."]
    return [f"That {told[0].lower()}{told[1:]}, which leads back to the mean, is not shown{n.rest}."]


def _far(answered: Mapping[str, Finding]) -> list[str]:
    said = []
    if finding := answered.get("forecast_direction_later"):
        reach = _reach(finding)
        if kept := [step for step in reach.values() if step]:
            steps = f"{min(kept)}" if min(kept) == max(kept) else f"{min(kept)} to {max(kept)}"
            of = _Count(len(kept), len(reach) - len(kept), 0, "models")
            said.append(
                f"The direction of forecasts stays better than chance after the first step too, for {steps} steps"
                f"{_duration(finding, max(kept))} in {of.share(of.yes)}."
            )
        else:
            said.append("No forecast is shown to keep a direction better than chance after its first step.")
    if finding := answered.get("forecast_beyond_staying"):
        n = _count(finding)
        if n.yes:
            size = _range([reply.beyond for _, reply in _rows(finding, "yes")])
            said.append(
                "Over all steps together, forecasts come nearer to the truth than one that stays at the mean in "
                f"{_share(finding, n)}, by {size} spreads{n.rest}."
            )
        else:
            said.append(
                "Over all steps together, no forecast is shown to come nearer to the truth than one that stays at the "
                f"mean{n.rest}."
            )
    if finding := answered.get("forecast_beyond_marginal"):
        n = _count(finding)
        said.append(
            f"At its last step a forecast by draws still tells something in {n.share(n.yes)}{n.rest}; the voice, the "
            "room or correlations between dimensions may be enough for that."
            if n.yes
            else "At its last step no forecast by draws is shown to tell anything."
        )
    return said


def _reach(finding: Finding) -> dict[tuple[str, str], int]:
    """By model, the last step up to which every step after the first is a yes; 0 where the second is none."""
    steps: dict[tuple[str, str], dict[float, str | None]] = {}
    for _, reply in _rows(finding):
        model = (str(reply.place.get("representation")), str(reply.place.get("predictor")))
        steps.setdefault(model, {})[float(reply.place.get("step", math.nan))] = reply.verdict
    found = {}
    for model, mine in steps.items():
        last = 0
        for step in sorted(mine):
            if mine[step] != "yes":
                break
            last = int(step)
        found[model] = last
    return found


def _duration(finding: Finding, steps: int) -> str:
    """How long the longest of forecasts is that keep their direction, where all frames are of one length."""
    rate = _rate(finding)
    return f" ({1000 * steps / rate:.0f} ms at most)" if rate else ""


def _rate(finding: Finding) -> float | None:
    """Frames a second of all its rows; None where they differ or are not known."""
    rates = {answer.rates.get(str(r.place.get("representation"))) for answer in finding.answers for _, r in answer.rows}
    return rates.pop() if len(rates) == 1 else None


def _runs(answered: Mapping[str, Finding]) -> list[str]:
    said = []
    if finding := answered.get("bounded"):
        n = _count(finding)
        whole = sum(reply.value == 0 for _, reply in _rows(finding))
        said.append(f"No free run left the data behind in {n.share(whole)}; too many do in {n.no or 'none'}.")
        if whole > n.yes:
            few = f"{n.yes} of these; the others take more runs" if n.yes else "none of these: it takes more runs"
            said.append(f"That fewer than one in a hundred would is shown for {few}.")
    if finding := answered.get("passes_for_real"):
        n = _count(finding)
        said.append(
            f"A simple classifier tells them from real speech less often than three times in four in {n.share(n.yes)}"
            f"{n.rest}; of frames with random phases that may be so, too."
        )
    if finding := answered.get("generation_holds"):
        n = _count(finding)
        if n.yes:
            said.append(f"Both together hold in {n.share(n.yes)}.")
        elif n.undecided:
            said.append(
                f"Both together are shown for no model: {n.no} fail, and {n.undecided} {_are(n.undecided)} open."
            )
        else:
            said.append("Both together hold in none.")
    if finding := answered.get("runs_sound_like_frames"):
        n = _count(finding)
        if n.yes:
            said.append(f"Decoded, they sound as natural as true frames in {n.share(n.yes)}{n.rest}.")
        elif n.no == n.of:
            said.append(f"Decoded, they sound less natural than true frames (in {n.share(n.no)}).")
        else:
            said.append("That they sound as natural as true frames, decoded, is not shown.")
    return said


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _helps(answered: Mapping[str, Finding]) -> list[Said]:
    """What helps, what does not, and what is open, by the questions that name something which may."""
    found: dict[str, list[str]] = {head: [] for head in _HEADS}
    for question in asked().questions.root:
        if not question.helps or question.name not in answered:
            continue
        finding = answered[question.name]
        n, undecided = _count(finding), ""
        if n.yes:
            head, told = _HEADS[0 if n.yes == n.of else 1], [_share(finding, n), _size(question, finding), n.others]
        elif n.no:
            undecided = f"{n.undecided} undecided" if n.undecided else ""
            head, told = _HEADS[2], [n.share(n.no), _reading(question, finding), undecided]
        else:
            head, told = _HEADS[3], [n.share(n.undecided)]
        helps = f"{question.helps[0].upper()}{question.helps[1:]}"
        found[head].append(f"{helps} ({'; '.join(filter(None, told))}).")
    return [Said(head, items=items) for head, items in found.items()]


def _share(finding: Finding, n: _Count) -> str:
    """Of how many rows the answer is yes, and which these are, if they are few of more."""
    rows = _rows(finding, "yes") if n.yes <= _NAMED and n.yes < n.of else []
    named = [reply.row for _, reply in rows if reply.row]
    return n.share(n.yes) + (f": {', '.join(named)}" if named else "")


def _size(question: Question, finding: Finding) -> str:
    """By how much the rows that say yes are beyond what they are compared with."""
    values = [reply.beyond for _, reply in _rows(finding, "yes") if math.isfinite(reply.beyond)]
    return question.by.format(_range(values)) if question.by and values else ""


def _reading(question: Question, finding: Finding) -> str:
    """The numbers of all rows."""
    values = [reply.value for _, reply in _rows(finding) if math.isfinite(reply.value)]
    return question.reads.format(_range(values)) if question.reads and values else ""


def _range(values: Sequence[float]) -> str:
    """The lowest and the highest of some numbers, by two digits."""
    low, high = (f"{of(values):.2g}" for of in (min, max))
    return low if low == high else f"{low} to {high}"


def _unknown(topics: Sequence[Topic]) -> list[Said]:
    """The topics of which no question that leads has an answer, and what this run cannot tell at all."""
    known = {topic.name for topic in topics if any(one.kind != "missing" for one in topic.findings)}
    leading = {question.topic for question in asked().questions.root if question.leads}
    heads = [topic.head for topic in asked().topics.root if topic.name in leading - known]
    told = f"Nothing was measured that answers: {' '.join(heads)} " if heads else ""
    return [
        Said(
            "What is not known",
            f"{told}Intervals tell about other speakers of this corpus, not about other speech, and a no is one of the "
            "models that were fitted here: others may do better.",
        )
    ]


def _checked(certificates: Mapping[str, Sequence[Topic]] | None) -> list[Said]:
    """Whether the measuring met what is known; nothing where that is told elsewhere."""
    if certificates is None:
        return []
    every = [one for topics in certificates.values() for topic in topics for one in topic.findings]
    rows = [row for one in every if one.name == "calibrated" for row in _rows(one)]
    if not rows:
        return [Said("Is the measuring right", "It was not checked beside this page: there are no known answers here.")]
    met = sum(reply.verdict == "yes" for _, reply in rows)
    return [Said("Is the measuring right", f"Of {len(rows)} checks against exact values, {met} came out as they must.")]
