"""Questions that are asked of the rows of tables, as data (questions.yaml), and the answers that the rows give.

An answer is yes or no where the row's 95 % interval lies on one side of what it is compared with. Where it does not, or
where there is no interval, the question is undecided; where there is no number, the answer is missing. An overflow is
never a yes. Rows of surrogates and of published values are compared with, and are not asked.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import Field, model_validator

from latentdyn.metrics import metric
from latentdyn.reporting.entries import Entry, Named, read_entries
from latentdyn.reporting.sheet import Sheet, cell

Verdict = Literal["yes", "no", "undecided", "missing"]
Value = str | int | float

QUESTIONS = Path(__file__).with_suffix(".yaml")
# the columns that say what a row is of
PLACES = ("process", "representation", "predictor", "by", "a", "b", "metric", "diagnostic", "split", "slice", "k",
          "mode", "step", "sigma", "clusters", "correction", "variant", "forecast", "n_steps", "langevin_steps",
          "target", "linear_skip", "target_axes", "regime", "gate")  # fmt: skip
_GATES: dict[tuple[str, str], Verdict] = {("met", "yes"): "yes", ("not met", "yes"): "no"}


class Question(Entry):
    """One entry of questions.yaml, which says what its keys mean."""

    name: str
    question: str
    kinds: tuple[str, ...] = ()
    column: str
    columns: Mapping[str, str] = {}  # by kind of table, where it has another name
    is_: Literal["above", "below", "not"] = Field(alias="is")
    than: Value | None = None
    beside: Mapping[str, str] = {}
    where: Mapping[str, Value | tuple[Value, ...]] = {}
    unless: Mapping[str, Value | tuple[Value, ...]] = {}

    @model_validator(mode="after")
    def _compares(self) -> "Question":
        if (self.than is None) == (not self.beside):
            raise ValueError(f"{self.name}: say either `than` or `beside`")
        return self


@dataclass(frozen=True)
class Reply:
    """What one row answers. row: which one, in words. said: the value, and what it is compared with. value: NaN where
    there is none."""

    question: str
    row: str
    verdict: Verdict
    said: str
    value: float = math.nan


@dataclass(frozen=True)
class _Bounds:
    """A number with its interval; the number itself where it is exact."""

    value: float
    low: float
    high: float


@cache
def questions() -> tuple[Question, ...]:
    """Every question of questions.yaml.

    Raises:
        UserError: the file is not of the form; its mistakes are told with their dotted paths.
    """
    return read_entries(QUESTIONS, Named[Question]).root


def replies(kind: str, sheet: Sheet) -> list[Reply]:
    """What the rows of a table of this kind answer, in the order of the questions."""
    found = list(_of_gates(sheet)) if kind == "gates" else []
    for question in questions():
        column = question.columns.get(kind, question.column)
        if column in sheet.rows and (not question.kinds or kind in question.kinds):
            found += _of_rows(question, column, sheet)
    return found


def _of_gates(sheet: Sheet) -> Iterator[Reply]:
    """Gates have their verdict already; but one by a threshold that is of other latents is none."""
    for row in sheet.rows.to_dict("records"):
        measured, comparable = row["verdict"] != "not measured", row.get("comparable") != "no"
        verdict = _GATES.get((row["verdict"], row["decided"]), "undecided") if measured and comparable else "missing"
        asked = "" if pd.isna(row["threshold"]) else f", asked: {row['comparison']} {row['threshold']:g}"
        said = f"{_shown(sheet, row, 'measured')}{asked}".lstrip(", ") or "it follows from other gates"
        said = str(row["why"]) if not measured else said if comparable else f"{said}, which is of other latents"
        yield Reply(
            row["question"], _named(sheet, row), verdict, said, float(row["measured"]) if measured else math.nan
        )


def _of_rows(question: Question, column: str, sheet: Sheet) -> Iterator[Reply]:
    rows = sheet.rows.to_dict("records")
    for row in rows:
        if not _asked(question, row):
            continue
        if question.is_ == "not":
            verdict: Verdict = "yes" if row[column] != question.than else "no"
            yield Reply(question.question, _named(sheet, row), verdict, _shown(sheet, row, "measured"))
            continue
        other, text = _compared(question, column, sheet, row, rows)
        if other is None:
            continue
        mine = _bounds(row, column, without=math.inf)
        said = f"{column} {_shown(sheet, row, column)}{_unit(column)}, asked: {question.is_} {text}"
        value = mine.value if mine else math.nan
        told = said if mine else f"there is no {column}"
        yield Reply(question.question, _named(sheet, row), _verdict(question.is_, mine, other), told, value)


def _asked(question: Question, row: Mapping[str, Any]) -> bool:
    def fits(column: str, values: Value | tuple[Value, ...]) -> bool:
        return row[column] in (values if isinstance(values, tuple) else (values,))

    if "__" in str(row.get("representation", "")) or row.get("origin") == "published":
        return False
    return all(fits(c, v) for c, v in question.where.items() if c in row) and not any(
        fits(c, v) for c, v in question.unless.items() if c in row
    )


def _compared(
    question: Question, column: str, sheet: Sheet, row: Mapping[str, Any], rows: list[dict[str, Any]]
) -> tuple[_Bounds | None, str]:
    """What a row is compared with, and that in words; None where there is no such thing."""
    if not question.beside:
        if isinstance(question.than, str):
            bounds = _bounds(row, question.than) if question.than in row else None
            return bounds, f"{question.than} {_shown(sheet, row, question.than)}" if bounds else ""
        assert question.than is not None
        return _Bounds(question.than, question.than, question.than), f"{question.than:g}"
    changed = {name: text.format(**row) for name, text in question.beside.items()}
    wanted = {**{name: row[name] for name in PLACES if name in row and name not in changed}, **changed}
    for other in rows:
        if all(other[name] == value or (pd.isna(other[name]) and pd.isna(value)) for name, value in wanted.items()):
            bounds = _bounds(other, column)
            return bounds, f"{_shown(sheet, other, column)} of {', '.join(changed.values())}"
    return None, ""


def _bounds(row: Mapping[str, Any], column: str, without: float = 0.0) -> _Bounds | None:
    """A value with the bounds that its row has of it; None where there is no value. without: half the width of the
    interval of a value that has none: 0 of what is exact."""
    value = row[column]
    if pd.isna(value):
        return None
    bounds = [row.get(f"{column}_ci_{end}") for end in ("low", "high")]
    if any(bound is None or pd.isna(bound) for bound in bounds):
        bounds = [value - without, value + without]
    return _Bounds(*(float(number) for number in (value, *bounds)))


def _verdict(is_: str, mine: _Bounds | None, other: _Bounds) -> Verdict:
    if mine is None:
        return "missing"
    if not math.isfinite(mine.value):
        return "no"
    if is_ == "below":
        mine, other = (_Bounds(-b.value, -b.high, -b.low) for b in (mine, other))
    if mine.low > other.high:
        return "yes"
    return "no" if mine.high < other.low else "undecided"


def _named(sheet: Sheet, row: Mapping[str, Any]) -> str:
    """What a row is of, as far as it differs from other rows."""
    told = [name for name in PLACES if name in row and not pd.isna(row[name])]
    told = [name for name in told if sheet.rows[name].nunique(dropna=False) > 1] or told[:1]
    return ", ".join(
        f"k = {row[n]:g}" if n == "k" else f"σ = {row[n]:g}" if n == "sigma" else f"{row[n]}" for n in told
    )


def _shown(sheet: Sheet, row: Mapping[str, Any], column: str) -> str:
    """A value as people read it, with its interval."""
    digits = sheet.decimals.get(column)
    text = _text(row[column], digits)
    names = ("ci_low", "ci_high") if column == "measured" else (f"{column}_ci_low", f"{column}_ci_high")
    low, high = (_text(row.get(name), digits) for name in names)
    return f"{text} [{low}, {high}]" if low and high else text


def _unit(column: str) -> str:
    """The unit of a metric, after a blank; "" of ratios and of what is no metric."""
    try:
        unit = metric(column).unit
    except KeyError:
        return ""
    return "" if unit == "1" else f" {unit}"


def _text(value: Any, digits: int | None) -> str:
    """A number as tables show it, but with a digit of its own where they would round it to 0: a verdict hangs on it."""
    text = cell(value, digits)
    return f"{value:.1g}" if digits is not None and text.strip("0.") == "" and text and value else text
