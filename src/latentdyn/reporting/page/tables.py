"""A sheet as a table of the page: every column with its unit and meaning, the main ones shown at first."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup, escape

from latentdyn.metrics import METRICS, PARTS, metric
from latentdyn.reporting.questions import PLACES
from latentdyn.reporting.sheet import Sheet, columns_of
from latentdyn.reporting.stored import StoredSheet

_AT_FIRST = 10  # columns that a table shows before a reader asks for all of them
_MOST_CELLS = 30_000  # of one table: about 3 MB of the page
_BETTER = {"lower": "Lower is better.", "higher": "Higher is better.", "neither": ""}
_OTHERS = {  # columns that are no metric
    "n": ("", "How many frames, or utterances, were scored."),
    "k": ("frames", "Staleness: how many frames before the target the context ends."),
    "seeds": ("seeds", "Training runs that the row averages."),
    "sigma": ("deviations", "Noise, in deviations of each dimension of the training frames."),
    "step": ("steps", "Steps since the start of a forecast."),
    "lineage": ("", "Kinds of representations from the encoder to the row's own."),
    "kind": ("", "Of the row's representation: the last of its lineage."),
    "role": ("", "`reference`: all rows are judged in its frames. `control`: nothing trains it. `judged`: all others."),
    "way_back": ("", "How frames get back to the reference's: by the inverse of each link, exact or approximate, or by "
                 "the best straight line."),
    "ms_per_step": ("ms", "How long a frame is."),
}  # fmt: skip
_ENDS = (  # of columns that set a metric beside another place, or are of another place
    (re.compile(r"_over_true$"), "Here less that of the representation's own true frames, decoded."),
    (re.compile(r"_over_wrong_direction$"), "Here less that of steps in random directions."),
    (re.compile(r"_over_equal_error$"), "Here less that of true steps with an error as long in every frame."),
    (re.compile(r"_over_marginal$"), "Here less that of a Gaussian of training frames that knows nothing of the past."),
    (re.compile(r"_over_(\w+)$"), "Here how much more the row has than the control of kind {} and equal dimension."),
    (re.compile(r"_to_reference$"), "Here the row's less the reference's."),
    (re.compile(r"_window$"), "Here of a window of the reference's frames, in place of one frame of the row."),
    (
        re.compile(r"_cca$"),
        "Here of the best straight combinations of such a window, as many as the row has dimensions.",
    ),
)
_WARNS = ("**Caution:**", "**Not comparable:**", "**This table is a test.**")
_PUBLISHED = "published_"


@dataclass(frozen=True)
class Cell:
    """text: as people read it. sort: what it is sorted by, a number where it is one."""

    text: str
    sort: str


@dataclass(frozen=True)
class PageColumn:
    """name; unit ("" of ratios and names); meaning: one sentence, or ""; number: it stands at the right; main: it is
    shown at first; cells."""

    name: str
    unit: str
    meaning: str
    number: bool
    main: bool
    cells: Sequence[Cell]

    @property
    def hint(self) -> str:
        """What stands at the pointer."""
        return ". ".join(filter(None, [self.unit, self.meaning]))


@dataclass(frozen=True)
class PageTable:
    """name: as an anchor. columns: of the same length. notes: HTML; cautions: HTML too, told before the numbers. cut:
    how much of the table its CSV alone holds, in a sentence; "" if all is here."""

    name: str
    kind: str
    caption: str
    columns: Sequence[PageColumn]
    notes: Sequence[Markup]
    cautions: Sequence[Markup]
    cut: str
    below: "Sequence[PageColumn]" = ()

    @property
    def n_rows(self) -> int:
        return len(self.columns[0].cells) if self.columns else 0

    @property
    def rows(self) -> list[list[tuple[PageColumn, Cell]]]:
        return _by_row(self.columns)

    @property
    def rows_below(self) -> list[list[tuple[PageColumn, Cell]]]:
        return _by_row(self.below)


def page_table(stored: StoredSheet) -> PageTable:
    """What the page shows of a table."""
    sheet = stored.sheet
    warns = [note for note in sheet.notes if note.startswith(_WARNS)]
    rest = [note for note in sheet.notes if note and note not in warns]
    columns, cut = _fitting(sheet)
    return PageTable(
        stored.name,
        str(stored.settings.get("kind", "")),
        sheet.caption or stored.name,
        columns,
        [as_html(note) for note in rest],
        [as_html(note) for note in warns],
        cut,
        () if sheet.below is None else _columns(sheet, sheet.below, list(sheet.below)),
    )


def as_html(note: str) -> Markup:
    """A note with its marks for code and bold; all else is text."""
    text = str(escape(note))
    text = re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
    return Markup(re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", text))


def _by_row(columns: Sequence[PageColumn]) -> list[list[tuple[PageColumn, Cell]]]:
    cells = zip(*(column.cells for column in columns), strict=True)
    return [list(zip(columns, row, strict=True)) for row in cells]


def _fitting(sheet: Sheet) -> tuple[list[PageColumn], str]:
    """The columns of as many cells as a page has room for, and what is left out, in a sentence."""
    main = _main(sheet)
    rows = sheet.rows.head(_MOST_CELLS // len(main))
    columns = _columns(sheet, rows, main)
    kept = columns[: max(len(main), _MOST_CELLS // max(1, len(rows)))]
    lacking = ((len(sheet.rows) - len(rows), "row"), (len(columns) - len(kept), "column"))
    told = " and ".join(f"{n} more {word}{'s' * (n > 1)}" for n, word in lacking if n)
    return kept, f"The CSV holds {told}." if told else ""


def _main(sheet: Sheet) -> list[str]:
    """The columns that are shown at first: what rows are of, then the first of those that the sheet is for."""
    shown = list(dict.fromkeys([*sheet.by, *(sheet.columns or sheet.rows.columns)]))
    shown = [name for name in shown if not name.endswith(("ci_low", "ci_high"))]
    names = [
        name for name in shown if name in PLACES and (name == shown[0] or sheet.rows[name].nunique(dropna=False) > 1)
    ]
    names.sort(key=PLACES.index)
    values = [name for name in shown if name not in PLACES and sheet.rows[name].notna().any()]
    return [*names, *values[: max(4, _AT_FIRST - len(names))]]


def _columns(sheet: Sheet, rows: pd.DataFrame, main: Sequence[str]) -> list[PageColumn]:
    """The main columns in their order, then all others."""
    order = [*main, *(str(name) for name in rows if name not in main)]
    order = [end for name in order for end in _with_bounds(name, rows) if end in rows]
    found = []
    for column in columns_of(rows, list(dict.fromkeys(order)), sheet.decimals):
        unit, meaning = _facts(column.name)
        values = rows[column.name]
        cells = [Cell(text, _sort_key(value)) for text, value in zip(column.cells, values, strict=True)]
        found.append(PageColumn(column.name, unit, meaning, column.number, column.name in main, cells))
    return found


def _with_bounds(name: str, rows: pd.DataFrame) -> tuple[str, ...]:
    """A column followed by its bounds, as `columns_of` joins them."""
    own = (f"{name}_ci_low", f"{name}_ci_high")
    after = ("ci_low", "ci_high") if name in ("measured", "difference") else ()
    return (name, *own) if own[0] in rows else (name, *(after if "ci_low" in rows else ()))


def _sort_key(value: object) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _facts(name: str) -> tuple[str, str]:
    """Unit and meaning of a column."""
    if name in _OTHERS:
        return _OTHERS[name]
    name, place = _place(name)
    published = name.startswith(_PUBLISHED)
    for candidate in (name, name.removeprefix(_PUBLISHED), name.removeprefix("d_"), name.rpartition("_")[0]):
        try:
            found = metric(candidate)
        except KeyError:
            continue
        part = "" if candidate in METRICS else next((PARTS[p] for p in PARTS if candidate.endswith(f"_{p}")), "")
        said = [
            "Published." if published else "",
            found.sentence,
            f"Here {part}." if part else "",
            place,
            _BETTER[found.better],
        ]
        return "" if found.unit == "1" else found.unit, " ".join(filter(None, said))
    return "", ""


def _place(name: str) -> tuple[str, str]:
    """The column without what `_ENDS` knows and a horizon after it, and what that says; else the name as it is."""
    stem = re.sub(r"_\d+$", "", name)
    for end, says in () if name in METRICS else _ENDS:
        found = end.search(stem)
        if found and {stem[: found.start()], stem[: found.start()].rpartition("_")[0]} & METRICS.keys():
            return stem[: found.start()], says.format(*(f"`{kind}`" for kind in found.groups()))
    return name, ""
