"""Questions that are asked of the rows of tables, as data (questions.yaml), and the answers that the rows give.

An answer is yes or no where the row's 95 % interval lies on one side of what it is compared with. Where it does not, or
where there is no interval, the question is undecided; where there is no number, the answer is missing. An overflow is
never a yes. Rows of surrogates and of published values are compared with, and are not asked. A table that has answered
a question in a column of its own is asked what stands there.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
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
PLACES = ("process", "representation", "predictor", "seed", "by", "a", "b", "metric", "diagnostic", "split", "slice",
          "k", "mode", "step", "sigma", "clusters", "correction", "variant", "forecast", "n_steps", "langevin_steps",
          "target", "linear_skip", "target_axes", "regime", "gate")  # fmt: skip
_BEFORE = {"k": "k =", "sigma": "σ =", "clusters": "K =", "n_steps": "steps", "langevin_steps": "steps"}
_GATES: dict[tuple[str, str], Verdict] = {("met", "yes"): "yes", ("not met", "yes"): "no"}
_TOLD: dict[str, Verdict] = {"yes": "yes", "no": "no"}


class Question(Entry):
    """One entry of questions.yaml, which says what its keys mean."""

    name: str
    question: str
    kinds: tuple[str, ...] = ()
    column: str
    columns: Mapping[str, str] = {}  # by kind of table, where it has another name
    is_: Literal["above", "below", "within", "not", "told"] = Field(alias="is")
    than: Value | tuple[float, float] | None = None
    beside: Mapping[str, str | None] = {}
    where: Mapping[str, Value | tuple[Value, ...]] = {}
    unless: Mapping[str, Value | tuple[Value, ...]] = {}
    shows: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _compares(self) -> "Question":
        given = [value for value in (self.than, self.beside or None) if value is not None]
        if len(given) != (self.is_ != "told"):
            raise ValueError(f"{self.name}: say either `than` or `beside`; of what is `told`, neither")
        if isinstance(self.than, tuple) != (self.is_ == "within"):
            raise ValueError(f"{self.name}: `within` is of two bounds, and nothing else is")
        return self


@dataclass(frozen=True)
class Reply:
    """What one row answers. row: which one, in words. said: the value, and what it is compared with. value: NaN where
    there is none. place: all that says what the row is of; empty if it is of the whole table."""

    question: str
    row: str
    verdict: Verdict
    said: str
    value: float = math.nan
    place: Mapping[str, Any] = field(default_factory=dict)


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
    """Gates have their verdict already."""
    for row in sheet.rows.to_dict("records"):
        measured, comparable = row["verdict"] != "not measured", row["verdict"] != "not comparable"
        verdict = _GATES.get((row["verdict"], row["decided"]), "undecided") if measured and comparable else "missing"
        asked = "" if pd.isna(row["threshold"]) else f", asked: {row['comparison']} {row['threshold']:g}"
        against, ceiling = row.get("against"), row.get("ceiling")
        asked += f" beside {against}" if isinstance(against, str) and against else ""
        if ceiling is not None and not pd.isna(ceiling):
            asked += f" (a predictor that is fitted so far ahead reaches {ceiling:.3f})"
        said = f"{_shown(sheet, row, 'measured')}{asked}".lstrip(", ") or str(row["why"])
        said = str(row["why"]) if not measured else said if comparable else f"{said}, which is of other latents"
        value = float(row["measured"]) if measured else math.nan
        place = {} if pd.isna(row["representation"]) else _place(row)
        yield Reply(row["question"], _named(sheet, row), verdict, said, value, place)


def _of_rows(question: Question, column: str, sheet: Sheet) -> Iterator[Reply]:
    rows = sheet.rows.to_dict("records")
    for row in rows:
        if not _asked(question, row):
            continue
        if question.is_ in ("not", "told"):
            if question.is_ == "told":
                verdict = _TOLD.get(row[column], "undecided")
            else:
                verdict = "no" if row[column] == question.than else "yes"
            told = ", ".join(
                f"{name} {_shown(sheet, row, name)}{_unit(name)}" if question.shows else _shown(sheet, row, name)
                for name in question.shows or ("measured",)
            )
            yield Reply(question.question, _named(sheet, row), verdict, told, place=_place(row))
            continue
        other, text = _compared(question, column, sheet, row, rows)
        if other is None:
            continue
        mine = _bounds(row, column, without=math.inf)
        said = f"{column} {_shown(sheet, row, column)}{_unit(column)}, asked: {question.is_} {text}"
        value = mine.value if mine else math.nan
        told = said if mine else f"there is no {column}"
        verdict = _verdict(question.is_, mine, other)
        yield Reply(question.question, _named(sheet, row), verdict, told, value, _place(row))


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
        if isinstance(question.than, tuple):
            low, high = question.than
            return _Bounds((low + high) / 2, low, high), f"{low:g} to {high:g}"
        assert question.than is not None
        return _Bounds(question.than, question.than, question.than), f"{question.than:g}"
    changed = {name: text and text.format(**row) for name, text in question.beside.items()}
    wanted = {**{name: row[name] for name in PLACES if name in row and name not in changed}, **changed}
    for other in rows:
        if all(other[name] == value or (pd.isna(other[name]) and pd.isna(value)) for name, value in wanted.items()):
            bounds = _bounds(other, column)
            return bounds, f"{_shown(sheet, other, column)} of {', '.join(filter(None, changed.values()))}"
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
    if is_ == "within" and other.low <= mine.low and mine.high <= other.high:
        return "yes"
    if is_ == "within":
        return "no" if mine.high < other.low or mine.low > other.high else "undecided"
    if is_ == "below":
        mine, other = (_Bounds(-b.value, -b.high, -b.low) for b in (mine, other))
    if mine.low > other.high:
        return "yes"
    return "no" if mine.high < other.low else "undecided"


def _named(sheet: Sheet, row: Mapping[str, Any]) -> str:
    """What a row is of, as far as that tells it from other rows."""
    told: list[str] = []
    groups = 1
    for name in PLACES:
        if name in row and (found := sheet.rows[[*told, name]].drop_duplicates().shape[0]) > groups:
            told, groups = [*told, name], found
    told = told or [name for name in PLACES if name in row][:1]
    return ", ".join(_in_words(name, row[name]) for name in told if not pd.isna(row[name]))


def _in_words(place: str, value: Any) -> str:
    """One place of a row; a number is named."""
    return value if isinstance(value, str) else f"{_BEFORE.get(place, place)} {value:g}"


def _place(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a row is of, the same in each table that has this row."""
    return {name: row[name] for name in PLACES if name in row and not pd.isna(row[name])}


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
