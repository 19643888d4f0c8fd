"""One LaTeX document of several tables and figures, and how it is compiled where a LaTeX is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from latentdyn.reporting.latex import latex_text

_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,graphicx,longtable,pdflscape}
\makeatletter
\renewcommand{\@pnumwidth}{2.5em} %% room for three digits
\renewcommand{\@tocrmarg}{4em plus 1fil} %% long names are not broken within: lines end where they may
\newcommand{\shown}[2]{\begin{center}\def\@captype{figure}%%
\includegraphics[width=\linewidth,height=.8\textheight,keepaspectratio]{#1}\caption{#2}\end{center}}
\makeatother
%% what is more than twice as wide as high stands on a page on its side
\newcommand{\drawn}[2]{\sbox0{\includegraphics{#1}}\ifdim\wd0>2\ht0%%
\begin{landscape}\shown{#1}{#2}\end{landscape}\else\shown{#1}{#2}\fi}
\title{%s}
\author{}
\date{}
\begin{document}
\maketitle
\listoftables
\listoffigures
"""
_FIGURE = r"""\clearpage
\drawn{%s.png}{%s}
"""
_LONGEST = 100  # rows of a table that is printed though it is drawn: about three pages
_PASSES = 3  # a longtable knows the widths of its columns at the second, the list of tables their pages at the third
_LIMIT_S = 300


@dataclass(frozen=True)
class Shown:
    """One table of a document. caption: in plain text. n_rows: of the table. drawn: whether it has a figure."""

    name: str
    caption: str
    n_rows: int
    drawn: bool


def document(title: str, tables: Sequence[Shown]) -> str:
    """The text of a document that reads `{table}.tex` and shows `{table}.png` beside it.

    Of a long table that is drawn, the figure alone is shown, and where its rows are.
    """
    parts = [_HEAD % latex_text(title)]
    for table in tables:
        told = latex_text(f"{table.name}, drawn: Table ") + f"\\ref{{tab:{table.name}}}."
        if table.drawn and table.n_rows > _LONGEST:
            rows = f"Its {table.n_rows} rows are in {table.name}.csv and in {table.name}.tex."
            told = latex_text(f"{table.caption} {rows}")
        else:
            parts.append(f"\\clearpage\n\\input{{{table.name}}}\n")
        parts += [_FIGURE % (table.name, told)] if table.drawn else []
    return "".join([*parts, "\\end{document}\n"])


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
