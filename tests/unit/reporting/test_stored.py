"""Sheets that are read again are those that were written."""

import math

import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.sheet import Sheet, write_sheet
from latentdyn.reporting.stored import read_stored, write_stored

ROWS = pd.DataFrame(
    {"representation": ["007", "1e5"], "k": [1, None], "dnll": [-math.inf, 0.1 + 0.2], "why": [None, "NA"], "n": [3, 4]}
)
BELOW = pd.DataFrame({"u": ["01"], "t": [3]})
SHEET = Sheet(ROWS, ["Corpus `c`.", "**Caution:** few."], {"dnll": 2}, BELOW, "A caption.",
              ["representation", "dnll"], ["representation"], {"n": "n ="})  # fmt: skip


@pytest.fixture
def path(tmp_path):
    write_sheet(SHEET, *(tmp_path / f"t.{form}" for form in ("csv", "md", "tex")))
    write_stored(tmp_path / "t.sheet.json", SHEET, tmp_path / "t.csv", {"kind": "lagged"}, {"corpus": "c"})
    return tmp_path / "t.sheet.json"


def test_a_sheet_is_read_as_it_was_written(path):
    stored = read_stored(path)
    assert (stored.name, stored.settings, stored.plan) == ("t", {"kind": "lagged"}, {"corpus": "c"})
    pd.testing.assert_frame_equal(stored.sheet.rows, ROWS, check_dtype=False)
    pd.testing.assert_frame_equal(stored.sheet.below, SHEET.below, check_dtype=False)
    for name in ("notes", "decimals", "caption", "columns", "by", "heads"):
        assert getattr(stored.sheet, name) == getattr(SHEET, name)


def test_what_is_written_of_it_again_is_the_same(path, tmp_path):
    again = [tmp_path / f"again/t.{form}" for form in ("csv", "md", "tex")]
    write_sheet(read_stored(path).sheet, *again)
    for file in again[1:]:
        assert file.read_bytes() == (tmp_path / file.name).read_bytes()


@pytest.mark.parametrize("damage", ["edited", "gone"])
def test_rows_that_are_not_those_of_the_sheet_are_refused(path, damage):
    csv = path.with_name("t.csv")
    csv.write_text(csv.read_text().replace("007", "008")) if damage == "edited" else csv.unlink()
    with pytest.raises(UserError, match=r"not as it was written.*t.csv.*rule tabulate_metrics"):
        read_stored(path)
