"""Each value beside the published one: it agrees, it differs, or it does not compare, and why.

What compares is decided by the allowlist of `published`: a value is printed beside a row of this very thing alone. Here
follows the verdict, and for all other values of metrics that were published the reason why they have none.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from latentdyn.reporting.published import DOUBTS, ENTRIES, Published
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.stored import StoredSheet

# Raw Mimi's ΔNLL at k = 1 was published from three runs, which differ by up to 4.6 % (-185.44, -184.4, -176.9).
TOLERANCE = 0.05
AGREES, DIFFERS, APART = "agrees", "differs", "not comparable: "
_OWN = {"published_r2": "r2_mean", "published_ratio": "variance_ratio", "published_random": "variance_ratio_permuted"}
_PLACES = {"horizon": "k", "mode": "mode", "step": "step"}  # of a published value, and the columns of a row


def with_verdicts(stored: StoredSheet, is_librispeech: bool) -> Sheet:
    """The sheet of a table with a column `{column}_beside_published` after each column whose metric was published.

    Args:
        is_librispeech: whether the corpus is of the speech that published values are of.
    """
    sheet, rows = stored.sheet, stored.sheet.rows.copy()
    told: dict[str, list[str]] = {}
    for column, printed in _compared_columns(sheet.rows):
        verdicts = [_verdict(stored, row, column, printed, is_librispeech) for row in sheet.rows.to_dict("records")]
        if any(verdicts):
            told[column] = verdicts
            rows.insert(list(rows).index(printed or column) + 1, f"{column}_beside_published", verdicts)
    decided = [c for c, verdicts in told.items() if {AGREES, DIFFERS} & set(verdicts)]
    columns = [name for shown in sheet.columns or sheet.rows for name in _followed(str(shown), decided)]
    return replace(sheet, rows=rows, notes=[*sheet.notes, *_notes(told)], columns=columns)


def _compared_columns(rows: pd.DataFrame) -> Iterator[tuple[str, str | None]]:
    """The columns of metrics that were published, each with the column that prints the published value, if any."""
    printed = {_OWN.get(name, name.removeprefix("published_")): name for name in rows if name.startswith("published_")}
    metrics = {entry.metric for entry in ENTRIES}
    for column in map(str, rows):
        if column in printed or column in metrics:
            yield column, printed.get(column)


def _followed(shown: str, decided: list[str]) -> list[str]:
    """A column of the forms for people, and the verdict after it where rows are decided by it."""
    column = _OWN.get(shown, shown.removeprefix("published_"))
    return [shown, f"{column}_beside_published"] if shown.startswith("published_") and column in decided else [shown]


def _verdict(
    stored: StoredSheet, row: Mapping[str, Any], column: str, printed: str | None, is_librispeech: bool
) -> str:
    """The verdict on one value; "" where there is none, or where nothing like it was published."""
    value = row[column]
    if pd.isna(value) or row.get("origin") == "published":
        return ""
    known = row.get(printed) if printed else None
    if known is None or pd.isna(known):
        reason = _reason(stored, row, column)
        return f"{APART}{reason}" if reason else ""
    by = _kind(stored, row)
    if doubt := DOUBTS.get((column, by)):
        return f"{APART}{doubt}"
    if not is_librispeech:
        return f"{APART}corpus (published of LibriSpeech)"
    return AGREES if _near(row, column, float(known)) else DIFFERS


def _near(row: Mapping[str, Any], column: str, known: float) -> bool:
    """Whether a published value lies within the row's interval, widened by what runs of one thing differ by."""
    value = float(row[column])
    bounds = [row.get(f"{column}_ci_{end}") for end in ("low", "high")]
    low, high = (value if bound is None or pd.isna(bound) else float(bound) for bound in bounds)
    if math.isinf(value) or math.isinf(known):
        return value == known
    return bool(low - TOLERANCE * abs(known) <= known <= high + TOLERANCE * abs(known))


def _reason(stored: StoredSheet, row: Mapping[str, Any], metric: str) -> str:
    """In what a row differs from the most similar of the published values of its metric and place; "" if none is."""
    alike = [entry for entry in ENTRIES if entry.metric == metric and _at(entry, row)]
    differences = sorted((_differences(entry, stored, row) for entry in alike), key=len)
    return ", ".join(differences[0]) if differences else ""


def _at(entry: Published, row: Mapping[str, Any]) -> bool:
    """Whether an entry is of the row's horizon, mode and step."""
    for name, column in _PLACES.items():
        wanted, given = getattr(entry, name), row.get(column)
        if (None if given is None or pd.isna(given) else given) != wanted:
            return False
    return True


def _differences(entry: Published, stored: StoredSheet, row: Mapping[str, Any]) -> list[str]:
    lineage = stored.plan["kinds"]["representations"].get(row.get("representation"), "")
    root, _, derived = lineage.partition(">")
    of = entry.of.lineages[0]
    their_root, _, their_derived = of.partition(">")
    facts = [
        ("codec", root, their_root),
        ("representation", derived or "as encoded", their_derived or "as encoded"),
        ("dimension", row.get("dim"), entry.of.dim),
        ("frame rate", row.get("frame_rate_hz"), entry.of.frame_rate_hz),
        ("predictor", _kind(stored, row), entry.by),
        ("split", row.get("split"), entry.split),
        ("training", row.get("regime"), entry.regime),
    ]
    return [f"{name} {_brief(ours)} (published: {_brief(theirs)})" for name, ours, theirs in facts
            if ours not in ("", None) and theirs is not None and not pd.isna(ours) and ours != theirs]  # fmt: skip


def _kind(stored: StoredSheet, row: Mapping[str, Any]) -> str:
    """The kind of what measured a row; "" where that is not told."""
    kinds = stored.plan["kinds"]
    by = row.get("predictor", row.get("by"))
    return str({**kinds["predictors"], **kinds.get("keys", {})}.get(by, ""))


def _brief(value: Any) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _notes(told: Mapping[str, list[str]]) -> list[str]:
    """What the verdicts mean, and the reasons why values have none, with the columns that have them."""
    every = [verdict for verdicts in told.values() for verdict in verdicts if verdict]
    notes = []
    if {AGREES, DIFFERS} & set(every):
        notes.append(
            "`.._beside_published`: a value agrees if the published one lies within its 95 % interval, widened by "
            f"{100 * TOLERANCE:g} % of the published value, which is about how far published runs of one thing lie "
            "apart. Speech, splits and training runs are others."
        )
    reasons = [verdict.removeprefix(APART) for verdict in every if verdict.startswith(APART)]
    if reasons:
        n = len(reasons)
        often = pd.Series(reasons).value_counts().index[:3]
        notes.append(
            f"**Not comparable with published values:** {n} of {len(every)} values. Most often: {'; '.join(often)}. "
            "The CSV says the reason for each."
        )
    return notes
