"""A table for readers, in three forms: its rows, how each column is written, and what a reader must know.

The CSV holds every column of every row with all digits. Markdown and LaTeX are for people: they show the columns that
are chosen, rounded, in blocks. A value and its interval stand in one cell, and what is the same in a whole block stands
above it. What is wider than a screen or a page stands in parts, one below the other.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.files import write_text
from latentdyn.reporting.latex import ARTICLE, Room, latex_table
from latentdyn.reporting.markdown import pipe_tables, wrapped
from latentdyn.reporting.text import Block, Column


@dataclass(frozen=True)
class Sheet:
    """rows: the table, all digits. notes: sentences under it. decimals: by column, for the forms that people read.
    below: a second table, in the Markdown only. caption: one sentence, for the LaTeX.

    columns: those of the forms for people, in order; all of them where it is empty. Where a column is followed by its
    `ci_low` and `ci_high`, or `{column}_ci_low` and `{column}_ci_high`, the three are one.
    by: columns whose values head a block of rows; a block without any of them is of the whole table. heads: of columns,
    what stands before their value above the block, where a block has one value of them; elsewhere they stay columns.
    """

    rows: pd.DataFrame
    notes: Sequence[str]
    decimals: dict[str, int] = field(default_factory=dict)
    below: pd.DataFrame | None = None
    caption: str = ""
    columns: Sequence[str] = ()
    by: Sequence[str] = ()
    heads: Mapping[str, str] = field(default_factory=dict)


def write_sheet(sheet: Sheet, csv: Path, markdown: Path, latex: Path, room: Room = ARTICLE) -> None:
    """Write one table as CSV (all columns, all digits), Markdown and LaTeX (to read; notes below).

    Args:
        room: of a page of the document that the LaTeX is for.
    """
    blocks = list(_blocks(sheet))
    lines = [*pipe_tables(blocks), *wrapped(sheet.notes)]
    if sheet.below is not None:
        lines += ["", *pipe_tables([Block(columns_of(sheet.below, list(sheet.below), sheet.decimals))])[:-1]]
    write_text(csv, sheet.rows.to_csv(index=False))
    write_text(markdown, "\n".join(lines) + "\n")
    name = Path(latex).stem
    caption = sheet.caption or f"{name.replace('_', ' ')}."
    write_text(latex, latex_table(blocks, sheet.notes, caption=caption, label=f"tab:{name}", room=room))


def _blocks(sheet: Sheet) -> Iterator[Block]:
    """The table in blocks; one, without a heading, where it has none."""
    shown = list(sheet.columns or sheet.rows.columns)
    by = [name for name in sheet.by if name in shown]
    every = [rows for _, rows in sheet.rows.groupby(by, sort=False, dropna=False)] if by else [sheet.rows]
    above = [name for name in sheet.heads if by and name in shown and all(rows[name].nunique() <= 1 for rows in every)]
    bounds = {bound for name in above for bound in _bounds(name, shown)}
    below = [name for name in shown if name not in {*by, *above, *bounds}]
    for rows in every:
        facts = {}
        for column in columns_of(rows, [name for name in shown if name in {*above, *bounds}], sheet.decimals):
            if values := [cell for cell in column.cells if cell]:
                facts[sheet.heads[column.name]] = values[0]
        names = [str(value) for value in rows[by].iloc[0] if not pd.isna(value)] or ["the whole table"] * bool(by)
        yield Block(columns_of(rows, below, sheet.decimals), names, facts)


def columns_of(rows: pd.DataFrame, shown: Sequence[str], decimals: Mapping[str, int]) -> list[Column]:
    """The cells of the columns that are shown, a value with its interval in one."""
    columns, taken = [], set()
    for name in shown:
        if name in taken:
            continue
        taken |= {name, *(bounds := _bounds(name, shown))}
        digits = decimals.get(name)
        cells = [cell(value, digits) for value in rows[name]]
        if bounds:
            low, high = ([cell(value, digits) for value in rows[bound]] for bound in bounds)
            cells = [f"{c} [{a}, {b}]" if a and b else c for c, a, b in zip(cells, low, high, strict=True)]
        number = pd.api.types.is_numeric_dtype(rows[name]) or name in decimals or not any(cells)
        columns.append(Column(str(name), cells, number))
    return columns


def _bounds(name: str, shown: Sequence[str]) -> tuple[str, ...]:
    """The columns with the interval of a column, where both follow it or both bear its name."""
    of_name = (f"{name}_ci_low", f"{name}_ci_high")
    if set(of_name) <= set(shown):
        return of_name
    after = tuple(shown[shown.index(name) + 1 :][:2])
    return after if after == ("ci_low", "ci_high") else ()


def cell(value: Any, decimals: int | None) -> str:
    """A value as people read it: so many decimals, `overflow`, or nothing where there is none."""
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return "overflow"
    if decimals is None or isinstance(value, str):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = f"{value:z.{decimals}f}"  # z: no -0.00
    return text if len(text) <= 10 else f"{value:.2e}"
