"""One LaTeX document of several tables and figures, and how it is compiled where a LaTeX is installed.

A figure stands on as many pages as its text needs to be read in print.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from latentdyn.reporting.latex import Room, latex_text, room_of
from latentdyn.reporting.panels import Box, Page, Panels, pages

_MARGIN_CM, _FOOT_IN, _WIDTH_IN, _HEIGHT_IN = 1.5, 30 / 72.27, 8.5, 11.0  # of a sheet of letter paper
_CAPTION_IN = 1.0
_PT, _SLACK = 72.27, 0.95  # an inch; widths of tables are a few percent off
ROOM = Room(
    _SLACK * _PT * (_WIDTH_IN - 2 * _MARGIN_CM / 2.54), _SLACK * _PT * (_HEIGHT_IN - _FOOT_IN - 2 * _MARGIN_CM / 2.54)
)  # what a page has for a table
_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{} %% letters as outlines, from which text can be copied
\ifdefined\pdfgentounicode\input{glyphtounicode}\pdfgentounicode=1\fi %% what is copied keeps its letters
\usepackage[margin=%gcm,includefoot]{geometry}
\usepackage{booktabs,graphicx,longtable,pdflscape}
\makeatletter
\renewcommand{\@pnumwidth}{2.5em} %% room for three digits
\renewcommand{\@tocrmarg}{4em plus 1fil} %% long names are not broken within: lines end where they may
\newcommand{\drawn}[3]{\begin{center}\def\@captype{figure}#1\caption{#2}\label{#3}\end{center}}
\makeatother
\title{%s}
\author{}
\date{}
\begin{document}
\maketitle
"""
_LISTS = "\\clearpage\n\\listoftables\n\\listoffigures\n\\clearpage\n"
_APART = "\\par\\bigskip\n" + room_of(".25\\vsize") + "\n"  # a table begins where a quarter of a page is left
_LONGEST = 100  # rows of a table that is printed though it is drawn: about three pages
_PASSES = 3  # a longtable knows the widths of its columns at the second, the list of tables their pages at the third
_LIMIT_S = 300


@dataclass(frozen=True)
class Shown:
    """One table of a document. caption: in plain text. n_rows: of the table. drawn: where the panels of its figure lie,
    if it has one."""

    name: str
    caption: str
    n_rows: int
    drawn: Panels | None


def document(title: str, tables: Sequence[Shown], before: str = "", after: str = "") -> str:
    """The text of a document that reads `{table}.tex` and shows `{table}.png` beside it.

    Of a long table that is drawn, the figure alone is shown, and where its rows are.

    Args:
        before, after: LaTeX that stands before the lists of tables and figures, and after the last of them.
    """
    parts = [_HEAD % (_MARGIN_CM, latex_text(title)), before, _LISTS]
    for table in tables:
        told = latex_text(f"{table.name}, drawn: Table ") + f"\\ref{{tab:{table.name}}}."
        if table.drawn and table.n_rows > _LONGEST:
            rows = f"Its {table.n_rows} rows are in {table.name}.csv and in {table.name}.tex."
            told = latex_text(f"{table.caption} {rows}")
        else:
            parts.append(f"{_APART}\\input{{{table.name}}}\n")
        parts += _figure(table.name, told, table.drawn) if table.drawn else []
    return "".join([*parts, after, "\\end{document}\n"])


def printed(panels: Panels) -> list[Page]:
    """A figure as this document prints it."""
    margins = 2 * _MARGIN_CM / 2.54
    return pages(panels, _WIDTH_IN - margins, _HEIGHT_IN - margins - _FOOT_IN, _CAPTION_IN)


def _figure(name: str, caption: str, panels: Panels) -> Iterator[str]:
    """The pages of a figure; the first has the caption."""
    shown = printed(panels)
    for i, page in enumerate(shown):
        strips = "\\\\[4pt]\n".join("".join(_box(name, box, page, panels) for box in strip) for strip in page.strips)
        further = f"{strips}\\\\[8pt]\nFigure~\\ref{{fig:{name}}}, page {i + 1} of {len(shown)}"
        text = f"\\begin{{center}}{further}\\end{{center}}" if i else f"\\drawn{{{strips}}}{{{caption}}}{{fig:{name}}}"
        if page.landscape:
            yield f"\\begin{{landscape}}\n{text}\n\\end{{landscape}}\n"
        else:
            yield f"\\par\\bigskip\n\\noindent\\begin{{minipage}}{{\\linewidth}}\n{text}\n\\end{{minipage}}\\par\n"


def _box(name: str, box: Box, page: Page, panels: Panels) -> str:
    """A part of a figure as LaTeX shows it, which counts from the lower left, in points."""
    left, top, right, bottom = box
    places = (left, panels.height - bottom, right, panels.height - top)
    view = " ".join(f"{72 * place:.1f}" for place in places)
    return f"\\includegraphics[viewport={view},clip,scale={page.scale:.3f}]{{{name}.png}}"


def compile_pdf(source: Path) -> str:
    """Compile a document in its folder, which gets the PDF alone. Returns how it went, in a sentence."""
    compiler = shutil.which("pdflatex") or shutil.which("tectonic")
    if compiler is None:
        return "No PDF: neither pdflatex nor tectonic is installed."
    name = Path(compiler).name
    options = ["-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"] if name == "pdflatex" else []
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(source.parent, folder, dirs_exist_ok=True)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1"}  # equal files of equal texts
        passes = _PASSES if name == "pdflatex" else 1
        for left in reversed(range(passes)):
            quick = ["-draftmode"] if left else []  # what is read from the last pass alone need not be written before
            try:
                done = subprocess.run([compiler, *options, *quick, source.name], cwd=folder, env=environment,
                                      timeout=_LIMIT_S, capture_output=True, text=True, errors="replace")  # fmt: skip
            except subprocess.TimeoutExpired:
                return f"No PDF: {name} took more than {_LIMIT_S} s."
            if done.returncode:
                told = [line for line in done.stdout.splitlines() if line.startswith("!")] or ["it tells no reason"]
                return f"No PDF: {name} stopped ({told[0]})."
        shutil.copy(Path(folder) / source.with_suffix(".pdf").name, source.with_suffix(".pdf"))
    return f"Compiled by {name}."
