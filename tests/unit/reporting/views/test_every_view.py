"""What every view must do: nothing measured, one row, an overflow. A new view is tested by existing."""

import importlib
import inspect
import math
import re
import subprocess
import sys

import pytest

from latentdyn.errors import UserError
from latentdyn.families import VIEWS
from latentdyn.reporting.document import printed
from latentdyn.reporting.panels import SMALLEST_PT, read_panels
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.sheet import write_sheet
from tests.unit.reporting.views.everything import KINDS, everything, nothing, plan_of, table_of

FORMS = ("csv", "md", "tex")


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def view(kind):
    return importlib.import_module(VIEWS.module(kind))


def test_a_view_has_a_sheet_and_a_figure(view):
    for function in (view.tabulate, view.draw):
        assert list(inspect.signature(function).parameters) == ["measured", "table", "plan"]


@pytest.mark.parametrize("function", ["tabulate", "draw"])
def test_what_was_not_measured_is_told_in_a_paragraph(kind, view, function):
    with pytest.raises(UserError) as error:
        getattr(view, function)(nothing(), table_of(kind), plan_of())
    told = str(error.value)
    assert "\n" not in told and ("'r'" in told or "representation = r" in told)


def test_one_row_is_written_and_drawn(kind, view, tmp_path):
    sheet = view.tabulate(everything(), table_of(kind), plan_of())
    paths = [tmp_path / f"t.{form}" for form in FORMS]
    write_sheet(sheet, *paths)
    csv, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    assert len(sheet.rows) >= 1 and csv.count("\n") == len(sheet.rows) + 1
    assert all(note.startswith(("Corpus", "**")) for note in sheet.notes[:1]) and sheet.notes[0] in " ".join(
        markdown.split()
    )
    assert not any(re.search(r"\boverflow\b", line) for line in markdown.splitlines()[2:] if line.startswith("|"))
    assert "nan" not in csv + latex and set(sheet.decimals) & set(sheet.rows)
    write_figure(view.draw(everything(), table_of(kind), plan_of()), tmp_path / "t.png")
    panels = read_panels(tmp_path / "t.png")
    assert all(page.scale * panels.smallest_pt >= SMALLEST_PT - 1e-9 for page in printed(panels))


def test_an_overflow_is_told_and_drawn(kind, view, tmp_path):
    sheet = view.tabulate(everything(math.inf), table_of(kind), plan_of())
    write_sheet(sheet, *(tmp_path / f"t.{form}" for form in FORMS))
    for form in ("md", "tex"):
        text = (tmp_path / f"t.{form}").read_text(encoding="utf-8")
        rows = [line for line in text.splitlines() if line.startswith("|") or line.endswith(r"\\")]
        assert any("overflow" in line for line in rows[1:])
        assert not any("inf" in line.split() for line in rows)
    write_figure(view.draw(everything(math.inf), table_of(kind), plan_of()), tmp_path / "t.png")


def test_tables_need_no_library_of_figures():
    imports = "; ".join(f"import {VIEWS.module(kind)}" for kind in KINDS)
    code = f"{imports}; import sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
