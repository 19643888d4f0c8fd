"""What tables say, in sentences: each question with the rows that answer yes, no, or neither.

A question stands under its answer where all rows agree. Where they do not, its answers stand together. A row that
several tables have is told once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from latentdyn.reporting.questions import Reply, Verdict, replies
from latentdyn.reporting.stored import StoredSheet

Answer = Literal[Verdict, "mixed"]

_HEADS: dict[Answer, str] = {
    "yes": "Answered by yes",
    "no": "Answered by no",
    "mixed": "Answered differently from row to row",
    "undecided": "Undecided: the 95 % interval holds the threshold, or there is none",
    "missing": "Not measured, or not comparable",
}
_WORDS: dict[Verdict, str] = {"yes": "Yes", "no": "No", "undecided": "Undecided", "missing": "Not answered"}


@dataclass(frozen=True)
class Finding:
    """One question with the rows that give one answer. of: how many rows were asked in all."""

    question: str
    verdict: Verdict
    rows: Sequence[tuple[str, Reply]]
    of: int

    @property
    def word(self) -> str:
        """The answer."""
        return _WORDS[self.verdict]

    @property
    def extent(self) -> str:
        """Of how many rows it is the answer."""
        n = len(self.rows)
        if n == self.of:
            return "in the one row that is asked" if n == 1 else f"in all {n} rows that are asked"
        return f"in {n} of {self.of} rows that are asked"

    @property
    def ends(self) -> list[tuple[str, Reply]]:
        """The rows of the lowest and of the highest value, where these differ."""
        numbers = sorted((row for row in self.rows if row[1].value == row[1].value), key=lambda row: row[1].value)
        return [numbers[0], numbers[-1]] if numbers and numbers[0][1].value < numbers[-1][1].value else []


@dataclass(frozen=True)
class Group:
    """The findings of one answer. name: of the answer, one word."""

    name: Answer
    head: str
    findings: Sequence[Finding]


def findings(tables: Iterable[StoredSheet]) -> list[Group]:
    """All answers of some tables, by answer and question; answers that no question has are left out."""
    asked: dict[str, list[tuple[str, Reply]]] = {}
    for table in tables:
        for reply in replies(str(table.settings.get("kind")), table.sheet):
            asked.setdefault(reply.question, []).append((table.name, reply))
    groups: dict[Answer, list[Finding]] = {name: [] for name in _HEADS}
    for question, every in asked.items():
        rows = _told_once(every)
        given = {verdict: [row for row in rows if row[1].verdict == verdict] for verdict in _WORDS}
        differ = len({verdict for verdict, mine in given.items() if mine and verdict != "missing"}) > 1
        for verdict, mine in given.items():
            if mine:
                name: Answer = "mixed" if differ and verdict != "missing" else verdict
                groups[name].append(Finding(question, verdict, mine, len(rows)))
    return [Group(name, _HEADS[name], found) for name, found in groups.items() if found]


def _told_once(rows: Iterable[tuple[str, Reply]]) -> list[tuple[str, Reply]]:
    """The rows that a question is answered by, without those that an earlier table has told already.

    Where a whole table cannot answer, that is told only if no other row answers.
    """
    found: dict[Any, tuple[str, Reply]] = {}
    for number, (table, reply) in enumerate(rows):
        key = (*reply.place.items(), reply.said) if reply.place else number
        found.setdefault(key, (table, reply))
    told = list(found.values())
    answered = any(reply.verdict != "missing" for _, reply in told)
    return [row for row in told if not answered or row[1].place or row[1].verdict != "missing"]


def summary(groups: Sequence[Group]) -> str:
    """How the questions came out, in one sentence."""
    by_question: dict[str, set[str]] = {}
    for group in groups:
        for finding in group.findings:
            by_question.setdefault(finding.question, set()).add(finding.verdict)
    n = len(by_question)
    if n == 0:
        return "None of the questions that are asked of tables can be asked of these."
    told = [verdicts - {"missing"} or verdicts for verdicts in by_question.values()]  # as groups are told apart
    yes, no, missing = (told.count({name}) for name in ("yes", "no", "missing"))
    others = n - yes - no - missing
    return (
        f"{_count(n, 'question is', 'questions are')} asked of these tables. Of {'it' if n == 1 else 'them'}, {yes} "
        f"{'is' if yes == 1 else 'are'} answered by yes in every row that has an answer, "
        f"{no} by no in every row that has one, and {others} "
        "differently from row to row, or not firmly. "
        f"{missing} {'is' if missing == 1 else 'are'} not answered: nothing was measured, or nothing that compares."
    )


def _count(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"
