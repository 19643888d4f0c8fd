"""The three forms in which a table is written."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from latentdyn.reporting.sheet import Sheet, write_sheet

DECIMALS = {"dnll": 2, "level_gain": 2, "rollout_gap": 2}


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., tuple[str, ...]]:
    """Write a table and give the texts of its three forms."""

    def write(rows: pd.DataFrame, notes=("A note.",), below=None):
        paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
        write_sheet(Sheet(rows, notes, DECIMALS, below), *paths)
        return tuple(path.read_text(encoding="utf-8") for path in paths)

    return write


@pytest.fixture
def example() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "representation": ["log_mel", "m"],
            "k": [1, 16],
            "dnll": [-185.4449123456789, 2.0],
            "level_gain": [-0.125, None],
            "rollout_gap": [math.inf, 123456789.0],
        }
    )


def test_csv_keeps_every_digit(example, written):
    rows = list(csv.reader(written(example)[0].splitlines()))
    assert rows[0] == list(example.columns)
    assert float(rows[1][2]) == -185.4449123456789
    assert (rows[1][4], rows[2][3]) == ("inf", "")


def test_markdown_reads_well_as_text(example, written):
    lines = written(example)[1].splitlines()
    assert lines[:4] == [
        "| representation |  k |    dnll | level_gain | rollout_gap |",
        "|----------------|---:|--------:|-----------:|------------:|",
        "| log_mel        |  1 | -185.44 |      -0.12 |    overflow |",
        "| m              | 16 |    2.00 |            |    1.23e+08 |",
    ]
    assert lines[4:] == ["", "A note."]


def test_markdown_columns_line_up_whatever_the_values(example, written):
    example.loc[0, ["representation", "dnll"]] = ["a_rather_long_name_of_a_representation", -1.23456e300]
    rows = written(example)[1].splitlines()[:4]
    bars = [[i for i, character in enumerate(row) if character == "|"] for row in rows]
    assert all(positions == bars[0] for positions in bars)


def test_a_second_table_stands_below_in_the_markdown_alone(example, written):
    below = pd.DataFrame({"utterance_id": ["u1"], "dnll": [7.125]})
    alone, both = written(example), written(example, below=below)
    assert both[1] == alone[1] + "\n| utterance_id | dnll |\n|--------------|-----:|\n| u1           | 7.12 |\n"
    assert (both[0], both[2]) == (alone[0], alone[2])


def test_a_second_table_may_be_empty(example, written):
    lines = written(example, below=pd.DataFrame(columns=["utterance_id", "dnll"]))[1].splitlines()
    assert lines[6] == "" and "utterance_id" in lines[7] and len(lines) == 9


def test_latex_escapes_and_aligns(example, written):
    example["representation"] = ["log_mel & 50 % #1", "a\\b"]
    lines = written(example, ("A note.", "", "Another."))[2].splitlines()
    assert lines[:3] == ["% A note.", "% Another.", r"\begin{tabular}{lrrrr}"]
    assert r"representation & k & dnll & level\_gain & rollout\_gap \\" in lines
    assert r"log\_mel \& 50 \% \#1 & 1 & -185.44 & -0.12 & overflow \\" in lines
    assert r"a\textbackslash{}b & 16 & 2.00 &  & 1.23e+08 \\" in lines


def test_a_count_that_some_rows_lack_is_still_a_whole_number(written):
    lines = written(pd.DataFrame({"clusters": [64, None], "dnll": [1.0, -0.001]}))[1].splitlines()
    assert lines[2:4] == ["|       64 | 1.00 |", "|          | 0.00 |"]
