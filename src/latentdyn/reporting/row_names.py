"""What rows of a table are of, and their numbers, in words."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from latentdyn.metrics import metric
from latentdyn.reporting.bounds import stem
from latentdyn.reporting.questions import PLACES
from latentdyn.reporting.sheet import Sheet, cell

_MODEL = ("process", "representation", "predictor", "by")  # named in whatever table a row stands
_FOLLOWS = ("gate", "slice", "target", "linear_skip", "target_axes", "regime")  # from what else a row is of
_BEFORE = {"k": "k =", "sigma": "σ =", "clusters": "K =", "n_steps": "steps", "langevin_steps": "steps"}


def telling(sheet: Sheet) -> list[str]:
    """The columns that name the rows of a table: its models, and what else tells rows apart; of one row, the first that
    says what it is of."""
    told = [name for name in _MODEL if name in sheet.rows]
    groups = sheet.rows[told].drop_duplicates().shape[0] if told else 1
    for name in (name for name in PLACES if name not in told):
        if name in sheet.rows and (found := sheet.rows[[*told, name]].drop_duplicates().shape[0]) > groups:
            told, groups = [*told, name], found
    return told or [name for name in PLACES if name in sheet.rows][:1]


def name_of(told: Sequence[str], row: Mapping[str, Any]) -> str:
    """What a row is of, as far as that tells it from other rows."""
    return ", ".join(_in_words(name, row[name]) for name in told if not pd.isna(row[name]))


def _in_words(place: str, value: Any) -> str:
    """One place of a row; a number is named."""
    return value if isinstance(value, str) else f"{_BEFORE.get(place, place)} {value:g}"


def place_of(row: Mapping[str, Any], fixed: Collection[str]) -> dict[str, Any]:
    """What a row is of, the same in each table that has this row. fixed: columns that one value was asked of."""
    left = (name for name in PLACES if name in row and name not in (*_FOLLOWS, *fixed))
    return {name: row[name] for name in left if not pd.isna(row[name])}


def number_of(sheet: Sheet, row: Mapping[str, Any], column: str) -> str:
    """A value as people read it, with its interval."""
    digits = sheet.decimals.get(column)
    text = _text(row[column], digits)
    low, high = (_text(row.get(f"{stem(column)}ci_{end}"), digits) for end in ("low", "high"))
    return f"{text} [{low}, {high}]" if low and high else text


def unit_of(column: str) -> str:
    """The unit of a metric, after a blank; "" of ratios and of what is no metric."""
    bare = column.split("_over_")[0]  # what is set beside something has the unit of the metric
    for name in (column, bare, bare.rpartition("_")[0]):  # and so has what is of one horizon
        try:
            unit = metric(name).unit
        except KeyError:
            continue
        return "" if unit == "1" else f" {unit}"
    return ""


def _text(value: Any, digits: int | None) -> str:
    """A number as tables show it, but with a digit of its own where they would round it to 0: a verdict hangs on it."""
    text = cell(value, digits)
    return f"{value:.1g}" if digits is not None and text.strip("0.") == "" and text and value else text
