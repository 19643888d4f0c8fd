"""A number with its interval, beside another one: what may be said of the two."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

Verdict = Literal["yes", "no", "undecided", "missing"]


@dataclass(frozen=True)
class Bounds:
    """A number with its interval; the number itself where it is exact."""

    value: float
    low: float
    high: float


def bounds_of(row: Mapping[str, Any], column: str, without: float = 0.0) -> Bounds | None:
    """A value with the bounds that its row has of it; None where there is no value. without: half the width of the
    interval of a value that has none: 0 of what is exact."""
    value = row[column]
    if pd.isna(value):
        return None
    bounds = [row.get(f"{stem(column)}ci_{end}") for end in ("low", "high")]
    if any(bound is None or pd.isna(bound) for bound in bounds):
        bounds = [value - without, value + without]
    return Bounds(*(float(number) for number in (value, *bounds)))


def verdict_of(is_: str, mine: Bounds | None, other: Bounds) -> Verdict:
    """Whether a number is above, below or within another one, as `is` asks; undecided where their intervals meet."""
    if mine is None:
        return "missing"
    if mine.value == math.inf:
        return "no"
    if not (math.isfinite(mine.value) and math.isfinite(other.value)):  # -inf: less than what overflowed
        return "undecided"
    if is_ == "within" and other.low <= mine.low and mine.high <= other.high:
        return "yes"
    if is_ == "within":
        return "no" if mine.high < other.low or mine.low > other.high else "undecided"
    if is_ == "below":
        mine, other = (Bounds(-b.value, -b.high, -b.low) for b in (mine, other))
    if mine.low > other.high:
        return "yes"
    exact = other.low == other.high  # what is just as large as a threshold is not above it
    return "no" if mine.high < other.low or (exact and mine.high == other.low) else "undecided"


def stem(column: str) -> str:
    """What the names of an interval's columns begin with."""
    return "" if column == "measured" else f"{column}_"
