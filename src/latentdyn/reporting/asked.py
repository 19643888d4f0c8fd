"""Which rows gates are asked of, and what is decided by all rows together.

A row is a representation and a predictor; of what does not depend on a predictor, the predictor is None.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

from latentdyn.reporting.criteria import Criteria, Decision, Gate, Joint, Part, Rows, gate
from latentdyn.reporting.gates import Judgement, every, judge, negation, settings_of, some, unmeasured
from latentdyn.reporting.measurements import Measurements

Row = tuple[str, str | None]
_REFERENCE = "reference"


@dataclass(frozen=True)
class Asked:
    """What one gate is asked of: rows, each with the row that it is compared with, if any. why: there is none."""

    rows: Mapping[Row, Row | None]
    why: str = ""


def rows_of(asks: Gate, measured: Measurements, table: Mapping[str, Any], plan: Mapping[str, Any]) -> Asked:
    """The rows that a gate is asked of.

    Args:
        table, plan: those of a table of kind `gates`.
    """
    kinds = {name: plan["kinds"]["predictors"].get(name, "") for name in table["predictors"]}
    parts = {_REFERENCE: table["reference"], **table["parts"]}
    if lacking := _lacking(asks, measured, kinds, parts):
        return Asked({}, lacking)
    own, beside = asks.of, asks.beside or Rows()
    named = [name for name, kind in kinds.items() if own.predictor in (None, kind)]
    other = next((name for name, kind in kinds.items() if kind == beside.predictor), None)
    found: dict[Row, Row | None] = {}
    for representation in [parts[own.representation]] if own.representation else plan["rows"]:
        for predictor in [None] if asks.once else named:
            row: Row = (representation, predictor)
            if asks.beside is None or beside.correction:
                found[row] = row if beside.correction else None
                continue
            compared = parts[beside.representation] if beside.representation else representation
            if compared != representation or beside.predictor:
                found[row] = (compared, other or predictor) if compared else None
    return Asked(found)


def _lacking(asks: Gate, measured: Measurements, kinds: Mapping[str, str], parts: Mapping[str, str | None]) -> str:
    """What a table lacks, so that a gate can be asked of none of its rows; "" if it lacks nothing."""
    if asks.optional and not (measured.records["measurement"] == asks.measurement).any():
        return f"this table does not measure {asks.measurement}"
    for rows in (asks.of, asks.beside or Rows()):
        if rows.predictor and rows.predictor not in kinds.values():
            return f"no predictor is of kind {rows.predictor}"
        if rows.representation and rows.representation not in parts:
            return f"no representation is named as {rows.representation}"
    return ""


def judged(criteria: Criteria, measured: Measurements, table: Mapping[str, Any], plan: Mapping[str, Any]) -> "Answers":
    """What is answered of each gate and row."""
    found: dict[str, dict[Row, Judgement]] = {}
    asked: dict[str, Asked] = {}
    of_row = cache(partial(_here, measured))
    for question in criteria.gates.root:
        name = question.name
        if isinstance(question, Gate):
            asked[name] = rows_of(question, measured, table, plan)
            found[name] = {
                row: judge(question, of_row(row), of_row(beside) if beside else None)
                for row, beside in asked[name].rows.items()
            }
            continue
        parts = [asked[part] for part in question.every]
        shared = [row for part in parts for row in part.rows if all(_said(row, other.rows) for other in parts)]
        asked[name] = Asked(dict.fromkeys(shared), next((part.why for part in parts if part.why), ""))
        found[name] = {row: _jointly(question, of_row, row, found) for row in shared}
    return Answers(found, asked, criteria)


def _said(row: Row, rows: Collection[Row]) -> Row | None:
    """Which of these rows speaks for a row: itself, or its representation, of what no predictor changes."""
    return next((one for one in (row, (row[0], None)) if one in rows), None)


def _jointly(
    joint: Joint, of_row: Callable[[Row], Measurements], row: Row, found: Mapping[str, Mapping[Row, Judgement]]
) -> Judgement:
    if not joint.some:
        return every([found[name][_said(row, found[name]) or row] for name in joint.every])
    parts = [gate(name) for name in joint.every]
    here = of_row(row).where(measurement=parts[0].measurement)
    return some([every([judge(g, here.where(**place)) for g in parts]) for place in settings_of(joint.some, here)])


def _here(measured: Measurements, row: Row) -> Measurements:
    """What a row was measured with: by its predictor, and by nothing but the representation."""
    representation, predictor = row
    return measured.where(representation=representation, by=[name for name in (predictor, representation) if name])


@dataclass(frozen=True)
class Answers:
    """judgements: by gate and row. asked: the rows of each gate."""

    judgements: Mapping[str, Mapping[Row, Judgement]]
    asked: Mapping[str, Asked]
    criteria: Criteria

    def of_row(self, row: Row) -> Iterator[tuple[Gate | Joint, Judgement]]:
        """The gates that a row is asked, in their order."""
        for question in self.criteria.gates.root:
            if row in self.judgements[question.name]:
                yield question, self.judgements[question.name][row]

    def of_no_row(self) -> Iterator[tuple[Gate | Joint, Judgement]]:
        """The gates that no row is asked, with the reason."""
        for question in self.criteria.gates.root:
            if why := self.asked[question.name].why:
                yield question, unmeasured(why)

    def decisions(self, real: list[str], kinds: Mapping[str, str]) -> Iterator[tuple[Decision, Judgement]]:
        """What all rows together decide.

        Args:
            real: the representations that count; surrogates are none. kinds: of the predictors.
        """
        for decision in self.criteria.decisions.root:
            parts = [self._holds(part, real, kinds) for part in decision.every]
            joint = every(parts)
            yield decision, replace(joint, why=joint.why or "; ".join(part.why for part in parts))

    def _holds(self, part: Part, real: list[str], kinds: Mapping[str, str]) -> Judgement:
        if part.unknown:
            return unmeasured(part.unknown)
        names = part.some or part.none
        rows = [
            row for row, beside in self.asked[names[0]].rows.items()
            if row[0] in real and part.predictor in (None, kinds.get(row[1] or ""))
            and all(row in self.judgements[name] for name in names)
            and all(self._compares(name, row) for name in names)
        ]  # fmt: skip
        if not rows:
            return unmeasured(part.without)
        answers = {row: every([self.judgements[name][row] for name in names]) for row in rows}
        met = some(list(answers.values()))
        return replace(met if part.some else negation(met), why=self._told(part, names, answers))

    def _told(self, part: Part, names: Sequence[str], answers: Mapping[Row, Judgement]) -> str:
        """What is asked of rows, and which meet it; the value, where one gate is asked."""
        met = [row for row, answer in answers.items() if answer.verdict == "met"]
        told = f"asked: {'some' if part.some else 'no'} row meets {' and '.join(names)}; {len(met) or 'none'} of "
        told += f"{len(answers)} {'do' if len(met) > 1 else 'does'}"
        open_ = [answer.verdict for answer in answers.values()].count("undecided")
        told += f", {open_} undecided" if open_ else ""
        values = [self.judgements[names[0]][row].value if len(names) == 1 else None for row in met]
        shown = [", ".join(filter(None, row)) + (f" {value:.3g}" if value is not None else "")
                 for row, value in zip(met, values, strict=True)]  # fmt: skip
        return told + (f" ({'; '.join(shown[:3])}{', ...' if len(met) > 3 else ''})" if met else "")

    def _compares(self, name: str, row: Row) -> bool:
        """Whether what a gate compares with is there for a row."""
        comparing = any(isinstance(g, Gate) and g.name == name and g.beside for g in self.criteria.gates.root)
        return not comparing or self.asked[name].rows[row] is not None
