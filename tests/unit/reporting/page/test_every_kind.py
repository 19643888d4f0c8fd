"""Every kind of table can be stored, read again, asked and shown on a page. A new kind is tested by existing."""

import importlib

import pandas as pd
import pytest

from latentdyn.families import VIEWS
from latentdyn.reporting.comparison import with_verdicts
from latentdyn.reporting.findings import findings
from latentdyn.reporting.page.tables import page_table
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.stored import read_stored, write_stored
from tests.unit.reporting.views.everything import KINDS, everything, plan_of, table_of


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_stored_and_shown(kind, tmp_path):
    view = importlib.import_module(VIEWS.module(kind))
    sheet = view.tabulate(everything(), table_of(kind), plan_of("mimi", "mdn"))
    forms = [tmp_path / f"t.{form}" for form in ("csv", "md", "tex")]
    write_sheet(sheet, *forms)
    write_stored(tmp_path / "t.sheet.json", sheet, forms[0], table_of(kind), plan_of("mimi", "mdn"))
    stored = read_stored(tmp_path / "t.sheet.json")
    pd.testing.assert_frame_equal(stored.sheet.rows, pd.read_csv(forms[0]), check_dtype=False)

    page = page_table(stored)
    assert page.kind == kind and page.n_rows == len(sheet.rows)
    main = [column for column in page.columns if column.main]
    assert 1 <= len(main) <= 16 and any(cell.text for column in main for cell in column.cells)
    assert not [cell for column in page.columns for cell in column.cells if cell.text in ("nan", "inf", "None", "<NA>")]
    told = [
        row for topic in findings([stored]) for one in topic.findings for answer in one.answers for row in answer.rows
    ]
    assert len(told) >= (kind == "lagged")
    assert len(with_verdicts(stored, True).rows) == len(sheet.rows)
