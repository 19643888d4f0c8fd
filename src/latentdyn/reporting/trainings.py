"""Rows of several trainings of one model, which differ in their seed alone, as one row."""

import math
import re
from dataclasses import replace
from typing import Any

import pandas as pd

from latentdyn.reporting.questions import FACTS, PLACES
from latentdyn.reporting.sheet import Sheet

_TRAINING = re.compile(r"_seed\d+$")  # ends the name of a representation: another training of the one named before


def over_seeds(sheet: Sheet) -> Sheet:
    """The sheet with one row for all trainings of a model: the means of their numbers. A representation whose name ends
    in `_seed1` and the like is another training of the one named before it."""
    rows = sheet.rows
    names = rows.get("representation", pd.Series(dtype=object)).astype(str)
    first = names.str.replace(_TRAINING, "", regex=True)
    first = first.where(first.isin(set(names)), names)
    if "seed" not in rows and (first == names).all():
        return sheet
    rows = rows.assign(representation=first)
    told = [name for name in (*PLACES, *FACTS) if name in rows and name != "seed"]
    merged = [_merged(mine) for _, mine in rows.groupby(told, sort=False, dropna=False)]
    return replace(sheet, rows=pd.DataFrame(merged))


def _merged(rows: pd.DataFrame) -> dict[str, Any]:
    """Rows of several trainings as one: numbers as their mean, what is not the same in all is left out."""
    if len(rows) == 1:
        return {"seeds": 1, **rows.iloc[0].drop(labels="seed", errors="ignore").to_dict()}
    found: dict[str, Any] = {"seeds": len(rows)}
    for name in rows.columns.drop("seed", errors="ignore"):
        values = rows[name]
        if pd.api.types.is_numeric_dtype(values) and name not in PLACES:
            found[name] = values.to_numpy(float, na_value=math.nan).mean()  # without one of them, there is none
        else:
            found[name] = values.iloc[0] if values.nunique(dropna=False) == 1 else None
    return found
