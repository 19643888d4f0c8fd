"""LaTeX of a table: booktabs, a caption, a label, units under the names, notes below; it fits the page.

pandas' Styler writes and escapes it. Font and orientation follow from the width of its characters, roughly. A
table that is too wide even for a page on its side is scaled to it, and cut where a page ends.
"""

import re
from collections.abc import Iterator, Sequence

import pandas as pd

from latentdyn.metrics import metric
from latentdyn.reporting.text import Block, Column

_NEEDS = "% Needs \\usepackage{booktabs,graphicx,longtable,pdflscape}."
_PORTRAIT_PT, _LANDSCAPE_PT = 345, 550  # of the class article, which is narrow
_FONTS = {"small": 9.3, "footnotesize": 8.5, "scriptsize": 8.0}  # points an em; small fonts are cut wider
_NARROW = frozenset(".,:;[]()|il! ")
_BOLD = 1.15  # how much wider a heading is
_GAP_PT = 2  # at each side of a column
_PAGE_PT, _LINE_PT, _HEADING_LINES = 250, 11.5, 4  # of a page on its side, below the caption; of a row; above a row
_IN_PLACE = "\\noindent\\begin{minipage}{\\linewidth}\\makeatletter\\def\\@captype{table}\\makeatother"
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
    columns, headings = _joined(blocks), [_heading(block) for block in blocks]
    font, landscape, scale = _fit(columns, headings)
    begin, end = (["\\begin{landscape}"], ["\\end{landscape}"]) if landscape else ([], [])
    pages = [blocks] if scale is None else list(_pages(blocks, scale))
    tables = [_table(page, caption, label, scale is not None, page is pages[0]) for page in pages]
    size = [f"\\{font}", f"\\setlength{{\\tabcolsep}}{{{_GAP_PT}pt}}"]
    parts = [_NEEDS, "\\begingroup", *begin, *size, "\n\\clearpage\n".join(tables), *_notes(notes), *end, "\\endgroup"]
    return _in_math("\n".join(parts)) + "\n"


def _joined(blocks: Sequence[Block]) -> list[Column]:
    """The columns of several blocks, one below the other."""
    return [
        Column(first.name, [cell for block in blocks for cell in block.columns[i].cells], first.number)
        for i, first in enumerate(blocks[0].columns)
    ]


def _fit(columns: Sequence[Column], headings: Sequence[Sequence[str]]) -> tuple[str, bool, float | None]:
    """Font; whether the page is on its side; the factor by which a table is scaled that is wider even so."""
    of_columns = sum(max(map(_width, (c.name, _unit(c.name), *c.cells))) for c in columns)
    of_headings = max((_BOLD * _width(line) for heading in headings for line in heading), default=0.0)
    gaps = 2 * _GAP_PT * len(columns)
    for landscape, width in ((False, _PORTRAIT_PT), (True, _LANDSCAPE_PT)):
        for font, em in _FONTS.items():
            if max(of_columns * em + gaps, of_headings * em) <= width:
                return font, landscape, None
    return "small", True, _LANDSCAPE_PT / (of_columns * _FONTS["small"] + gaps)


def _pages(blocks: Sequence[Block], scale: float) -> Iterator[list[Block]]:
    """The blocks of each page, cut where it ends: what is scaled cannot break by itself."""
    lines = int(_PAGE_PT / (_LINE_PT * scale))
    page: list[Block] = []
    room = lines
    for block in blocks:
        start, n = 0, len(block.columns[0].cells)
        while start < n:
            above = len(_heading(block))
            taken = min(n - start, max(1, room - above))
            cut = [Column(c.name, c.cells[start : start + taken], c.number) for c in block.columns]
            page.append(Block(cut, block.names, block.facts))
            start, room = start + taken, room - above - taken
            if room <= _HEADING_LINES:  # no room for a row below a heading
                yield page
                page, room = [], lines
    if page:
        yield page


def _table(blocks: Sequence[Block], caption: str, label: str, scaled: bool, is_first: bool) -> str:
    """One table; scaled, it stands in its place, since floats are not turned with the page."""
    columns, headings = _joined(blocks), [_heading(block) for block in blocks]
    text = _with_headings(_styled(columns, caption, label, scaled), blocks, headings, len(columns), scaled)
    if scaled:
        text = text.replace("\\begin{table}[p]", f"{_IN_PLACE}%").replace("\\end{table}", "\\end{minipage}")
    if not is_first:
        told = f"\\noindent\\tablename~\\ref{{{label}}}, continued\\par\\smallskip"
        lines = text.split("\n")
        text = "\n".join([lines[0], told, *lines[3:]])  # instead of caption and label
    return text


def _width(text: str) -> float:
    """About how wide a text is, in em."""
    return sum(0.3 if c in _NARROW else 0.78 if c in "-mwMW%" else 0.5 for c in text)


def _styled(columns: Sequence[Column], caption: str, label: str, scaled: bool) -> str:
    head = pd.MultiIndex.from_tuples([(c.name, _unit(c.name)) for c in columns])
    rows = pd.DataFrame({i: _minus(c) for i, c in enumerate(columns)})
    rows.columns = head
    style = rows.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    environment = None if scaled else "longtable"
    text: str = style.to_latex(
        column_format="".join("r" if c.number else "l" for c in columns), hrules=True, sparse_columns=False,
        caption=escaped(caption), label=label, environment=environment, position=None if not scaled else "p",
    )  # fmt: skip
    if scaled:
        text = text.replace("\\begin{tabular}", "\\resizebox{\\linewidth}{!}{\\begin{tabular}")
        text = text.replace("\\end{tabular}", "\\end{tabular}}")
    return text


def _with_headings(
    table: str, blocks: Sequence[Block], headings: Sequence[Sequence[str]], n_columns: int, scaled: bool
) -> str:
    """The table with a heading above the rows of each block, and its rows safe from what a line break reads on."""
    lines = table.rstrip("\n").split("\n")
    first = lines.index("\\midrule" if scaled else "\\endlastfoot") + 1
    out = lines[:first]
    for block, heading in zip(blocks, headings, strict=True):
        n = len(block.columns[0].cells)
        for i, line in enumerate(heading):  # in a box of no width, so that it widens no column
            text = f"\\textbf{{{escaped(line)}}}" if i == 0 else escaped(line)
            out += ["\\addlinespace"] if i == 0 else []
            out.append(f"\\multicolumn{{{n_columns}}}{{l}}{{\\makebox[0pt][l]{{{text}}}}} \\\\*")
        # after a line break a [ or a * would be taken for its argument
        out += [f"{{}}{line}" if line.lstrip()[:1] in ("[", "*") else line for line in lines[first : first + n]]
        first += n
    return "\n".join([*out, *lines[first:]])


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
    """The text as LaTeX takes it, as pandas' Styler escapes it in a cell."""
    style = pd.DataFrame([text]).style.hide(axis="index").hide(axis="columns").format(escape="latex")
    cell: str = style.to_latex()
    return cell.split("\n")[1].removesuffix(" \\\\")


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
