"""A table for readers, in three forms: its rows, how each column is written, and what a reader must know."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.files import write_text


@dataclass(frozen=True)
class Sheet:
    """rows: the table, all digits. notes: sentences under it. decimals: by column, for the forms that people read.
    below: a second table, in the Markdown only."""

    rows: pd.DataFrame
    notes: Sequence[str]
    decimals: dict[str, int] = field(default_factory=dict)
    below: pd.DataFrame | None = None


def write_sheet(sheet: Sheet, csv: Path, markdown: Path, latex: Path) -> None:
    """Write one table as CSV (all digits), Markdown and LaTeX (to read; notes below)."""
    table = sheet.rows
    text = _text(table, sheet.decimals)
    lines = [*_markdown_rows(text), "", *sheet.notes]
    if sheet.below is not None:
        lines += ["", *_markdown_rows(_text(sheet.below, sheet.decimals))]
    write_text(csv, table.to_csv(index=False))
    write_text(markdown, "\n".join(lines) + "\n")
    body = [" & ".join(_latex(cell) for cell in row) + r" \\" for row in text.itertuples(index=False)]
    numeric = [pd.api.types.is_numeric_dtype(table[name]) or name in sheet.decimals for name in table.columns]
    write_text(
        latex,
        "\n".join(
            [
                *(f"% {note}" for note in sheet.notes if note),
                rf"\begin{{tabular}}{{{''.join('r' if n else 'l' for n in numeric)}}}",
                r"\hline",
                " & ".join(_latex(str(name)) for name in table.columns) + r" \\",
                r"\hline",
                *body,
                r"\hline",
                r"\end{tabular}",
            ]
        )
        + "\n",
    )


def _text(table: pd.DataFrame, decimals: dict[str, int]) -> pd.DataFrame:
    return pd.DataFrame({name: [_cell(value, decimals.get(str(name))) for value in table[name]] for name in table})


def _markdown_rows(text: pd.DataFrame) -> list[str]:
    """A pipe table whose columns line up when printed."""
    columns = [[str(name), *text[name]] for name in text.columns]
    widths = [max(len(cell) for cell in column) for column in columns]
    number = [all(_looks_numeric(cell) for cell in column[1:]) for column in columns]

    def line(cells: Sequence[str]) -> str:
        padded = [c.rjust(w) if n else c.ljust(w) for c, w, n in zip(cells, widths, number, strict=True)]
        return "| " + " | ".join(padded) + " |"

    rule = (
        "|" + "|".join("-" * (w + 1) + ":" if n else "-" * (w + 2) for w, n in zip(widths, number, strict=True)) + "|"
    )
    rows = [line(cells) for cells in zip(*columns, strict=True)]
    return [rows[0], rule, *rows[1:]]


def _looks_numeric(cell: str) -> bool:
    return not cell.strip() or cell == "overflow" or cell.replace("-", "").replace(".", "").replace("e+", "").isdigit()


def _cell(value: Any, decimals: int | None) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and math.isinf(value):
        return "overflow"
    if decimals is None or isinstance(value, str):
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    text = f"{value:z.{decimals}f}"  # z: no -0.00
    return text if len(text) <= 10 else f"{value:.2e}"


def _latex(cell: str) -> str:
    for character in "\\_%&#":
        cell = cell.replace(character, "\\" + character if character != "\\" else r"\textbackslash{}")
    return cell
