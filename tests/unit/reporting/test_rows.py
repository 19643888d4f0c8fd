"""Rows that are told by their values are those that pandas would find, however they are asked for."""

import numpy as np
import pandas as pd
import pytest

from latentdyn.reporting.rows import Rows

TABLE = pd.DataFrame(
    {
        "metric": pd.Categorical(["a", "b", "a", "b", "a", None]),
        "step": pd.array([1, 2, None, 1, 2, 1], dtype="Int64"),
        "sigma": [0.1, np.nan, 0.1, 0.2, np.nan, 0.2],
        "speaker_id": pd.array(["s", "t", "s", "t", "u", "u"], dtype="str"),
        "total": [1.0, 2.0, 3.0, 4.0, 5.0, np.nan],
    },
    index=[5, 3, 3, 9, 0, 7],
)


@pytest.mark.parametrize(
    ("names", "places"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"metric": "a"}, [0, 2, 4]),
        ({"metric": None}, [5]),
        ({"metric": "c"}, []),
        ({"metric": 1}, []),
        ({"metric": ["a", "c"], "step": 2}, [4]),
        ({"step": None}, [2]),
        ({"step": [1, 2], "speaker_id": ["t", "u"]}, [1, 3, 4, 5]),
        ({"sigma": 0.1}, [0, 2]),
        ({"sigma": None}, [1, 4]),
        ({"no_such_column": 1, "speaker_id": "s"}, [0, 2]),
    ],
)
def test_rows_are_those_of_these_values(names, places):
    expected = TABLE.iloc[places]
    one_by_one = Rows(TABLE)
    for name, value in names.items():
        one_by_one = one_by_one.where(**{name: value})
    for rows in (Rows(TABLE).where(**names), one_by_one, Rows(TABLE).where().where(**names)):
        assert len(rows) == len(places)
        np.testing.assert_array_equal(rows.column("total"), expected["total"])
        pd.testing.assert_frame_equal(rows.table, expected)


def test_more_values_than_a_byte_holds_are_told_apart():
    rows = Rows(pd.DataFrame({"seed": range(300)}))
    assert rows.where(seed=299).column("seed").tolist() == [299.0]
    assert rows.where(seed=[0, 299]).where(seed=299).column("seed").tolist() == [299.0]


@pytest.mark.parametrize("names", [{}, {"metric": "a"}, {"sigma": None}, {"metric": "c"}])
def test_sums_are_of_each_value_in_the_order_of_the_values(names):
    table = TABLE.assign(speaker_id=["u", "t", "u", "s", "s", None], n=[1, 2, 3, 4, 5, 6]).astype({"speaker_id": "str"})
    expected = Rows(table).where(**names).table.groupby("speaker_id")[["total", "n"]].sum()
    sums = Rows(table).where(**names).sums_by("speaker_id", "total", "n")
    pd.testing.assert_frame_equal(sums, expected, check_names=False, check_dtype=False)


def test_a_sum_with_an_undefined_term_is_undefined():
    table = TABLE.assign(speaker_id=["s", "s", "t", "t", "u", "u"]).astype({"speaker_id": "str"})
    assert Rows(table).sums_by("speaker_id", "total")["total"].tolist()[:2] == [3, 7]
    assert np.isnan(Rows(table).sums_by("speaker_id", "total").loc["u", "total"])
