"""LaTeX of a table: booktabs, a caption, a label, units under the names, notes below; it fits the page.

Font and orientation follow from the width of its characters, roughly. What is
too wide even for a page on its side stands in parts, one below the other.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from latentdyn.metrics import metric
from latentdyn.reporting.text import Block, Column, in_parts

_NEEDS = "% Needs \\usepackage{booktabs,longtable,pdflscape}."
_PORTRAIT_PT, _LANDSCAPE_PT = 345, 525  # of the class article, which is narrow; widths are a few percent off
_TEXT_PT = 250  # of a column of texts, above which they are broken into lines
_FONTS = {"small": 9.3, "footnotesize": 8.5, "scriptsize": 8.0}  # points an em; small fonts are cut wider
_NARROW = frozenset(".,:;[]()|il! ")
_BOLD = 1.15  # how much wider a heading is
_GAP_PT = 2  # at each side of a column
_LINES_PT = {"small": 11, "footnotesize": 9.5, "scriptsize": 8}  # from line to line
_WHOLE = 4  # rows of a block up to which it is not broken over pages
_HIGH_PT = 300  # of a part up to which it is not broken: what a page on its side has room for
# breaks the page where less than this height is left of it
_ROOM = (
    r"\par{\dimen0=%s\vskip0pt plus\dimen0\penalty-100\vskip0pt plus-\dimen0\vskip\dimen0\penalty9999\vskip-\dimen0}"
)
_COMMANDS = {"\\": "\\textbackslash ", "~": "\\textasciitilde ", "^": "\\textasciicircum "}
_SMALL = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega"
)
_CAPITALS = "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega"  # others are Latin letters
_GREEK = dict(zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΥΦΨΩ", f"{_SMALL} {_CAPITALS}".split(), strict=True))
_MATH = {
    "|": "|", "<": "<", ">": ">",  # which the font of texts does not have
    **{letter: f"\\{name}" for letter, name in _GREEK.items()},
    "½": r"\frac{1}{2}", "²": "^2", "³": "^3", "ᵀ": "^T", "‖": r"\|", "×": r"\times", "≥": r"\geq", "≤": r"\leq",
    "→": r"\to", "←": r"\leftarrow", "√": r"\surd", "∞": r"\infty", "±": r"\pm", "·": r"\cdot", "∈": r"\in",
    "°": r"^\circ", "−": "-",
}  # fmt: skip


def latex_table(blocks: Sequence[Block], notes: Sequence[str], *, caption: str, label: str) -> str:
    """The whole text of a .tex file, to be read by \\input.

    Args:
        blocks: with the same columns each.
    """
    smallest = min(_FONTS.values())
    first, *others = in_parts(blocks, lambda column: _column_pt(column, smallest), _LANDSCAPE_PT)
    parts = [first, *filter(None, ([block for block in part if block.columns[0].cells] for part in others))]
    font, landscape = _fit(parts)
    begin, end = (["\\begin{landscape}"], ["\\end{landscape}"]) if landscape else ([], [])
    tables = [_table(part, caption, label, "" if part is first else _room(part, font)) for part in parts]
    size = [f"\\{font}\\sloppy", f"\\setlength{{\\tabcolsep}}{{{_GAP_PT}pt}}"]
    lines = [_NEEDS, "\\begingroup", *begin, *size, *tables, *_notes(notes), *end, "\\endgroup"]
    return _in_math("\n".join(lines)) + "\n"


def _joined(blocks: Sequence[Block]) -> list[Column]:
    """The columns of several blocks, one below the other."""
    return [
        Column(first.name, [cell for block in blocks for cell in block.columns[i].cells], first.number)
        for i, first in enumerate(blocks[0].columns)
    ]


def _fit(parts: Sequence[Sequence[Block]]) -> tuple[str, bool]:
    """Font, and whether the page is on its side."""
    for landscape, width in ((False, _PORTRAIT_PT), (True, _LANDSCAPE_PT)):
        for font, em in _FONTS.items():
            if max(_table_pt(blocks, em) for blocks in parts) <= width:
                return font, landscape
    return font, True


def _table_pt(blocks: Sequence[Block], em: float) -> float:
    """Width of a table in a font of so many points an em."""
    headings = (_BOLD * _width(line) * em for block in blocks for line in _heading(block))
    return max(sum(_column_pt(column, em) for column in _joined(blocks)), *headings, 0.0)


def _column_pt(column: Column, em: float) -> float:
    width = max(map(_width, (column.name, _unit(column.name), *column.cells))) * em
    return (width if column.number else min(width, _TEXT_PT)) + 2 * _GAP_PT


def _room(blocks: Sequence[Block], font: str) -> str:
    """What makes a part begin on a new page where it would be broken, or where it is long, have a third of a page."""
    lines = 5 + sum(len(block.columns[0].cells) + 0.5 + len(_heading(block)) for block in blocks)
    height = lines * _LINES_PT[font]
    return _ROOM % (f"{height:.0f}pt" if height <= _HIGH_PT else ".33\\vsize")


def _table(blocks: Sequence[Block], caption: str, label: str, before: str) -> str:
    """One part of the table; the first has caption and label, and the others its number. before: nothing of the
    first."""
    columns, headings = _joined(blocks), [_heading(block) for block in blocks]
    text = _with_headings(_styled(columns, caption, label), blocks, headings, len(columns))
    if not before:
        return text
    lines = text.split("\n")
    captions = [i for i, line in enumerate(lines) if line.startswith("\\caption")]
    told = f"\\multicolumn{{{len(columns)}}}{{l}}{{\\makebox[0pt][l]{{Table~\\ref{{{label}}}, further columns}}}} \\\\"
    for i in captions:
        lines[i] = told
    return "\n".join([before, "\\addtocounter{table}{-1}", *lines])


@lru_cache(maxsize=100_000)  # a cell is measured in every font
def _width(text: str) -> float:
    """About how wide a text is, in em."""
    return sum(0.3 if c in _NARROW else 0.78 if c in "-mwMW%" else 0.5 for c in text)


def _styled(columns: Sequence[Column], caption: str, label: str) -> str:
    """The table as pandas' Styler would write it, which takes ten times as long."""
    head = [_row([escaped(c.name) for c in columns]), _row([escaped(_unit(c.name)) for c in columns])]
    rows = zip(*([escaped(cell) for cell in _minus(column)] for column in columns), strict=True)
    told = escaped(caption)
    lines = [
        f"\\begin{{longtable}}{{{''.join(map(_aligned, columns))}}}",
        f"\\caption{{{told}}} \\label{{{label}}} \\\\", "\\toprule", *head, "\\midrule", "\\endfirsthead",
        f"\\caption[]{{{told}}} \\\\", "\\toprule", *head, "\\midrule", "\\endhead",
        "\\midrule", f"\\multicolumn{{{len(columns)}}}{{r}}{{Continued on next page}} \\\\", "\\midrule", "\\endfoot",
        "\\bottomrule", "\\endlastfoot", *map(_row, rows), "\\end{longtable}",
    ]  # fmt: skip
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + " \\\\"


def _aligned(column: Column) -> str:
    """How a column stands: what would be too wide in the smallest font is broken into lines."""
    if _column_pt(column, min(_FONTS.values())) < _TEXT_PT or column.number:
        return "r" if column.number else "l"
    return f"p{{{_TEXT_PT}pt}}"


def _with_headings(table: str, blocks: Sequence[Block], headings: Sequence[Sequence[str]], n_columns: int) -> str:
    """The table with a heading above the rows of each block, and its rows safe from what a line break reads on."""
    lines = table.rstrip("\n").split("\n")
    first = lines.index("\\endlastfoot") + 1
    out = lines[:first]
    for block, heading in zip(blocks, headings, strict=True):
        n = len(block.columns[0].cells)
        for i, line in enumerate(heading):  # in a box of no width, so that it widens no column
            text = f"\\textbf{{{escaped(line)}}}" if i == 0 else escaped(line)
            out += ["\\addlinespace"] if i == 0 else []
            out.append(f"\\multicolumn{{{n_columns}}}{{l}}{{\\makebox[0pt][l]{{{text}}}}} \\\\*")
        # after a line break a [ or a * would be taken for its argument
        rows = [f"{{}}{line}" if line.lstrip()[:1] in ("[", "*") else line for line in lines[first : first + n]]
        out += [f"{row}*" if _is_kept(i, n) else row for i, row in enumerate(rows)]
        first += n
    return "\n".join([*out, *lines[first:]])


def _is_kept(row: int, n: int) -> bool:
    """Whether this row of a block of n stands on one page with the next: no page begins or ends with a single row."""
    return row < n - 1 and (n <= _WHOLE or row in (0, n - 2))


def _heading(block: Block) -> list[str]:
    """The lines above a block: what it is of, and what holds for all of it."""
    facts = ", ".join(f"{name} {value}" for name, value in block.facts.items())
    return [line for line in (", ".join(block.names), re.sub(r"(?<!\w)-(?=\d)", "−", facts)) if line]


def _notes(notes: Sequence[str]) -> list[str]:
    """The notes as paragraphs; what Markdown shows as code or bold is that here too."""
    lines = []
    for note in filter(None, notes):
        text = re.sub(r"`([^`]*)`", r"\\texttt{\1}", escaped(note))
        text = re.sub(r"\*\*([^*]*)\*\*", r"\\textbf{\1}", text)
        lines.append(f"\\par\\smallskip\\noindent {text}\\par")
    return ["\\raggedright", *lines] if lines else []


def escaped(text: str) -> str:
    """The text as LaTeX takes it. After a command that ends in a letter, LaTeX reads over a blank."""
    return re.sub(r"([\\\\~^])( ?)|([&%$#_{}])", _escape, text)


def _escape(found: re.Match[str]) -> str:
    command, blank, character = found.groups()
    return f"\\{character}" if character else _COMMANDS[command] + ("\\space " if blank else "")


def latex_text(text: str) -> str:
    """The text as LaTeX takes it, with characters that plain LaTeX lacks."""
    return _in_math(escaped(text))


def _minus(column: Column) -> list[str]:
    return [cell.replace("-", "−") if column.number else cell for cell in column.cells]


def _unit(column: str) -> str:
    """The unit of a column, if it is of a metric that has one."""
    if column == "k":
        return "frames"
    for name in (column, column.removeprefix("published_"), column.removeprefix("d_"), column.rpartition("_")[0]):
        try:
            unit = metric(name).unit
        except KeyError:
            continue
        return "" if unit == "1" else unit
    return ""


def _in_math(text: str) -> str:
    """Characters that plain LaTeX lacks, as mathematics."""
    text = text.replace("x\u0302", "$\\hat{x}$")
    for character, command in _MATH.items():
        text = text.replace(character, f"${command}$")
    return text
