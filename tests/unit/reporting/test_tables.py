"""Tables from hand-made records: rows, values, seeds, and the three forms that they are written in."""

import csv
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from latentdyn.diagnostics.records import DTYPES, record
from latentdyn.errors import UserError
from latentdyn.reporting.tables import lagged_notes, lagged_table, write_table

KINDS = {"mimi": "mimi", "mel": "logmel", "net": "mdn", "line": "linear_gaussian"}
TABLE = {
    "representations": ["mimi"],
    "predictors": ["net"],
    "horizons": [1, 2],
    "seeds": [0],
    "splits": ["eval"],
    "slices": ["all"],
}


def measured(
    representation: str = "mimi", predictor: str = "net", seed: int = 0, split: str = "eval", horizon: int = 1,
    slice: str = "all", dnll: float = -10.0, gap: float = 3.0,
) -> list[dict[str, Any]]:  # fmt: skip
    """What one evaluation says of one split, slice and horizon."""
    where = {"split": split, "slice": slice, "horizon": horizon}
    records = [
        record("nll", "nats/frame", 90.0, 50, **where),
        record("dnll", "nats/frame", dnll, 50, ci_low=dnll - 1, ci_high=dnll + 2, **where),
        record("cosine", "1", 0.5, 50, **where),
        record("speakers", "speakers", 4.0, 50, **where),
        record("nll_nonfinite", "frames", 2.0, 50, **where),
        record("frame_rate_hz", "Hz", 12.5, 50, **where),
    ]
    if slice == "all":  # the rollout is measured on whole splits only
        records += [
            record("rollout_gap", "nats/frame", gap, 20, **where),
            record("rollout_overflow", "frames", 20.0 if math.isinf(gap) else 0.0, 20, **where),
        ]
    who = {"corpus": "c", "representation": representation, "predictor": predictor, "regime": "teacher_forced"}
    return [{**who, "seed": seed, **vars(r)} for r in records]


def frame(*rows: list[dict[str, Any]]) -> pd.DataFrame:
    return pd.DataFrame([row for some in rows for row in some])[list(DTYPES)].astype(DTYPES)


def tabulate(records: pd.DataFrame, columns: list[str], **table: Any) -> pd.DataFrame:
    return lagged_table(records, {**TABLE, "columns": columns, **table}, KINDS)


def test_rows_come_in_the_order_of_the_config_and_columns_too():
    records = frame(
        *(
            measured(representation=r, predictor=p, split=s, horizon=k)
            for p in ("line", "net") for s in ("eval", "train") for k in (2, 1) for r in ("mel", "mimi")
        )
    )  # fmt: skip
    columns = ["split", "k", "representation", "predictor"]
    lists = {"representations": ["mimi", "mel"], "predictors": ["net", "line"], "splits": ["train", "eval"]}
    table = tabulate(records, columns, **lists)
    assert list(table.columns) == columns
    assert table.values.tolist() == [
        [s, k, r, p] for r in ("mimi", "mel") for p in ("net", "line") for s in ("train", "eval") for k in (1, 2)
    ]


def test_values_by_hand():
    records = frame(measured(horizon=1, dnll=-10.0), measured(horizon=2, dnll=-4.5))
    columns = ["k", "n", "nll", "dnll", "dnll_ci_low", "dnll_ci_high", "speakers", "nonfinite", "ms_per_step", "seeds",
               "rollout_gap", "rollout_overflow"]  # fmt: skip
    assert tabulate(records, columns).values.tolist() == [
        [1, 50, 90.0, -10.0, -11.0, -8.0, 4, 2, 80.0, 1, 3.0, 0],
        [2, 50, 90.0, -4.5, -5.5, -2.5, 4, 2, 80.0, 1, 3.0, 0],
    ]


def test_a_value_that_was_not_measured_is_left_blank():
    table = tabulate(frame(measured()), ["level_gain", "r2_head", "dnll_seed_sd"], horizons=[1])
    assert table.isna().all(axis=None)


def test_seeds_are_averaged_and_their_spread_is_told():
    records = frame(*(measured(seed=s, dnll=v) for s, v in ((0, -9.0), (1, -10.0), (2, -14.0), (3, 1e6))))
    columns = ["dnll", "dnll_ci_low", "dnll_ci_high", "dnll_seed_sd", "seeds", "n", "speakers"]
    table = tabulate(records, columns, horizons=[1], seeds=[0, 1, 2])  # seed 3 belongs to another table
    # mean -11; deviations 2, 1, -3: sqrt(14 / 2)
    assert table.iloc[0].tolist() == pytest.approx([-11, -12, -9, math.sqrt(7), 3, 50, 4])


def test_one_overflow_makes_the_row_overflow():
    records = frame(measured(seed=0, gap=3.0), measured(seed=1, gap=math.inf))
    table = tabulate(records, ["rollout_gap", "rollout_overflow"], horizons=[1], seeds=[0, 1])
    assert table.iloc[0].tolist() == [math.inf, 10]


def test_a_slice_has_its_own_values_and_the_rollout_of_the_whole_split():
    records = frame(measured(dnll=-10.0), measured(slice="high_energy", dnll=-20.0))
    columns = ["slice", "dnll", "rollout_gap"]
    table = tabulate(records, columns, horizons=[1], slices=["high_energy", "all"])
    assert table.values.tolist() == [["high_energy", -20.0, 3.0], ["all", -10.0, 3.0]]


@pytest.mark.parametrize(
    ("representation", "predictor", "split", "k", "expected"),
    [
        ("mimi", "net", "eval", 1, [-185.44, 0.6114, -0.5949, None]),
        ("mimi", "net", "eval", 4, [-84.85, 0.1068, -33.8358, math.inf]),
        ("mimi", "net", "train", 2, [11856.85, None, None, None]),
        ("mimi", "line", "eval", 1, [None] * 4),  # published for the seed's kind of network
        ("mel", "net", "eval", 1, [None] * 4),  # and encoder
    ],
)
def test_published_values_stand_beside_rows_of_their_kind_only(representation, predictor, split, k, expected):
    records = frame(measured(representation, predictor, split=split, horizon=k))
    columns = ["published_dnll", "published_cosine", "published_r2", "published_rollout_gap"]
    lists = {"representations": [representation], "predictors": [predictor], "splits": [split], "horizons": [k]}
    found = tabulate(records, columns, **lists).iloc[0]
    assert [None if pd.isna(value) else value for value in found] == expected


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"splits": ["validation"]}, "split = validation"),
        ({"slices": ["high_energy"]}, "slice = high_energy"),
        ({"horizons": [8]}, "k = 8"),
        ({"seeds": [7]}, "representation = mimi"),
    ],
)
def test_a_row_without_metrics_is_an_error_that_names_it(table: dict[str, Any], named: str):
    with pytest.raises(UserError, match=named):
        tabulate(frame(measured()), ["dnll"], **{"horizons": [1], **table})


# --------------------------------------------------------------------------------------------- as files


@pytest.fixture
def written(tmp_path: Path):
    """Write a table and give the texts of its three forms."""

    def write(table: pd.DataFrame, notes: tuple[str, ...] = ("A note.",)) -> tuple[str, str, str]:
        paths = [tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")]
        write_table(table, *paths, notes)
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


def test_csv_keeps_every_digit(example: pd.DataFrame, written):
    rows = list(csv.reader(written(example)[0].splitlines()))
    assert rows[0] == list(example.columns)
    assert float(rows[1][2]) == -185.4449123456789
    assert (rows[1][4], rows[2][3]) == ("inf", "")


def test_markdown_reads_well_as_text(example: pd.DataFrame, written):
    lines = written(example)[1].splitlines()
    assert lines[:4] == [
        "| representation |  k |    dnll | level_gain | rollout_gap |",
        "|----------------|---:|--------:|-----------:|------------:|",
        "| log_mel        |  1 | -185.44 |      -0.12 |    overflow |",
        "| m              | 16 |    2.00 |            |    1.23e+08 |",
    ]
    assert lines[4:] == ["", "A note."]


def test_markdown_columns_line_up_whatever_the_values(example: pd.DataFrame, written):
    example.loc[0, ["representation", "dnll"]] = ["a_rather_long_name_of_a_representation", -1.23456e300]
    rows = written(example)[1].splitlines()[:4]
    bars = [[i for i, character in enumerate(row) if character == "|"] for row in rows]
    assert all(positions == bars[0] for positions in bars)


def test_latex_escapes_and_aligns(example: pd.DataFrame, written):
    example["representation"] = ["log_mel & 50 % #1", "a\\b"]
    text = written(example, ("A note.", "", "Another."))[2]
    lines = text.splitlines()
    assert lines[:3] == ["% A note.", "% Another.", r"\begin{tabular}{lrrrr}"]
    assert r"representation & k & dnll & level\_gain & rollout\_gap \\" in lines
    assert r"log\_mel \& 50 \% \#1 & 1 & -185.44 & -0.12 & overflow \\" in lines
    assert r"a\textbackslash{}b & 16 & 2.00 &  & 1.23e+08 \\" in lines


def test_notes_say_whether_anything_is_published_to_compare_with():
    published, *_ = [n for n in lagged_notes("c", TABLE, KINDS) if "ublished" in n]
    assert "000, 001, 003" in published
    own = lagged_notes("c", {**TABLE, "representations": ["mel"]}, KINDS)
    assert any("No value has been published" in note for note in own)
    assert any("`c`" in note for note in own)
