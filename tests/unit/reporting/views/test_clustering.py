"""The Phase 0 table: rows of keys and of predictors, what turns into what, and what is published beside."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.sheet import Sheet, write_sheet
from latentdyn.reporting.views import clustering
from latentdyn.reporting.views.clustering import draw

TABLE = {"representations": ["r"], "surrogates": [], "keys": ["pool"], "predictors": [], "seeds": [0],
         "splits": ["eval"], "slices": ["all"]}  # fmt: skip
KINDS = {
    "representations": {"r": "mimi", "mel": "logmel", "r__shuffled": "mimi>surrogate", "low": "mimi>pooled"},
    "keys": {"pool": "mean_pool", "pc": "pca"},
}
CLUSTERED = {
    "mass_excluded": 0.125,
    "variance_ratio": (0.9, 0.85, 0.95),
    "variance_ratio_permuted": 0.99,
    "variance_ratio_held_out": (1.02, 0.98, 1.05),
    "entropy_reduction": (1.5, 1.0, 2.0),
    "entropy_reduction_permuted": -0.25,
    "label_entropy": 3.5,
    "clusters_used": 60.0,
    "variance_ratio_top8": 0.8,
    "explained_variance_top8": 0.7,
}
PREDICTED = {"r2_delta": (0.25, 0.2, 0.3), "r2_delta_top8": (0.4, 0.3, 0.5), "dnll": (-6.0, -7.0, -4.0), "nll": 90.0}


def clusters(handmade, n: int = 64, key: str = "pool", values: Any = CLUSTERED, **where: Any):
    return handmade.add(values, predictor=key, regime="clustered", clusters=n, **where)


def tabulate(measured: Measurements, **table: Any) -> Sheet:
    table = {**TABLE, **table}
    return clustering.tabulate(measured, table, {"corpus": "c", "rows": table["representations"], "kinds": KINDS})


def test_rows_are_keys_by_cluster_counts_then_predictors(handmade):
    for r in ("mel", "r"):
        for split in ("eval", "train"):
            for slice_ in ("high_energy", "all"):
                where = {"representation": r, "split": split, "slice": slice_}
                for n in (256, 64, 1024):
                    clusters(handmade, n, "pool", **where)
                    clusters(handmade, n, "pc", **where)
                handmade.add(PREDICTED, predictor="q", **where).add(PREDICTED, predictor="p", **where)
    lists = {"representations": ["r", "mel"], "keys": ["pc", "pool"], "predictors": ["p", "q"]}
    rows = tabulate(handmade.measured, **lists, splits=["train", "eval"], slices=["all", "high_energy"]).rows
    whose = [
        ("pc", 64),
        ("pc", 256),
        ("pc", 1024),
        ("pool", 64),
        ("pool", 256),
        ("pool", 1024),
        ("p", None),
        ("q", None),
    ]
    keys = [
        (*row[:4], None if math.isnan(row.clusters) else row.clusters)
        for row in rows[["representation", "split", "slice", "by", "clusters"]].itertuples(index=False)
    ]
    assert keys == [
        (r, split, slice_, *who)
        for r in ("r", "mel") for split in ("train", "eval") for slice_ in ("all", "high_energy") for who in whose
    ]  # fmt: skip


def test_values_of_a_key_by_hand(handmade):
    row = tabulate(clusters(handmade).measured).rows.iloc[0]
    for metric, value in CLUSTERED.items():
        value, *interval = value if isinstance(value, tuple) else (value,)
        assert row[metric] == value
        if interval:
            assert [row[f"{metric}_ci_low"], row[f"{metric}_ci_high"]] == interval
    assert (row["n"], row["clusters"]) == (50, 64)


def test_the_seeds_are_those_of_predictors(handmade):
    """A clustering is measured once, whatever seeds the table averages."""
    clusters(handmade, seed=0)
    for seed, dnll in ((1, -4.0), (2, -8.0)):
        handmade.add({**PREDICTED, "dnll": dnll}, seed=seed)
    handmade.add({**PREDICTED, "dnll": 1e6}, seed=0)
    rows = tabulate(handmade.measured, predictors=["p"], seeds=[1, 2]).rows
    assert rows.entropy_reduction.tolist() == [1.5, 6.0]


def test_a_predictor_says_what_the_whole_context_would_tell(handmade):
    clusters(handmade)
    handmade.add(PREDICTED, n=49).add({**PREDICTED, "dnll": 1e6, "r2_delta": -1e6}, horizon=2)
    row = tabulate(handmade.measured, predictors=["p"]).rows.iloc[1]
    assert (row["by"], row["n"]) == ("p", 49) and math.isnan(row["clusters"])
    names = [f"{name}{bound}" for name in ("variance_ratio_held_out", "entropy_reduction")
             for bound in ("", "_ci_low", "_ci_high")]  # fmt: skip
    # 1 - R² and -ΔNLL, the ends of their intervals changed over
    assert row[names].tolist() == pytest.approx([0.75, 0.7, 0.8, 6.0, 4.0, 7.0])
    assert row["variance_ratio_top8"] == pytest.approx(0.6)
    assert row[["variance_ratio", "entropy_reduction_permuted", "mass_excluded"]].isna().all()


def test_an_overflow_of_a_predictor_stays_one(handmade):
    clusters(handmade)
    handmade.add({**PREDICTED, "dnll": math.inf})
    row = tabulate(handmade.measured, predictors=["p"]).rows.iloc[1]
    assert row.entropy_reduction == -math.inf and math.isnan(row.entropy_reduction_ci_low)


@pytest.mark.parametrize(
    ("representation", "key", "split", "expected"),
    [
        ("r", "pool", "eval", (0.997, 0.999)),
        ("r", "pc", "eval", (0.988, 0.995)),
        ("r", "pc", "train", None),
        ("mel", "pool", "eval", None),
        ("r__shuffled", "pool", "eval", None),
        ("low", "pool", "eval", None),  # at another frame rate
    ],
)
def test_published_values_stand_beside_rows_of_their_kind_only(handmade, representation, key, split, expected):
    clusters(handmade, key=key, representation=representation, split=split)
    sheet = tabulate(handmade.measured, representations=[representation], keys=[key], splits=[split])
    assert any("Published" in note for note in sheet.notes) == (expected is not None)
    if expected is None:
        assert not any("published" in column for column in sheet.rows)
    else:
        assert tuple(sheet.rows[["published_ratio", "published_random"]].iloc[0]) == expected


def test_one_published_row_leaves_its_surrogate_blank(handmade):
    clusters(handmade)
    clusters(handmade, representation="r__shuffled")
    rows = tabulate(handmade.measured, representations=["r", "r__shuffled"]).rows
    assert rows.published_ratio.iloc[0] == 0.997 and pd.isna(rows.published_ratio.iloc[1])


def test_counts_are_whole_and_ratios_have_four_decimals_for_readers(handmade, tmp_path: Path):
    clusters(handmade)
    sheet = tabulate(handmade.add(PREDICTED).measured, predictors=["p"])
    write_sheet(sheet, *(tmp_path / f"t.{suffix}" for suffix in ("csv", "md", "tex")))
    tables = (tmp_path / "t.md").read_text(encoding="utf-8").split("\n\n")[:2]  # the table in two parts
    first: dict[str, str] = {}
    second: dict[str, str] = {}
    for table in tables:
        header, _, *lines = ([cell.strip() for cell in line.split("|")] for line in table.splitlines())
        for cells in lines:
            row = dict(zip(header, cells, strict=True))
            (first if row["by"] == "pool" else second).update(row)
    assert (first["clusters"], first["clusters_used"], first["n"]) == ("64", "60", "50")
    assert first["variance_ratio"].startswith("0.9000") and first["entropy_reduction"].startswith("1.500")
    assert second["clusters"] == "" and second["variance_ratio_held_out"].startswith("0.7500")


def test_columns_that_no_row_has_are_left_out(handmade):
    """One eval speaker has no interval, and no key was asked for principal dimensions."""
    values = {"mass_excluded": 0.0, "variance_ratio": 0.9}
    assert list(tabulate(clusters(handmade, values=values).measured, representations=["r"], splits=["eval"]).rows) == [
        "representation", "split", "slice", "by", "clusters", "n", "variance_ratio", "mass_excluded",
        "published_ratio", "published_random",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"keys": ["pc"]}, "representation = r, split = eval, slice = all, by = pc"),
        ({"predictors": ["p"]}, "by = p"),
        ({"splits": ["validation"]}, "split = validation"),
        ({"slices": ["high_energy"]}, "slice = high_energy"),
    ],
)
def test_a_row_without_metrics_is_an_error_that_names_it(handmade, table, named):
    with pytest.raises(UserError, match=named):
        tabulate(clusters(handmade).measured, **table)


# the figure
DRAWN_TABLE = {"representations": ["r"], "surrogates": [], "keys": ["pool"], "predictors": ["p"], "seeds": [0],
               "splits": ["eval"], "slices": ["all", "high_energy"]}  # fmt: skip
PLAN = {"corpus": "c", "rows": ["r"], "kinds": {"representations": {"r": "logmel"}, "keys": {"pool": "mean_pool"}}}


@pytest.fixture
def measured(handmade):
    for slice_, shift in (("all", 0.0), ("high_energy", 0.125)):
        for n in (256, 64):
            ratio, reduction = 0.75 + shift + n / 2048, 1.0 + shift + n / 64
            values = {
                "mass_excluded": 0.0,
                "variance_ratio_held_out": (ratio, ratio - 0.0625, ratio + 0.0625),
                "entropy_reduction": (reduction, reduction - 1, reduction + 1),
            }
            handmade.add(values, predictor="pool", clusters=n, slice=slice_)
        handmade.add({"r2_delta": (0.5, 0.25, 0.75), "dnll": (-8.0, -9.0, -7.0)}, slice=slice_)
    return handmade.measured


def test_lines_hold_the_values_of_the_table(measured):
    ratio, reduction = draw(measured, DRAWN_TABLE, PLAN).axes
    for axis, expected, whole_context in ((ratio, [0.78125, 0.875], 0.5), (reduction, [2.0, 5.0], 8.0)):
        lines = {line.get_label(): line for line in axis.get_lines() if not line.get_label().startswith("_")}
        assert list(lines) == ["r, pool, eval", "r, p, eval", "r, pool, eval, high_energy", "r, p, eval, high_energy"]
        key, shifted, predictor = (lines[name] for name in (*list(lines)[::2], "r, p, eval"))
        np.testing.assert_array_equal(key.get_xydata(), np.column_stack([[64, 256], expected]))
        np.testing.assert_array_equal(shifted.get_ydata(), np.add(expected, 0.125))
        assert list(predictor.get_ydata()) == [whole_context] * 2  # horizontal
        band = axis.collections[0].get_paths()[0].vertices
        spread = 0.0625 if axis is ratio else 1
        ends = [(band[band[:, 0] == n, 1].min(), band[band[:, 0] == n, 1].max()) for n in (64, 256)]
        np.testing.assert_array_equal(ends, [(v - spread, v + spread) for v in expected])


def test_values_without_an_interval_are_drawn(handmade, tmp_path):
    """One eval speaker has none."""
    values = {"mass_excluded": 0.0, "variance_ratio_held_out": 0.5, "entropy_reduction": 1.0}
    handmade.add(values, predictor="pool", clusters=64)
    figure = draw(handmade.measured, {**DRAWN_TABLE, "predictors": [], "slices": ["all"]}, PLAN)
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [0.5]
    write_figure(figure, tmp_path / "a.png")


def test_what_was_not_measured_leaves_a_panel_empty(handmade, tmp_path):
    """Where every frame is in too small a cluster, there is no ratio."""
    handmade.add({"mass_excluded": 1.0}, predictor="pool", clusters=64)
    figure = draw(handmade.measured, {**DRAWN_TABLE, "predictors": [], "slices": ["all"]}, PLAN)
    assert pd.isna(figure.axes[0].get_lines()[0].get_ydata()).all()
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(measured, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(measured, DRAWN_TABLE, PLAN), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
