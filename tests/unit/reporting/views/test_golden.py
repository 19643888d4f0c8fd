"""What people read of a table changes only on purpose."""

import io

import pandas as pd
import pytest

from .everything import KINDS
from .golden import FOLDER, FORMS, forms


@pytest.mark.parametrize("kind", KINDS)
def test_a_table_is_the_one_that_was_approved(kind: str):
    made = forms(kind)
    approved = {name: (FOLDER / name).read_text(encoding="utf-8") for name in made}
    assert made[f"{kind}.md"] == approved[f"{kind}.md"], "golden.py says how to approve another one"
    csv, expected = (pd.read_csv(io.StringIO(texts[f"{kind}.csv"])) for texts in (made, approved))
    pd.testing.assert_frame_equal(csv, expected, rtol=1e-12)  # another machine may round a last digit otherwise


def test_every_approved_table_is_of_a_kind_that_there_is():
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.{form}" for kind in KINDS for form in FORMS}
