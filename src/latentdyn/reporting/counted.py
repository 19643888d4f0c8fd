"""How many rows give each answer to a question, which these are, and what numbers they have: in words."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from latentdyn.reporting.bounds import Verdict
from latentdyn.reporting.findings import Finding, Row

_NAMED = 6  # rows that are named one by one


@dataclass(frozen=True)
class Count:
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

    def of_which(self, named: str) -> str:
        """How many rows are nearer to something, with their names, and how many are not."""
        told = f"{'is' if self.yes == 1 or self.of == 1 else 'are'} {self.share(self.yes)}{named}"
        if self.no:
            told += f"; {self.no} {'is' if self.no == 1 else 'are'} farther off"
        return told + (
            f"; {self.undecided} {'is' if self.undecided == 1 else 'are'} undecided" if self.undecided else ""
        )

    @property
    def rest(self) -> str:
        """How many rows do not say yes, in brackets after a blank; "" where none or all are of one such answer."""
        told = [f"{n} {word}" for n, word in ((self.no, "no"), (self.undecided, "undecided")) if n and n < self.of]
        return f" ({', '.join(told)})" if told else ""


def answered_rows(finding: Finding, verdict: Verdict | None = None) -> list[Row]:
    """The rows that have an answer, or this one."""
    answers = [a for a in finding.answers if a.verdict != "missing" and verdict in (None, a.verdict)]
    return [row for answer in answers for row in answer.rows]


def count(finding: Finding) -> Count:
    """The answers of a finding."""
    rows = answered_rows(finding)
    models = {(r.place.get("representation"), r.place["predictor"]) for _, r in rows if "predictor" in r.place}
    n = {verdict: len(answered_rows(finding, verdict)) for verdict in ("yes", "no", "undecided")}
    return Count(n["yes"], n["no"], n["undecided"], "models" if len(models) == len(rows) else "rows")


def beyond(rows: Sequence[Row]) -> list[float]:
    """How far rows are on the side of a yes from what they are compared with, where that is known."""
    return [reply.beyond for _, reply in rows if math.isfinite(reply.beyond)]


def levels_of(rows: Sequence[Row]) -> list[float]:
    """What rows come to, where that is told."""
    return [reply.level for _, reply in rows if math.isfinite(reply.level)]


def values(rows: Sequence[Row]) -> list[float]:
    """The numbers of rows."""
    return [reply.value for _, reply in rows if math.isfinite(reply.value)]


def span(numbers: Iterable[float], digits: int = 2) -> str:
    """The lowest and the highest of some numbers, of so many digits; those that overflowed are left out."""
    found = [number for number in numbers if math.isfinite(number)]
    if not found:
        return "no finite number"
    low, high = (f"{of(found):.{digits}g}" for of in (min, max))
    return low if low == high else f"{low} to {high}"


def which(finding: Finding, verdict: Verdict) -> str:
    """Which rows give an answer, if not all do: the names of a few, or what many have in common. "" where nothing tells
    them from the others."""
    every, mine = answered_rows(finding), answered_rows(finding, verdict)
    if not mine or len(mine) == len(every):
        return ""
    keys = dict.fromkeys(key for _, reply in every for key in reply.place)
    telling = [key for key in keys if len({str(reply.place.get(key)) for _, reply in every}) > 1]
    names = [name_of(row, telling) for row in mine]
    if len(mine) <= _NAMED and len(set(names)) == len(names):
        return "; ".join(names)
    shared = [key for key in telling if len({str(reply.place.get(key)) for _, reply in mine}) == 1]
    common = ", ".join(str(mine[0][1].place.get(key)) for key in shared if isinstance(mine[0][1].place.get(key), str))
    return f"{'both' if len(mine) == 2 else 'all'} of them {common}" if common else ""


def name_of(row: Row, telling: Sequence[str] | None = None) -> str:
    """A row by what tells it from others, or by all that it is of."""
    place = row[1].place
    told = [str(place[key]) for key in telling or () if isinstance(place.get(key), str)]
    return ", ".join(told) or row[1].row
