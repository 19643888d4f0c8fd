"""Sheets that are read again: a table's CSV holds its rows, and a file of JSON beside it what else the sheet says.

What shows several tables (the report, the paper) reads these, so that it needs neither measurements nor the config.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import file_sha256, read_json, write_json
from latentdyn.reporting.sheet import Sheet

_MADE_BY = "tabulate_metrics"


@dataclass(frozen=True)
class StoredSheet:
    """name: of the table. sha256: of its CSV. settings: its section of the config. plan: what its view knew besides."""

    name: str
    sha256: str
    settings: dict[str, Any]
    plan: dict[str, Any]
    sheet: Sheet


def write_stored(path: Path, sheet: Sheet, csv: Path, settings: dict[str, Any], plan: dict[str, Any]) -> None:
    """Write the JSON beside a CSV that holds the sheet's rows."""
    facts = {
        "csv": Path(csv).name,
        "csv_sha256": file_sha256(csv),
        "text": _text_columns(sheet.rows),
        "notes": list(sheet.notes),
        "decimals": sheet.decimals,
        "below": None if sheet.below is None else sheet.below.to_csv(index=False),
        "below_text": [] if sheet.below is None else _text_columns(sheet.below),
        "caption": sheet.caption,
        "columns": list(sheet.columns),
        "by": list(sheet.by),
        "heads": dict(sheet.heads),
        "settings": settings,
        "plan": plan,
    }
    write_json(path, facts)


def read_stored(path: Path) -> StoredSheet:
    """What `write_stored` wrote, with the rows of its CSV.

    Raises:
        UserError: a file is missing, cannot be read, or is not as it was written.
    """
    facts = read_json(path, made_by=_MADE_BY)
    csv = Path(path).with_name(facts["csv"])
    if not csv.is_file() or file_sha256(csv) != facts["csv_sha256"]:
        raise UserError(
            f"this table is not as it was written together with {Path(path).name}",
            csv,
            f"delete it and run the same command again: rule {_MADE_BY} makes it",
        )
    below = None if facts["below"] is None else _rows(facts["below"], facts["below_text"])
    sheet = Sheet(
        _rows(csv.read_text(encoding="utf-8"), facts["text"]),
        facts["notes"],
        facts["decimals"],
        below,
        facts["caption"],
        facts["columns"],
        facts["by"],
        facts["heads"],
    )
    return StoredSheet(csv.stem, facts["csv_sha256"], facts["settings"], facts["plan"], sheet)


def _rows(text: str, of_text: list[str]) -> pd.DataFrame:
    """The rows of a CSV; a name that looks like a number stays a name, and an empty cell is no text."""
    return pd.read_csv(io.StringIO(text), dtype=dict.fromkeys(of_text, object), keep_default_na=False, na_values=[""])


def _text_columns(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows if rows[name].map(lambda value: isinstance(value, str)).any()]
