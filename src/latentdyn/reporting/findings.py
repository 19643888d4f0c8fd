"""What tables say, in sentences: by topic, each question with the rows that answer yes, no, or neither.

A model that several tables have counts once: by the row that is the mean of the most trainings, the first of these.
What one table cannot answer is told only if no other does. Numbers of frames of different rates stand apart.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from latentdyn.reporting.bounds import Verdict
from latentdyn.reporting.questions import asked
from latentdyn.reporting.replies import Reply, replies
from latentdyn.reporting.stored import StoredSheet

Row = tuple[str, Reply]  # the name of a table, and what one row of it answers
_WORDS: dict[Verdict, str] = {"yes": "Yes", "no": "No", "undecided": "Undecided", "missing": "Not answered"}


@dataclass(frozen=True)
class Answer:
    """The rows that give one answer to a question. of: how many were asked in all. rates: frames a second, by
    representation."""

    verdict: Verdict
    rows: Sequence[Row]
    of: int
    rates: Mapping[str, float] = field(default_factory=dict)

    @property
    def word(self) -> str:
        return _WORDS[self.verdict]

    @property
    def extent(self) -> str:
        """Of how many rows it is the answer."""
        n = len(self.rows)
        if n == self.of:
            return {1: "in the one row", 2: "in both rows"}.get(n, f"in all {n} rows")
        return f"in {n} of {self.of} rows"

    @property
    def brief(self) -> str:
        """Of each column and frame rate, the lowest and the highest number with their rows; of what is undecided with
        their intervals, which are the reason. "" of several rows without numbers, and of what is not answered."""
        mine = [reply for _, reply in self.rows]
        if self.verdict == "missing":
            return ""
        if len(mine) == 1:
            return _range(mine)
        numbers = sorted((reply for reply in mine if not math.isnan(reply.value)), key=lambda reply: reply.value)
        rates = dict.fromkeys(self._rate(reply) for reply in numbers)
        if len(rates) == 1 or None in rates:  # one, or they are not all known
            return _ranges(numbers)
        return "; ".join(
            f"at {rate:g} Hz, {_ranges([reply for reply in numbers if self._rate(reply) == rate])}" for rate in rates
        )

    def _rate(self, reply: Reply) -> float | None:
        return self.rates.get(str(reply.place.get("representation")))


def _ranges(replies: Sequence[Reply]) -> str:
    """Of each column, the first and the last of some replies."""
    columns = dict.fromkeys(reply.column for reply in replies)
    return "; ".join(_range([reply for reply in replies if reply.column == column]) for column in columns)


def _range(replies: Sequence[Reply]) -> str:
    """The first and the last of some replies of one column; a number that all of them have stands without a row, but
    with an interval that all have."""
    ends = [replies[0], replies[-1]] if replies[0].value < replies[-1].value else [replies[0]]
    if len(ends) == 1 and len(replies) > 1:
        same = len({reply.said for reply in replies}) == 1
        return f"{ends[0].column} {ends[0].said if same else ends[0].number}".lstrip()
    told = " to ".join(f"{reply.number} ({reply.row})" for reply in ends)
    return f"{ends[0].column} {told}".lstrip()


@dataclass(frozen=True)
class Finding:
    """One question with its answers. name: of the question, "" of gates. controls: rows that are not asked, and stand
    beside them. about_controls: what a reader must know of these."""

    question: str
    answers: Sequence[Answer]
    controls: Sequence[Row]
    leads: bool
    name: str = ""
    about_controls: str = ""

    @property
    def kind(self) -> str:
        """The answer of all rows that have one, `mixed` where these differ, `missing` where none has."""
        given = {answer.verdict for answer in self.answers} - {"missing"}
        return "missing" if not given else given.pop() if len(given) == 1 else "mixed"

    @property
    def counted(self) -> str:
        """What the rows are: how many models, and of how many trainings; "" where rows are of no models, or where one
        tells no more than that it is one."""
        rows = [reply for answer in self.answers for _, reply in answer.rows]
        models = {(r.place.get("representation"), r.place["predictor"]) for r in rows if "predictor" in r.place}
        trainings = [reply.seeds for reply in rows if reply.seeds and reply.seeds > 1]
        told = []
        if len(models) > 1 and len(models) < len(rows):
            told.append(f"{len(rows)} rows of {len(models)} models")
        elif len(models) > 1:
            told.append(f"{len(models)} models")
        if trainings:
            each = f"{min(trainings)}" if len(set(trainings)) == 1 else f"{min(trainings)} to {max(trainings)}"
            of = "each row is" if len(trainings) == len(rows) else f"{_count(len(trainings), 'row is', 'rows are')}"
            told.append(f"{of} the mean of {each} trainings")
        return "; ".join(told)


@dataclass(frozen=True)
class Topic:
    """What questions of one topic find."""

    name: str
    head: str
    findings: Sequence[Finding]

    @property
    def short(self) -> list[Finding]:
        """Those that a page begins with: they lead, and have an answer."""
        return [finding for finding in self.findings if finding.leads and finding.kind != "missing"]


def findings(tables: Iterable[StoredSheet], rates: Mapping[str, float] | None = None) -> list[Topic]:
    """All answers of some tables by topic: questions that lead first, then those that have an answer.

    Args:
        rates: frames a second, by representation, as far as they are known.
    """
    rates = rates or {}
    found: dict[str, list[Row]] = {}
    for table in tables:
        for reply in replies(str(table.settings.get("kind")), table.sheet):
            found.setdefault(reply.question, []).append((table.name, reply))
    by_topic: dict[str, list[Finding]] = {}
    for question, rows in found.items():
        if finding := _finding(question, rows, rates):
            by_topic.setdefault(rows[0][1].topic, []).append(finding)
    return [
        Topic(topic.name, topic.head, sorted(mine, key=lambda one: (one.kind == "missing", not one.leads)))
        for topic in asked().topics.root
        if (mine := by_topic.get(topic.name))
    ]


def _finding(question: str, rows: Sequence[Row], rates: Mapping[str, float]) -> Finding | None:
    told = _told_once([row for row in rows if row[1].verdict])
    given = {verdict: [row for row in told if row[1].verdict == verdict] for verdict in _WORDS}
    answers = [Answer(verdict, mine, len(told), rates) for verdict, mine in given.items() if mine]
    controls = list({(reply.row, reply.said): (table, reply) for table, reply in rows if not reply.verdict}.values())
    name = next((reply.name for _, reply in rows if reply.name), "")
    about = next((entry.about_controls for entry in asked().questions.root if entry.name == name), "")
    leads = any(reply.leads for _, reply in rows)
    return Finding(question, answers, controls, leads, name, about if controls else "") if answers else None


def _told_once(rows: Sequence[Row]) -> list[Row]:
    """The rows that a question is answered by, each model once: by one table, that whose row is the mean of the most
    trainings, and the first of these.

    Where a whole table cannot answer, that is told only if no other row answers.
    """
    best: dict[Any, tuple[int, str]] = {}  # within one table, no two rows are the same
    for table, reply in rows:
        place, seeds = tuple(reply.place.items()), reply.seeds or 1
        # what lacks a number gives way to what has one
        weight = 0 if reply.verdict == "missing" else seeds
        if place not in best or weight > best[place][0]:
            best[place] = (weight, table)
    told = [(table, reply) for table, reply in rows if not reply.place or best[tuple(reply.place.items())][1] == table]
    answered = any(reply.verdict != "missing" for _, reply in told)
    return [row for row in told if not answered or row[1].place or row[1].verdict != "missing"]


def summary(topics: Sequence[Topic]) -> str:
    """How the questions came out, in one sentence."""
    kinds = [finding.kind for topic in topics for finding in topic.findings]
    n = len(kinds)
    if n == 0:
        return "None of the questions that are asked of tables can be asked of these."
    yes, no, missing = (kinds.count(name) for name in ("yes", "no", "missing"))
    return (
        f"{_count(n, 'question is', 'questions are')} asked of these tables. Of {'it' if n == 1 else 'them'}, {yes} "
        f"{'is' if yes == 1 else 'are'} answered by yes in every row that has an answer, "
        f"{no} by no in every row that has one, and {n - yes - no - missing} "
        "differently from row to row, or not firmly. "
        f"{missing} {'is' if missing == 1 else 'are'} not answered: nothing was measured, or nothing that compares."
    )


def _count(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"
