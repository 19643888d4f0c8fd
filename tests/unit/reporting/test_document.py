"""The document of several tables: it compiles, and says so where it does not."""

import shutil

import pandas as pd
import pytest
from matplotlib.figure import Figure

from latentdyn.reporting import document as module
from latentdyn.reporting.document import Shown, compile_pdf, document
from latentdyn.reporting.panels import Panels
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.sheet import Sheet, write_sheet

HIGH = Panels(2.0, 10.0, [0.0, 5.0, 10.0], [0.0, 2.0], smallest_pt=6.0)  # two pages


@pytest.fixture
def source(tmp_path):
    """Two tables, one with a figure, and the document of both."""
    for name in ("exp_1", "long"):
        rows = pd.DataFrame({"representation": ["a_b"] * 3, "dnll": [-1.0, 2.0, float("inf")]})
        forms = [tmp_path / f"{name}.{form}" for form in ("csv", "md", "tex")]
        write_sheet(Sheet(rows, ["ΔNLL in 100 % of `a_b`."], {"dnll": 1}, caption="What & what."), *forms)
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([0, 1])
    write_figure(figure, tmp_path / "exp_1.png")
    (tmp_path / "paper.tex").write_text(
        document("Corpus a_b", [Shown("exp_1", "What", 3, HIGH), Shown("long", "What", 3, None)]), encoding="utf-8"
    )
    return tmp_path / "paper.tex"


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_it_compiles_to_one_pdf_and_leaves_nothing_else(source):
    before = {path.name for path in source.parent.iterdir()}
    assert compile_pdf(source) == "Compiled by pdflatex."
    assert {path.name for path in source.parent.iterdir()} - before == {"paper.pdf"}
    once = source.with_suffix(".pdf").read_bytes()
    compile_pdf(source)
    assert once.startswith(b"%PDF") and source.with_suffix(".pdf").read_bytes() == once


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_a_document_that_does_not_compile_says_why(source):
    source.write_text(source.read_text(encoding="utf-8").replace("\\maketitle", "\\nosuchword"), encoding="utf-8")
    assert compile_pdf(source) == "No PDF: pdflatex stopped (! Undefined control sequence.)."
    assert not source.with_suffix(".pdf").exists()


def test_without_a_compiler_there_is_no_pdf_and_a_word_instead(source, monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert compile_pdf(source) == "No PDF: neither pdflatex nor tectonic is installed."
    assert not source.with_suffix(".pdf").exists()


def test_a_long_table_that_is_drawn_is_a_figure_and_says_where_its_rows_are():
    tables = [
        Shown("short", "Short.", 100, HIGH),
        Shown("a_b", "Long Δ & more.", 101, HIGH),
        Shown("c", "C.", 101, None),
    ]
    text = document("t", tables)
    assert "\\input{short}" in text and "\\input{c}" in text and "\\input{a_b}" not in text
    assert "a_b.png" in text and "Long $\\Delta$ \\& more. Its 101 rows are in a\\_b.csv and in a\\_b.tex." in text
    first, second, _ = text.split("[viewport=")[1:4]
    assert first.startswith("0.0 360.0 144.0 720.0,clip,scale=1.000]{short.png}")  # from the lower left, in points
    assert "}{short, drawn: Table \\ref{tab:short}.}{fig:short}" in first
    assert second.startswith("0.0 0.0 144.0 360.0,clip,") and "Figure~\\ref{fig:short}, page 2 of 2" in second
