"""The three forms in which a table is written."""

import csv
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from latentdyn.reporting.markdown import escaped
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


def test_a_value_and_its_interval_are_one_column(written):
    rows = pd.DataFrame(
        {"dnll": [-1.25, 2.0], "dnll_ci_low": [-1.5, None], "dnll_ci_high": [-1.0, None], "cosine": [0.5, 0.5]}
    )
    csv_text, markdown, _ = written(rows)
    assert csv_text.splitlines()[0] == "dnll,dnll_ci_low,dnll_ci_high,cosine"
    assert markdown.splitlines()[:4] == [
        "|                 dnll | cosine |",
        "|---------------------:|-------:|",
        "| -1.25 [-1.50, -1.00] |    0.5 |",
        "|                 2.00 |    0.5 |",
    ]


def test_bounds_without_a_name_belong_to_the_column_before_them(written):
    rows = pd.DataFrame({"a": [1], "dnll": [1.0], "ci_low": [0.5], "ci_high": [2.0]})
    assert written(rows)[1].splitlines()[2] == "|   1 | 1.00 [0.50, 2.00] |".replace("|   1", "| 1")


def test_blocks_have_a_heading_and_tell_once_what_is_the_same(tmp_path):
    rows = pd.DataFrame(
        {"who": ["a", "a", "b|", "b|"], "k": [1, 2, 1, 2], "n": [9, 9, 7, 7], "level": [-0.5, None, -0.25, None]}
    )
    sheet = Sheet(rows, ["A note."], {"level": 2}, by=["who"], heads={"n": "n =", "level": "level at k = 1:"})
    paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
    write_sheet(sheet, *paths)
    assert paths[1].read_text(encoding="utf-8").splitlines() == [
        "**a** (n = 9, level at k = 1: -0.50)", "", "| k |", "|--:|", "| 1 |", "| 2 |", "",
        "**b\\|** (n = 7, level at k = 1: -0.25)", "", "| k |", "|--:|", "| 1 |", "| 2 |", "",
        "A note.",
    ]  # fmt: skip
    assert len(paths[0].read_text(encoding="utf-8").splitlines()) == 5
    latex = paths[2].read_text(encoding="utf-8")
    assert r"\multicolumn{1}{l}{\makebox[0pt][l]{\textbf{b$|$}}} \\*" in latex
    assert r"\multicolumn{1}{l}{\makebox[0pt][l]{n = 7, level at k = 1: $-$0.25}} \\*" in latex


def test_what_differs_in_a_block_stays_a_column(tmp_path):
    rows = pd.DataFrame({"who": ["a", "a", "b"], "k": [1, 2, 1], "n": [9, 8, 7]})
    paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
    write_sheet(Sheet(rows, [], by=["who"], heads={"n": "n ="}), *paths)
    assert paths[1].read_text(encoding="utf-8").splitlines()[:3] == ["**a**", "", "| k | n |"]


def test_people_see_the_columns_that_are_chosen_and_the_csv_has_all(example, tmp_path):
    paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
    write_sheet(Sheet(example, [], DECIMALS, columns=["k", "dnll"]), *paths)
    csv_text, markdown, latex = (path.read_text(encoding="utf-8") for path in paths)
    assert csv_text.splitlines()[0] == ",".join(example.columns)
    assert markdown.splitlines()[0] == "|  k |    dnll |" and r"k & dnll \\" in latex and "rollout" not in latex


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linear_gaussian", "linear_gaussian"),  # no mark within a word
        ("logmel__shuffled", "logmel__shuffled"),
        ("_a_ b_", r"\_a\_ b\_"),
        ("__a__", r"\_\_a\_\_"),
        ("a|b*c`d", r"a\|b\*c\`d"),
        ("a\\b", r"a\\b"),
        ("<i>~x~", r"\<i\>\~x\~"),
        ("[a](b)", r"\[a](b)"),
        ("two\nlines", "two lines"),
    ],
)
def test_markdown_takes_no_id_for_marks(text, expected):
    assert escaped(text) == expected


def test_notes_are_paragraphs_that_fit_a_terminal(example, written):
    long = "A word and `another word` " * 20
    lines = written(example, (long, "", "Second."))[1].splitlines()[5:]
    assert max(map(len, lines)) <= 100 and lines[-2:] == ["", "Second."] and " ".join(lines[:-2]) == long.strip()


def test_latex_escapes_and_aligns(example, written):
    example["representation"] = ["log_mel & 50 % #1", "a\\b"]
    lines = written(example, ("A `note_1`.", "", "**Another**."))[2].splitlines()
    assert r"\begin{longtable}{lrrrr}" in lines and r"\caption{t.} \label{tab:t} \\" in lines
    assert {r"\toprule", r"\midrule", r"\bottomrule"} <= set(lines)
    assert r" &  &  &  & rollout\_ \\" in lines and r"representation & k & dnll & level\_gain & gap \\" in lines
    assert " & frames & nats/frame & nats/frame & nats/frame \\\\" in lines
    assert r"log\_mel \& 50 \% \#1 & 1 & $-$185.44 & $-$0.12 & overflow \\*" in lines
    assert r"a\textbackslash b & 16 & 2.00 &  & 1.23e+08 \\" in [line.replace("h  b", "h b") for line in lines]
    assert [line for line in lines if "note" in line or "Another" in line] == [
        r"\par\smallskip\noindent A \texttt{note\_1}.\par", r"\par\smallskip\noindent \textbf{Another}.\par",
    ]  # fmt: skip


def test_latex_takes_no_id_for_an_argument_of_a_line_break(written):
    lines = written(pd.DataFrame({"id": ["[a]", "*b", "c|d<"]}))[2].splitlines()
    assert r"{}[a] \\*" in lines and r"{}*b \\*" in lines and r"c$|$d$<$ \\" in lines


@pytest.mark.parametrize(("n_columns", "landscape", "parts"), [(4, False, 1), (12, True, 1), (60, False, 8)])
def test_latex_fits_the_page(written, n_columns, landscape, parts):
    latex = written(pd.DataFrame({f"column_{i:02}": [1.5] for i in range(n_columns)}))[2]
    assert (r"\begin{landscape}" in latex, latex.count(r"\begin{longtable}")) == (landscape, parts)


def test_markdown_fits_a_screen(written):
    names = [f"column_{i:02}" for i in range(30)]
    lines = written(pd.DataFrame({"predictor": ["p"]} | {name: [1.5] for name in names}))[1].splitlines()
    heads = [line.strip("|").split("|") for line in lines if line.startswith("| predictor")]
    assert len(heads) == 3 and max(map(len, lines)) <= 160
    assert [name.strip() for head in heads for name in head[1:]] == names


def test_a_count_that_some_rows_lack_is_still_a_whole_number(written):
    lines = written(pd.DataFrame({"clusters": [64, None], "dnll": [1.0, -0.001]}))[1].splitlines()
    assert lines[2:4] == ["|       64 | 1.00 |", "|          | 0.00 |"]
