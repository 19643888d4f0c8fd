"""What all findings come to, in a few plain sentences that follow from the verdicts by rules.

Nothing is said that no row answers: what was not measured is named as not known. The questions that sentences are made
of are found by their names in questions.yaml, and what may help by its `cause` there.
"""

import math
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from latentdyn.reporting.counted import answered_rows, beyond, count, levels_of, name_of, span, values, which
from latentdyn.reporting.effects import told_effects
from latentdyn.reporting.findings import Finding, Topic
from latentdyn.reporting.questions import asked

_SAID = {"yes": "harder", "no": "easier", "undecided": "undecided", "missing": "undecided"}
_LISTED = 10  # representations that are heard, of which a number is told
_NONE = "Nothing was measured that answers a question of this page."
_OTHERS = "Answers stand below, but none to a question that a conclusion is drawn from."
_COMPONENT = re.compile(r"_c\d+$")  # ends what is of one component
_ENOUGH_RUNS = 368  # the fewest of which none may be lost, so that the exact interval ends below one in a hundred


@dataclass(frozen=True)
class Said:
    """One part of a conclusion. head: what it is about; text: sentences; items: a list below them."""

    head: str
    text: str = ""
    items: Sequence[str] = ()

    @property
    def title(self) -> str:
        """The head as it stands before what follows."""
        return self.head if self.head.endswith("?") else f"{self.head}."


def conclusion(
    topics: Sequence[Topic],
    certificates: Mapping[str, Sequence[Topic]] | None = None,
    facts: Mapping[str, str] | None = None,
    made: Mapping[str, str] | None = None,
) -> list[Said]:
    """The parts of a conclusion, in order.

    Args:
        topics: what a page's tables say. certificates: what tables of known answers say, by name; None: it is told
            elsewhere. facts: of where all is from, by name: what is told of `corpus`, `speech` and `latents` comes
            first. made: of each representation, how.
    """
    facts = facts or {}
    told = [f"Corpus {facts['corpus']}: {facts['speech']}."] if {"corpus", "speech"} <= set(facts) else []
    told += [f"{facts['latents'][0].upper()}{facts['latents'][1:]}."] if "latents" in facts else []
    first = [Said("What was measured", " ".join([*told, *_most(topics, made or {})]))] if told else []
    return [*first, *_concluded(topics, certificates)]


def _most(topics: Sequence[Topic], made: Mapping[str, str]) -> list[str]:
    """Which representation most answers are of."""
    rows = [reply for topic in topics for one in topic.findings for _, reply in answered_rows(one)]
    names = Counter(str(reply.place["representation"]) for reply in rows if "representation" in reply.place)
    if not names:
        return []
    name, n = names.most_common(1)[0]
    return [f"Of {names.total()} rows that answer, {n} are of {name}{f' ({made[name]})' if name in made else ''}."]


def _concluded(topics: Sequence[Topic], certificates: Mapping[str, Sequence[Topic]] | None) -> list[Said]:
    found = {finding.name: finding for topic in topics for finding in topic.findings if finding.name}
    answered = {name: finding for name, finding in found.items() if finding.kind != "missing"}
    parts = [
        Said("What can be predicted", " ".join(_next(answered))),
        Said("How far", " ".join(_far(answered))),
        Said("Free runs", " ".join(_runs(answered))),
        Said("What is heard", " ".join(_heard(answered))),
        *_effects(answered),
    ]
    parts = [part for part in parts if part.text or part.items]
    if not parts:
        any_answer = any(one.kind != "missing" for topic in topics for one in topic.findings)
        return [Said("What is known", _OTHERS if any_answer else _NONE), *_checked(certificates)]
    return [*parts, *_unknown(topics), *_checked(certificates, answered)]


def _next(answered: Mapping[str, Finding]) -> list[str]:
    said = []
    told = "he past tells more about the next frame than frames in random order do"
    if finding := answered.get("more_than_unordered_frames"):
        n = count(finding)
        if n.yes:
            rows = sorted(answered_rows(finding, "yes"), key=lambda row: row[1].beyond)
            ends = " to ".join(f"{row[1].beyond:.2g} ({name_of(row)})" for row in rows[:: len(rows) - 1 or 1])
            said.append(f"T{told}: in {n.share(n.yes)}, by {ends} nats a frame{n.rest}.")
        elif n.no == n.of:
            said.append(f"T{told.replace('more', 'no more')}, in {n.share(n.no)}.")
        else:
            said.append(f"That t{told} is not shown{n.rest}.")
    if finding := answered.get("past_saves_bits"):
        n, rows = count(finding), answered_rows(finding, "yes")
        if n.yes:
            at = f" and {rate:g} Hz" if (rate := _rate(finding)) else ""
            whole = span((100 * value for value in values(rows)), 3)
            control = span((100 * (reply.value - reply.beyond) for _, reply in rows), 2)
            said.append(
                f"At equal sound{at} the past saves {whole} % of the bits, where frames in random order save {control} "
                f"% (in {n.share(n.yes)}{n.rest})."
            )
        else:
            said.append("That it saves bits at equal sound, more than frames in random order save, is not shown.")
    return said + _direction(answered)


def _direction(answered: Mapping[str, Finding]) -> list[str]:
    """The direction of the next step, beside a step to the mean and beside that of white noise."""
    said = []
    if finding := answered.get("first_step_beyond_staying"):
        n, rows = count(finding), answered_rows(finding)
        mean = span({reply.value - reply.beyond for _, reply in rows})
        said.append(
            f"The direction of the next step is predicted better than by a step to the mean in {n.share(n.yes)}"
            f"{n.rest}: by a cosine of {span(values(rows))} beside {mean}."
        )
    if finding := answered.get("direction_beyond_noise"):
        n = count(finding)
        what = "It" if said else "The direction of the next step"
        said.append(
            f"{what} is predicted better than that of white noise in {n.share(n.yes)}{n.rest}. Steps of frames that "
            "depend on each other lead back to the mean less than those of noise do, so that this asks for much."
        )
    return said


def _far(answered: Mapping[str, Finding]) -> list[str]:
    said = []
    if finding := answered.get("forecast_direction_later"):
        reach = _reach(finding)
        if kept := sorted(step for step in reach.values() if step):
            told = ", ".join(f"{step} in {kept.count(step)}" for step in dict.fromkeys(kept))
            said.append(
                f"Of {len(reach)} models, the direction of forecasts is better than chance at every step up to step "
                f"{told}{_duration(finding, max(kept))}{_fading(finding, max(kept))}."
            )
        else:
            said.append("No forecast is shown to keep a direction better than chance after its first step.")
    if finding := answered.get("forecast_beyond_staying"):
        n, rows = count(finding), answered_rows(finding)
        at = span({reply.value + reply.beyond for _, reply in rows if math.isfinite(reply.beyond)}, 3)
        said.append(
            "Over all steps together, a forecast that stays at the mean is off by "
            f"{at} spreads; forecasts of models are off by {span(values(rows), 3)}."
        )
        named = f" ({told})" if (told := which(finding, "yes")) else ""
        said.append(f"Nearer to the truth than staying there {n.of_which(named)}.")
    if finding := answered.get("forecast_beyond_marginal"):
        n = count(finding)
        said.append(
            f"At their last step, forecasts by draws beat draws of each dimension by itself in {n.share(n.yes)}"
            f"{n.rest}; the voice, the room or correlations between dimensions may be enough for that."
        )
    return said


def _reach(finding: Finding) -> dict[tuple[str, str], int]:
    """By model, the last step up to which every step after the first is a yes; 0 where the second is none."""
    steps: dict[tuple[str, str], dict[float, str | None]] = {}
    for _, reply in answered_rows(finding):
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


def _fading(finding: Finding, last: int) -> str:
    """The cosines of steps that are better than chance, at the second step and at the last."""
    at = {step: [reply.value for _, reply in answered_rows(finding, "yes") if reply.place.get("step") == step]
          for step in dict.fromkeys((2, last))}  # fmt: skip
    told = " and ".join(f"{span(mine)} at step {step}" for step, mine in at.items() if mine)
    return f", by a cosine of {told}" if told else ""


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
        n = count(finding)
        whole = sum(reply.value == 0 for _, reply in answered_rows(finding))
        said.append(
            f"In {n.share(whole)} no free run left the data behind, which is a wide bound: ten times as far from the "
            f"mean as any training frame. Too many runs do in {n.no or 'none'}."
        )
        if whole > n.yes:
            said.append(
                f"To show that fewer than one in a hundred would takes {_ENOUGH_RUNS} runs; it is shown in "
                f"{n.share(n.yes)}."
            )
    if finding := answered.get("energy_kept"):
        n, lost = count(finding), values(answered_rows(finding, "no"))
        far = f"; where it is lost, they have {span(lost)} times as much" if lost else ""
        said.append(f"They keep the energy of the data, within a tenth of it, in {n.share(n.yes)}{n.rest}{far}.")
    if finding := answered.get("passes_for_real"):
        n, rows = count(finding), answered_rows(finding)
        best = min(rows, key=lambda row: row[1].value)[1]
        said.append(
            "A simple classifier, which is right half of the time by chance, tells them from real speech less often "
            f"than three times in four in {n.share(n.yes)}{n.rest}; least often, {span([best.value])} of the times, in "
            f"{best.row}."
        )
    if finding := answered.get("beyond_random_phases"):
        n, rows = count(finding), answered_rows(finding)
        best = min(rows, key=lambda row: row[1].value)[1]
        said.append(
            f"Beside frames of the same representation with random phases, they are easier to tell in {n.share(n.no)}, "
            f"harder in {n.yes or 'none'}, undecided in {n.undecided or 'none'}; the lowest is "
            f"{span([best.value])} beside {span([best.value + best.beyond])} ({_SAID[best.verdict or 'undecided']})."
        )
    if finding := answered.get("generation_holds"):
        n = count(finding)
        open_ = f", {n.undecided} {'is' if n.undecided == 1 else 'are'} undecided" if n.undecided else ""
        said.append(
            f"Both, that few runs leave the data behind and that the classifier errs so often, is shown in "
            f"{n.share(n.yes)}: {n.no} fail in at least one{open_}."
        )
    return said


def _heard(answered: Mapping[str, Finding]) -> list[str]:
    said = []
    if finding := answered.get("heard"):
        n, rows = count(finding), sorted(answered_rows(finding), key=lambda row: -row[1].value)
        told = ", ".join(f"{name_of(row, ['representation'])} {span([row[1].value], 3)}" for row in rows[:_LISTED])
        said.append(f"Decoded true frames sound well (PESQ above 2) in {n.share(n.yes)}. PESQ: {told}.")
    if finding := answered.get("runs_sound_like_frames"):
        n, rows = count(finding), answered_rows(finding)
        less = span(-value for value in beyond(rows))
        far = f"; they have {span(levels, 3)} DNSMOS, {less} less than these" if (levels := levels_of(rows)) else ""
        said.append(f"Decoded free runs sound as natural as decoded true frames in {n.share(n.yes)}{n.rest}{far}.")
    return said


def _effects(answered: Mapping[str, Finding]) -> list[Said]:
    """What helps and what does not, topic by topic."""
    told = told_effects(answered)
    return [Said(topic.head, items=told[topic.name]) for topic in asked().topics.root if topic.name in told]


def _unknown(topics: Sequence[Topic]) -> list[Said]:
    """The topics of which no question that leads has an answer, and what this run cannot tell at all."""
    known = {topic.name for topic in topics if any(one.kind != "missing" for one in topic.findings)}
    leading = {question.topic for question in asked().questions.root if question.leads}
    heads = [topic.head for topic in asked().topics.root if topic.name in leading - known]
    told = f"Nothing was measured that answers: {' '.join(heads)} " if heads else ""
    return [
        Said(
            "What is not known",
            f"{told}Intervals tell about other speakers of this corpus, not about other speech, nor about other "
            "trainings. Of a hundred rows without any effect, about five are decided by chance. A no is one of the "
            "models that were fitted here: other models may do better.",
        )
    ]


def _checked(certificates: Mapping[str, Sequence[Topic]] | None, answered: Collection[str] = ()) -> list[Said]:
    """Whether the measuring met what is known, and what was checked; nothing where that is told elsewhere.

    Args:
        answered: the names of questions that a conclusion is drawn from.
    """
    if certificates is None:
        return []
    every = [one for topics in certificates.values() for topic in topics for one in topic.findings]
    rows = [row for one in every if one.name == "calibrated" for row in answered_rows(one)]
    if not rows:
        return [Said("Is the measuring right", "It was not checked beside this page: there are no known answers here.")]
    leading = [q for q in asked().questions.root if q.name in answered and q.column and (q.leads or q.cause)]
    columns = dict.fromkeys(q.column.split("_over_")[0].removeprefix("d_") for q in leading if q.is_ != "told")
    met = sum(reply.verdict == "yes" for _, reply in rows)
    close = sum(reply.place.get("agrees") == "interval" for _, reply in rows)
    told = f" ({close} by their interval, {met - close} by a tolerance that the table names)" if 0 < close < met else ""
    named = [str(reply.place["diagnostic"]) for _, reply in rows if "diagnostic" in reply.place]
    names = list(dict.fromkeys(_COMPONENT.sub("", name) for name in named))
    known = f" They are of {', '.join(names)}." if names else ""
    unchecked = [c for c in columns if f"{c}_whole" not in names and not any(c.startswith(name) for name in names)]
    rest = f" Not checked so, of what is concluded from above: {', '.join(unchecked)}." if names and unchecked else ""
    return [
        Said(
            "Is the measuring right",
            f"Of {len(rows)} checks against exact values, {met} came out as they must{told}.{known}{rest}",
        )
    ]
