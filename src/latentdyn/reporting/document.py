"""One LaTeX document of several tables and figures, and how it is compiled where a LaTeX is installed."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from latentdyn.reporting.latex import escaped

_HEAD = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2cm]{geometry}
\usepackage{booktabs,graphicx,longtable,pdflscape}
\title{%s}
\author{}
\date{}
\begin{document}
\maketitle
\listoftables
"""
_FIGURE = r"""\clearpage
\begin{center}\makeatletter\def\@captype{figure}\makeatother
\includegraphics[width=\linewidth,height=.8\textheight,keepaspectratio]{%s.png}
\caption{Table~\ref{tab:%s}, drawn.}
\end{center}
"""
_PASSES = 3  # a longtable knows the widths of its columns at the second, the list of tables their pages at the third
_LIMIT_S = 300


def document(title: str, tables: Sequence[str], figures: Collection[str]) -> str:
    """The text of a document that reads `{table}.tex` and shows `{table}.png` beside it.

    Args:
        tables: names, in order. figures: those of them that have a figure.
    """
    parts = [_HEAD % escaped(title)]
    for name in tables:
        parts.append(f"\\clearpage\n\\input{{{name}}}\n")
        parts += [_FIGURE % (name, name)] if name in figures else []
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
        for _ in range(_PASSES if name == "pdflatex" else 1):
            try:
                done = subprocess.run([compiler, *options, source.name], cwd=folder, env=environment, timeout=_LIMIT_S,
                                      capture_output=True, text=True, errors="replace")  # fmt: skip
            except subprocess.TimeoutExpired:
                return f"No PDF: {name} took more than {_LIMIT_S} s."
            if done.returncode:
                told = [line for line in done.stdout.splitlines() if line.startswith("!")] or ["it tells no reason"]
                return f"No PDF: {name} stopped ({told[0]})."
        shutil.copy(Path(folder) / source.with_suffix(".pdf").name, source.with_suffix(".pdf"))
    return f"Compiled by {name}."
