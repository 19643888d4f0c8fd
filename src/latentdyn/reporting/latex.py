"""LaTeX of a table: booktabs, a caption, a label, units under the names, notes below; it fits the page.

Font and orientation follow from the width of its characters, roughly. What is
too wide stands in parts, one below the other. Names of columns are broken after
an underscore where their numbers are narrower.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from latentdyn.metrics import metric
from latentdyn.reporting.text import Block, Column, in_parts

_NEEDS = "% Needs \\usepackage{booktabs,longtable,pdflscape}."
_TEXT_PT = 250  # of a column of texts, above which they are broken into lines
_FONTS = {"small": 9.3, "footnotesize": 8.5, "scriptsize": 8.0}  # points an em; small fonts are cut wider
_NARROW = frozenset(".,:;[]()|il! ")
_BOLD = 1.15  # how much wider a heading is
_GAP_PT = 2  # at each side of a column
_LINES_PT = {"small": 11, "footnotesize": 9.5, "scriptsize": 8}  # from line to line
_WHOLE = 4  # rows of a block up to which it is not broken over pages
_LAST = 4  # rows of a table that stand on one page with the last
_HIGH = 0.45  # of a page: a part up to this high is not broken
_ROOM = (
    r"\par\penalty-100{\dimen0=%s\dimen1=\pagegoal\advance\dimen1-\pagetotal"
    r"\ifdim\dimen0>\dimen1\vfil\break\fi}"
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


@dataclass(frozen=True)
class Room:
    """What a page has for a table, in points, where it stands upright; on its side, the two are exchanged."""

    width: float
    height: float


ARTICLE = Room(325, 525)  # of the class article, which is narrow, less what widths may be off


def latex_table(
    blocks: Sequence[Block], notes: Sequence[str], *, caption: str, label: str, room: Room = ARTICLE
) -> str:
    """The whole text of a .tex file, to be read by \\input.

    Args:
        blocks: with the same columns each. room: of a page.
    """
    parts, landscape = _laid_out(_printed(blocks), room)
    first = parts[0]
    font = _font(parts, room.height if landscape else room.width)
    high = _HIGH * (room.width if landscape else room.height)
    begin, end = (["\\begin{landscape}"], ["\\end{landscape}"]) if landscape else ([], [])
    tables = [_table(part, caption, label, "" if part is first else _room(part, font, high)) for part in parts]
    size = [f"\\{font}\\sloppy", f"\\setlength{{\\tabcolsep}}{{{_GAP_PT}pt}}"]
    needs = _NEEDS if room == ARTICLE else f"{_NEEDS} Lines of {room.width:.0f} pt."
    lines = [needs, "\\begingroup", *begin, *size, *tables, *map(_in_math, _notes(notes)), *end, "\\endgroup"]
    return "\n".join(lines) + "\n"


def _joined(blocks: Sequence[Block]) -> list[Column]:
    """The columns of several blocks, one below the other."""
    return [
        Column(first.name, [cell for block in blocks for cell in block.columns[i].cells], first.number)
        for i, first in enumerate(blocks[0].columns)
    ]


def _printed(blocks: Sequence[Block]) -> list[Block]:
    """The blocks without columns that say nothing. Of a table without headings, texts that all rows share are one."""
    joined = _joined(blocks)
    shown = [i for i, column in enumerate(joined) if any(column.cells)] or list(range(len(joined)))
    same = [i for i in shown if not joined[i].number and len(set(joined[i].cells)) == 1 < len(joined[i].cells)]
    differ = [i for i in shown if i not in same and not joined[i].number]
    if len(blocks) > 1 or blocks[0].names or not differ or differ[0] > len(same):
        same = []
    facts = {joined[i].name: joined[i].cells[0] for i in same}
    kept = [i for i in shown if i not in same]
    return [Block([b.columns[i] for i in kept], b.names, {**b.facts, **facts}) for b in blocks]


def _laid_out(blocks: Sequence[Block], room: Room) -> tuple[list[list[Block]], bool]:
    """The parts of a table, and whether they stand on a page on its side: as one part upright, else as one part on its
    side, else where they take fewer pages."""
    upright, turned = (_in_parts(blocks, width) for width in (room.width, room.height))
    fits = max(_table_pt(part, min(_FONTS.values())) for part in upright) <= room.width
    if not fits or len(upright) == 1 or len(turned) == 1:
        return (upright, False) if fits and len(upright) == 1 else (turned, True)
    pages = [sum(map(_lines, parts)) / high for parts, high in ((upright, room.height), (turned, room.width))]
    return (upright, False) if pages[0] <= pages[1] else (turned, True)


def _in_parts(blocks: Sequence[Block], width: float) -> list[list[Block]]:
    """No wider than that in the smallest font; later parts have only blocks with rows."""
    smallest = min(_FONTS.values())
    first, *others = in_parts(blocks, lambda column: _column_pt(column, smallest), width)
    return [first, *filter(None, ([block for block in part if block.columns[0].cells] for part in others))]


def _font(parts: Sequence[Sequence[Block]], width: float) -> str:
    """The largest font in which the parts are no wider; else the smallest."""
    fits = [font for font, em in _FONTS.items() if max(_table_pt(blocks, em) for blocks in parts) <= width]
    return fits[0] if fits else list(_FONTS)[-1]


def _table_pt(blocks: Sequence[Block], em: float) -> float:
    """Width of a table in a font of so many points an em."""
    headings = (_BOLD * _width(line) * em for block in blocks for line in _heading(block))
    return max(sum(_column_pt(column, em) for column in _joined(blocks)), *headings, 0.0)


def _column_pt(column: Column, em: float) -> float:
    width = max(map(_width, (*_name(column), _unit(column.name), *column.cells))) * em
    return (width if column.number else min(width, _TEXT_PT)) + 2 * _GAP_PT


def _name(column: Column) -> list[str]:
    """The name of a column in lines; of numbers, lines are as wide as they are or, if it must be, a word."""
    if not column.number:
        return [column.name]
    words = re.findall(r"[^_]*_|[^_]+", column.name) or [""]
    most = max(map(_width, (*words, _unit(column.name), *column.cells)))
    lines = words[:1]
    for word in words[1:]:
        if _width(lines[-1] + word) <= most:
            lines[-1] += word
        else:
            lines.append(word)
    return lines


def _lines(blocks: Sequence[Block]) -> float:
    """How many lines a part takes, with those above and below it."""
    return 5 + sum(len(block.columns[0].cells) + 0.5 + len(_heading(block)) for block in blocks)


def _room(blocks: Sequence[Block], font: str, high: float) -> str:
    """What makes a part begin on a new page where it would be broken; one that is higher than `high` points, where less
    than a third of a page is left."""
    height = _lines(blocks) * _LINES_PT[font]
    return room_of(f"{height:.0f}pt" if height <= high else ".33\\vsize")


def room_of(height: str) -> str:
    """What breaks the page where less than this height, a length of LaTeX, is left of it."""
    return _ROOM % height


def _table(blocks: Sequence[Block], caption: str, label: str, before: str) -> str:
    """One part of the table; the first has caption and label, and the others its number. before: nothing of the
    first."""
    columns, headings = _joined(blocks), [_heading(block) for block in blocks]
    text = _in_math(_with_headings(_styled(columns, caption, label), blocks, headings, len(columns)))
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
    return sum(0.3 if c in _NARROW else 0.78 if c in "-_mwMW%" else 0.5 for c in text)


def _styled(columns: Sequence[Column], caption: str, label: str) -> str:
    """The table as pandas' Styler would write it, which takes ten times as long."""
    names = [_name(c) for c in columns]
    high = max(map(len, names))
    lines_of = zip(*([""] * (high - len(name)) + name for name in names), strict=True)
    head = [*(_row(map(escaped, line)) for line in lines_of), _row([escaped(_unit(c.name)) for c in columns])]
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


def _row(cells: Iterable[str]) -> str:
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
        last = _LAST if block is blocks[-1] else 1
        out += [f"{row}*" if _is_kept(i, n, last) else row for i, row in enumerate(rows)]
        first += n
    return "\n".join([*out, *lines[first:]])


def _is_kept(row: int, n: int, last: int) -> bool:
    """Whether this row of a block of n stands on one page with the next: no page begins or ends with a single row, nor
    begins with the last few of a table."""
    return row < n - 1 and (n <= _WHOLE or row == 0 or row >= n - 1 - last)


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
