"""What tables say, in sentences: by topic, each question with the rows that answer yes, no, or neither.

A row that several tables have is told once. What one table cannot answer is told only if no other does.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from latentdyn.reporting.questions import Reply, Verdict, asked, replies
from latentdyn.reporting.stored import StoredSheet

Row = tuple[str, Reply]  # the name of a table, and what one row of it answers
_WORDS: dict[Verdict, str] = {"yes": "Yes", "no": "No", "undecided": "Undecided", "missing": "Not answered"}
_FOLLOWS = (
    "gate",
    "mode",
    "slice",
    "sigma",
    "target",
    "linear_skip",
    "target_axes",
    "regime",
)  # from what else a row is of


@dataclass(frozen=True)
class Answer:
    """The rows that give one answer to a question. of: how many were asked in all."""

    verdict: Verdict
    rows: Sequence[Row]
    of: int

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
        """Of each column, the lowest and the highest number with their rows, without intervals. "" of what is not
        decided, and of several rows without numbers."""
        if self.verdict not in ("yes", "no"):
            return ""
        mine = [reply for _, reply in self.rows]
        if len(mine) == 1:
            return _range(mine)
        numbers = sorted((reply for reply in mine if not math.isnan(reply.value)), key=lambda reply: reply.value)
        columns = dict.fromkeys(reply.column for reply in numbers)
        return "; ".join(_range([reply for reply in numbers if reply.column == column]) for column in columns)


def _range(replies: Sequence[Reply]) -> str:
    """The first and the last of some replies of one column; a number that all of them have stands without a row."""
    ends = [replies[0], replies[-1]] if replies[0].value < replies[-1].value else [replies[0]]
    named = len(ends) == 2 or len(replies) == 1
    told = " to ".join(f"{reply.number} ({reply.row})" if named else reply.number for reply in ends)
    return f"{ends[0].column} {told}".lstrip()


@dataclass(frozen=True)
class Finding:
    """One question with its answers. controls: rows that are not asked, and stand beside them."""

    question: str
    answers: Sequence[Answer]
    controls: Sequence[Row]
    leads: bool

    @property
    def kind(self) -> str:
        """The answer of all rows that have one, `mixed` where these differ, `missing` where none has."""
        given = {answer.verdict for answer in self.answers} - {"missing"}
        return "missing" if not given else given.pop() if len(given) == 1 else "mixed"


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


def findings(tables: Iterable[StoredSheet]) -> list[Topic]:
    """All answers of some tables by topic: questions that lead first, then those that have an answer."""
    found: dict[str, list[Row]] = {}
    for table in tables:
        for reply in replies(str(table.settings.get("kind")), table.sheet):
            found.setdefault(reply.question, []).append((table.name, reply))
    by_topic: dict[str, list[Finding]] = {}
    for question, rows in found.items():
        if finding := _finding(question, rows):
            by_topic.setdefault(rows[0][1].topic, []).append(finding)
    return [
        Topic(topic.name, topic.head, sorted(mine, key=lambda one: (one.kind == "missing", not one.leads)))
        for topic in asked().topics.root
        if (mine := by_topic.get(topic.name))
    ]


def _finding(question: str, rows: Sequence[Row]) -> Finding | None:
    told = _told_once(row for row in rows if row[1].verdict)
    given = {verdict: [row for row in told if row[1].verdict == verdict] for verdict in _WORDS}
    answers = [Answer(verdict, mine, len(told)) for verdict, mine in given.items() if mine]
    controls = _told_once(row for row in rows if not row[1].verdict)
    return Finding(question, answers, controls, any(reply.leads for _, reply in rows)) if answers else None


def _told_once(rows: Iterable[Row]) -> list[Row]:
    """The rows that a question is answered by, without those that an earlier table has told already.

    Where a whole table cannot answer, that is told only if no other row answers.
    """
    told: list[Row] = []
    by: dict[Any, str] = {}  # which table told it first; within one, no two rows are the same
    for table, reply in rows:
        place = {name: value for name, value in reply.place.items() if name not in _FOLLOWS}
        numbers = (reply.said,) if math.isnan(reply.value) else (reply.value, reply.low, reply.high)
        if not place or by.setdefault((*place.items(), *numbers), table) == table:
            told.append((table, reply))
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
