"""Some rows of a table, told by what stands in its columns, and taken out of it when they are first asked for.

A table of the reports asks for thousands of such parts of millions of rows, and reads few of them.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

_NONE = np.array([-1])  # how a row without a value is numbered


class Rows:
    """Those of a table that are of these names."""

    def __init__(self, table: pd.DataFrame) -> None:
        self._whole = _Coded(table)
        self._parent: Rows | None = None
        self._names: Mapping[str, Any] = {}

    def where(self, **names: Any) -> "Rows":
        """Only those whose columns have these values (one of them, where a list is given); a column that the table
        lacks is not asked for. A value of None is of rows without one."""
        part = Rows.__new__(Rows)
        part._whole, part._parent, part._names = self._whole, self, names
        return part

    def __len__(self) -> int:
        return len(self._whole.table) if self._parent is None else len(self._places)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The rows, in their order."""
        return self._whole.table if self._parent is None else self._whole.table.take(self._places)

    def sums_by(self, key: str, *columns: str) -> pd.DataFrame:
        """Sums of columns of numbers, for each value of `key` that these rows have, in the order of the values."""
        codes, values = self._whole.coded(key)
        codes = codes[self._places]
        known = codes >= 0
        groups = np.flatnonzero(np.bincount(codes[known], minlength=len(values)))
        groups = groups[np.argsort(self._whole.ranks(key)[groups])]
        sums = {name: np.bincount(codes[known], self.column(name)[known], len(values))[groups] for name in columns}
        return pd.DataFrame(sums, index=values[groups])

    def column(self, name: str) -> np.ndarray:
        """Of a column of numbers, those of these rows."""
        numbers = self._whole.numbers(name)
        return numbers if self._parent is None else numbers[self._places]

    @cached_property
    def _places(self) -> np.ndarray:
        """Where in the whole table they are."""
        asked = [(name, value) for name, value in self._names.items() if name in self._whole.table]
        if self._parent is None:
            return np.arange(len(self._whole.table))
        if self._parent._parent is None:  # of a whole table, places would take longer
            kept = np.ones(len(self._whole.table), bool)
            for name, value in asked:
                kept &= self._whole.same(name, value)
            return np.flatnonzero(kept)
        places = self._parent._places
        for name, value in asked:
            places = places[self._whole.same(name, value, places)]
        return places


class _Coded:
    """A table, and of each column that was asked for the different values, by number."""

    def __init__(self, table: pd.DataFrame) -> None:
        self.table = table
        self._codes: dict[str, tuple[np.ndarray, pd.Index]] = {}
        self._numbered: dict[tuple[str, Any], np.ndarray] = {}
        self._numbers: dict[str, np.ndarray] = {}
        self._ranks: dict[str, np.ndarray] = {}

    def same(self, name: str, value: Any, places: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Which of the rows at these places have this value."""
        (codes, values), found = self.coded(name), self._found(name, value)
        asked = np.zeros(len(values) + 1, bool)  # the last is of rows without a value
        asked[found] = True
        same: np.ndarray = codes[places] == found[0] if len(found) == 1 else asked[codes[places]]
        return same

    def _found(self, name: str, value: Any) -> np.ndarray:
        """The numbers of the values that are asked for."""
        if value is None:
            return _NONE
        key = (name, tuple(value) if isinstance(value, list) else value)
        if key not in self._numbered:
            values = self.coded(name)[1]
            same = values.isin(value) if isinstance(value, list) else values == value
            self._numbered[key] = np.flatnonzero(pd.Series(same).to_numpy(bool, na_value=False))
        return self._numbered[key]

    def coded(self, name: str) -> tuple[np.ndarray, pd.Index]:
        """The number of each row's value, and the values."""
        if name not in self._codes:
            self._codes[name] = _coded(self.table[name])
        return self._codes[name]

    def ranks(self, name: str) -> np.ndarray:
        """The place of each value in their order."""
        if name not in self._ranks:
            self._ranks[name] = np.argsort(self.coded(name)[1].argsort())
        return self._ranks[name]

    def numbers(self, name: str) -> np.ndarray:
        """A column as floats; NaN where it has no value."""
        if name not in self._numbers:
            self._numbers[name] = self.table[name].to_numpy(np.float64, na_value=np.nan)
        return self._numbers[name]


def _coded(column: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """The number of each row's value among the different values, and these; -1 where there is none."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return column.cat.codes.to_numpy(), column.cat.categories
    codes, values = pd.factorize(column)
    return codes.astype(np.min_scalar_type(-1 - len(values))), pd.Index(values)
