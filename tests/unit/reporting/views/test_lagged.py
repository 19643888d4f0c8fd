"""The Phase 1 table from measurements by hand: rows, values, seeds, the context gain, and what is published beside."""

import math
from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from latentdyn.config.tables.lagged import LAGGED_COLUMNS as DEFAULT
from latentdyn.config.tables.lagged import LaggedColumn
from latentdyn.errors import UserError
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.views import lagged
from latentdyn.reporting.views.lagged import draw

TABLE = {"representations": ["mimi"], "surrogates": [], "predictors": ["net"], "horizons": [1], "seeds": [0],
         "splits": ["eval"], "slices": ["all"]}  # fmt: skip
PLAN = {
    "corpus": "c",
    "rows": ["mimi"],
    "kinds": {
        "representations": {"mimi": "mimi", "mel": "logmel", "mimi__shuffled": "mimi>surrogate",
                            "mimi_outliers": "mimi>outliers", "native": "encodec"},
        "predictors": {"net": "mdn", "net__unconditional": "mdn", "line": "linear_gaussian", "vmf": "vmf_lognormal"},
    },
}  # fmt: skip
VALUES = {"nll": 90.0, "dnll": (-10.0, -11.0, -8.0), "cosine": (0.5, 0.4, 0.6), "speakers": 4.0, "dim": 512.0,
          "nll_nonfinite": 2.0, "frame_rate_hz": 12.5, "rollout_gap": 3.0, "rollout_overflow": 0.0}  # fmt: skip
MIMI = {"representation": "mimi", "predictor": "net"}


def rows(measured: Measurements, columns: list[str], plan: dict[str, Any] = PLAN, **table: Any) -> pd.DataFrame:
    table = {**TABLE, **table, "columns": columns}
    return lagged.tabulate(measured, table, {**plan, "rows": table["representations"]}).rows[columns]


def test_rows_come_in_the_order_of_the_config_and_columns_too(handmade):
    for p in ("line", "net"):
        for s in ("eval", "train"):
            for k in (2, 1):
                for r in ("mel", "mimi"):
                    handmade.add(VALUES, representation=r, predictor=p, split=s, horizon=k)
    columns = ["split", "k", "representation", "predictor"]
    lists = {"representations": ["mimi", "mel"], "predictors": ["net", "line"], "splits": ["train", "eval"]}
    table = rows(handmade.measured, columns, horizons=[1, 2], **lists)
    assert list(table.columns) == columns
    assert table.values.tolist() == [
        [s, k, r, p] for r in ("mimi", "mel") for p in ("net", "line") for s in ("train", "eval") for k in (1, 2)
    ]


def test_values_by_hand(handmade):
    handmade.add(VALUES, **MIMI).add({**VALUES, "dnll": (-4.5, -5.5, -2.5)}, **MIMI, horizon=2)
    columns = ["k", "n", "nll", "dnll", "dnll_ci_low", "dnll_ci_high", "speakers", "nonfinite", "ms_per_step", "seeds",
               "rollout_gap", "rollout_overflow"]  # fmt: skip
    assert rows(handmade.measured, columns, horizons=[1, 2]).values.tolist() == [
        [1, 50, 90.0, -10.0, -11.0, -8.0, 4, 2, 80.0, 1, 3.0, 0],
        [2, 50, 90.0, -4.5, -5.5, -2.5, 4, 2, 80.0, 1, 3.0, 0],
    ]


def test_the_csv_has_every_column_that_a_config_can_name_and_people_see_those_it_names(handmade):
    sheet = lagged.tabulate(handmade.add(VALUES, **MIMI).measured, {**TABLE, "columns": ["k", "dnll"]}, PLAN)
    assert set(sheet.rows) == set(get_args(LaggedColumn)) and sheet.columns == ["k", "dnll"]


def test_columns_of_what_was_not_published_and_of_one_seed_are_not_shown(handmade):
    columns = ["dnll", "dnll_seed_sd", "published_dnll", "published_cosine", "level_gain"]
    handmade.add(VALUES, **MIMI)
    sheet = lagged.tabulate(handmade.measured, {**TABLE, "columns": columns}, PLAN)
    assert sheet.columns == ["dnll", "published_dnll", "published_cosine", "level_gain"]
    kinds = {"representations": {"mimi": "logmel"}, "predictors": {"net": "mdn"}}
    sheet = lagged.tabulate(handmade.measured, {**TABLE, "columns": columns}, {**PLAN, "kinds": kinds})
    assert sheet.columns == ["dnll", "level_gain"]


def test_the_default_columns_fit_a_hundred_characters_in_blocks(handmade, tmp_path):
    """The values are as long as those of the demo."""
    values = {**VALUES, "n": 9.0, "dnll": (-77.37, -82.53, -71.86), "cosine": (0.567, 0.5, 0.6), "r2_head": -0.078,
              "cosine_white_noise": 0.695}  # fmt: skip
    nll = {who: {"nll": {f"s{i}": (v + i * spread, 1) for i in range(4)}} for who, v, spread in
           (("net", 70.0, 1.0), ("twin", 85.0, 2.0))}  # fmt: skip
    for k in (1, 8):
        more = {"level_gain": (-66.80, -70.12, -63.45)} if k == 1 else {}
        handmade.add({**values, **more}, **MIMI, horizon=k, speakers=nll["net"])
    handmade.add(values, representation="mimi", predictor="net__unconditional", speakers=nll["twin"])
    table = {**TABLE, "horizons": [1, 8], "columns": DEFAULT}
    kinds = {"representations": {"mimi": "logmel"}, "predictors": {"net": "mdn"}}
    paths = [tmp_path / f"t.{form}" for form in ("csv", "md", "tex")]
    write_sheet(lagged.tabulate(handmade.measured, table, {**PLAN, "kinds": kinds}), *paths)
    lines = paths[1].read_text(encoding="utf-8").splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[0] == "**mimi, net, eval** (n = 50, speakers = 4, level_gain at k = 1: -66.80 [-70.12, -63.45])"
    names = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert names == ["k", "dnll", "context_gain", "cosine", "cosine_white_noise", "r2_head"]
    cells = [cell.strip() for cell in lines[5].strip("|").split("|")]
    assert cells[:2] == ["8", "-77.37 [-82.53, -71.86]"] and cells[2].startswith("-16.50 [") and cells[4] == "0.695"


def test_a_value_that_was_not_measured_is_left_blank(handmade):
    columns = ["level_gain", "r2_head", "dnll_seed_sd", "context_gain", "context_gain_ci_low", "unbounded"]
    assert rows(handmade.add(VALUES, **MIMI).measured, columns).isna().all(axis=None)


def test_seeds_are_averaged_and_their_spread_is_told(handmade):
    for seed, v in ((0, -9.0), (1, -10.0), (2, -14.0), (3, 1e6)):
        handmade.add({**VALUES, "dnll": (v, v - 1, v + 2)}, **MIMI, seed=seed)
    columns = ["dnll", "dnll_ci_low", "dnll_ci_high", "dnll_seed_sd", "seeds", "n", "speakers"]
    table = rows(handmade.measured, columns, seeds=[0, 1, 2])  # seed 3 belongs to another table
    # mean -11; deviations 2, 1, -3: sqrt(14 / 2)
    assert table.iloc[0].tolist() == pytest.approx([-11, -12, -9, math.sqrt(7), 3, 50, 4])


def test_one_overflow_makes_the_row_overflow(handmade):
    handmade.add(VALUES, **MIMI)
    handmade.add({**VALUES, "rollout_gap": math.inf, "rollout_overflow": 20.0}, **MIMI, seed=1)
    table = rows(handmade.measured, ["rollout_gap", "rollout_overflow"], seeds=[0, 1])
    assert table.iloc[0].tolist() == [math.inf, 10]


def test_a_slice_has_its_own_values_and_the_free_runs_of_the_whole_split(handmade):
    handmade.add({**VALUES, "spectral_radius": 0.9}, **MIMI)
    loud = {name: value for name, value in VALUES.items() if not name.startswith("rollout")}
    handmade.add({**loud, "dnll": -20.0}, **MIMI, slice="high_energy", n=20)
    columns = ["slice", "n", "dnll", "rollout_gap", "spectral_radius"]
    table = rows(handmade.measured, columns, slices=["high_energy", "all"])
    assert table.values.tolist() == [["high_energy", 20, -20.0, 3.0, 0.9], ["all", 50, -10.0, 3.0, 0.9]]


def test_the_context_gain_is_the_paired_difference_from_the_twin_without_context(handmade):
    rng = np.random.default_rng(0)
    twin = {**MIMI, "predictor": "net__unconditional", "horizon": 4}  # fitted once, at the longest horizon
    for slice_, n in (("all", 10), ("high_energy", 5)):
        difficulty = rng.normal(100, 10, 6)
        means = {"own": difficulty + rng.normal(-7, 1, 6), "twin": difficulty}
        nll = {who: {"nll": {f"s{i}": (v * n, n) for i, v in enumerate(values)}} for who, values in means.items()}
        for k in (1, 4):
            handmade.add(VALUES, **MIMI, slice=slice_, horizon=k, speakers=nll["own"])
        handmade.add(VALUES, **twin, slice=slice_, speakers=nll["twin"])
        handmade.add(VALUES, **twin, seed=1, slice=slice_, speakers={"nll": {"stranger": (0.0, 1)}})  # another run
    measured = handmade.measured
    columns = ["slice", "k", "context_gain", "context_gain_ci_low", "context_gain_ci_high"]
    table = rows(measured, columns, horizons=[1, 4], slices=["all", "high_energy"])
    for row in table.itertuples():
        own, without = (
            measured.where(representation="mimi", by=p, seed=0, slice=row.slice, horizon=k)
            for p, k in (("net", row.k), ("net__unconditional", 4))
        )
        expected = own.difference(without, "nll")
        gain = (row.context_gain, row.context_gain_ci_low, row.context_gain_ci_high)
        assert gain == (expected.value, expected.ci_low, expected.ci_high)
        assert row.context_gain == pytest.approx(-7, abs=1.5)
        assert row.context_gain_ci_high - row.context_gain_ci_low < 3  # though speakers differ by tens


def test_a_level_gain_is_set_beside_that_of_frames_in_random_order_over_the_same_speakers(handmade):
    for name, means in (("mimi", (-3.0, -9.0)), ("mimi__shuffled", (-1.0, -7.0))):  # intervals overlap
        sums = {"level_gain": {f"s{i}": (4 * mean, 4) for i, mean in enumerate(means)}}
        handmade.add({**VALUES, "level_gain": sum(means) / 2}, **{**MIMI, "representation": name}, speakers=sums)
    columns = [f"level_gain_over_shuffled{end}" for end in ("", "_ci_low", "_ci_high")]
    table = rows(handmade.measured, columns, representations=["mimi", "mimi__shuffled"], surrogates=["shuffled"])
    assert table.iloc[0].tolist() == [-2.0] * 3 and table.iloc[1].isna().all()


def test_a_twin_measured_on_other_speakers_is_refused(handmade):
    handmade.add(VALUES, **MIMI, speakers={"nll": {"s1": (1.0, 1), "s2": (1.0, 1)}})
    handmade.add(VALUES, representation="mimi", predictor="net__unconditional", speakers={"nll": {"s1": (1.0, 1)}})
    with pytest.raises(UserError, match="measured on 2 and 1 speakers"):
        rows(handmade.measured, ["context_gain"])


@pytest.mark.parametrize(
    ("representation", "predictor", "split", "k", "expected"),
    [
        ("mimi", "net", "eval", 1, [-185.44, 0.6114, -0.5949, None]),
        ("mimi", "net", "eval", 4, [-84.85, 0.1068, -33.8358, math.inf]),
        ("mimi", "net", "train", 2, [11856.85, None, None, None]),
        ("mimi", "line", "eval", 1, [None] * 4),  # published for the seed's kind of network
        ("mel", "net", "eval", 1, [None] * 4),  # and encoder
        ("mimi__shuffled", "net", "eval", 1, [None] * 4),  # and for its latents as they are
        ("mimi_outliers", "net", "eval", 1, [None] * 4),
        ("native", "net", "eval", 1, [None] * 4),  # published at 12.5 Hz
    ],
)
def test_published_values_stand_beside_rows_of_their_kind_only(handmade, representation, predictor, split, k, expected):
    handmade.add(VALUES, representation=representation, predictor=predictor, split=split, horizon=k)
    columns = ["published_dnll", "published_cosine", "published_r2", "published_rollout_gap"]
    lists = {"representations": [representation], "predictors": [predictor], "splits": [split], "horizons": [k]}
    measured = rows(handmade.measured, columns, **lists).iloc[0]
    assert [None if pd.isna(value) else value for value in measured] == expected


@pytest.mark.parametrize(
    ("predictor", "k", "expected"),
    [
        ("vmf", 1, [-2.20, 0.732, -3686, None]),
        ("vmf", 8, [-2.29, 0.058, -3695, None]),
        ("net", 1, [None, 0.6114, -0.5949, -185.44]),
    ],
)
def test_what_was_published_of_direction_and_length_is_no_dnll(handmade, predictor, k, expected):
    handmade.add({**VALUES, "dnll_factored": (-3.0, -4.0, -2.0)}, **{**MIMI, "predictor": predictor}, horizon=k)
    columns = ["published_dnll_factored", "published_cosine", "published_r2", "published_dnll"]
    table = rows(handmade.measured, [*columns, "dnll_factored_ci_low"], predictors=[predictor], horizons=[k])
    assert [None if pd.isna(value) else value for value in table.iloc[0]] == [*expected, -4.0]


@pytest.mark.parametrize(
    ("columns", "apart", "published"),
    [
        (["dnll", "kappa"], False, False),
        (["dnll_length"], True, False),
        (["dnll_factored", "published_dnll_factored"], True, True),
    ],
)
def test_scores_of_direction_and_length_are_told_apart_from_those_in_r_d(handmade, columns, apart, published):
    table = {**TABLE, "columns": columns}
    text = " ".join(lagged.tabulate(handmade.add(VALUES, **MIMI).measured, table, PLAN).notes)
    assert ("None of them compares with `dnll`" in text, "-196, -56, -5.9 and -.9" in text) == (apart, published)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"frame_rate_hz": 6.25}, {}),
        ({"dim": 256.0}, {}),
        ({}, {"slice": "high_energy"}),  # published of whole splits
        ({}, {"regime": "unrolled"}),
    ],
)
def test_a_row_that_differs_in_anything_has_no_published_value(handmade, values, where):
    handmade.add({**VALUES, **values}, **MIMI, **where)
    slices = [where.get("slice", "all")]
    assert rows(handmade.measured, ["published_dnll"], slices=slices).isna().all(axis=None)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"splits": ["validation"]}, "split = validation"),
        ({"slices": ["high_energy"]}, "slice = high_energy"),
        ({"horizons": [8]}, "k = 8"),
        ({"seeds": [7]}, "representation = mimi"),
    ],
)
def test_a_row_without_metrics_is_an_error_that_names_it(handmade, table, named):
    with pytest.raises(UserError, match=named):
        rows(handmade.add(VALUES, **MIMI).measured, ["dnll"], **table)


@pytest.mark.parametrize(
    ("kind", "surrogates", "expected"),
    [
        ("mimi", [], [True, False, False]),
        ("logmel", [], [False, True, False]),
        ("mimi", ["shuffled"], [True, False, True]),
    ],
)
def test_notes_say_whether_anything_is_published_and_what_surrogates_are(handmade, kind, surrogates, expected):
    plan = {**PLAN, "kinds": {"representations": {"mimi": kind}, "predictors": {"net": "mdn"}}}
    table = {**TABLE, "surrogates": surrogates, "columns": ["dnll"]}
    text = " ".join(lagged.tabulate(handmade.add(VALUES, **MIMI).measured, table, plan).notes)
    assert [words in text for words in ("000, 001, 003", "No value has been published", "__shuffled")] == expected
    assert text.startswith("Corpus `c`.")


# the figure
DRAWN_TABLE = {"representations": ["r"], "surrogates": ["white"], "predictors": ["p"], "seeds": [0],
               "splits": ["train", "eval"], "slices": ["all"], "horizons": [1, 2]}  # fmt: skip
DRAWN_PLAN = {"corpus": "c", "rows": ["r", "r__white"],
              "kinds": {"representations": {"r": "logmel", "r__white": "logmel>surrogate"},
                        "predictors": {"p": "mdn"}}}  # fmt: skip
TITLES = {"dnll": "ΔNLL", "gain": "context gain", "gap": "rollout", "cosine": "direction", "share": "share",
          "head": "magnitude"}  # fmt: skip


@pytest.fixture
def measured(handmade):
    metrics = {"nll": 3.0, "dnll": -4.0, "cosine": 0.5, "r2_head": 0.1, "r2_delta": 0.2, "rollout_gap_median": 2.0}
    for representation, scale in (("r", 1.0), ("r__white", 3.0)):
        for split in ("train", "eval"):
            twin = {"nll": {"s1": (50.0, 5), "s2": (50.0, 5)}}
            handmade.add({}, representation=representation, predictor="p__unconditional", split=split, speakers=twin)
            for k in (1, 2):
                values = {name: (v * k * scale, v * k * scale - 1, v * k * scale + 1) for name, v in metrics.items()}
                nll = {"nll": {"s1": (50.0 - 40 * k, 5), "s2": (50.0 - 40 * k, 5)}}
                where = {"representation": representation, "split": split, "horizon": k}
                facts = {"dim": 8.0 * k, "frame_rate_hz": 12.5, "cosine_white_noise": 0.7 if k == 1 else 0.0}
                handmade.add({**values, **facts}, speakers=nll, **where)
    return handmade.measured


def test_surrogates_and_splits_are_told_apart(measured):
    lines = panels(draw(measured, DRAWN_TABLE, DRAWN_PLAN))["dnll"].get_lines()
    styles = {line.get_label(): line.get_linestyle() for line in lines if not line.get_label().startswith("_")}
    assert len(styles) == len(set(styles.values())) == 4
    assert styles["r, p, eval"] == "-" and styles["r__white, p, eval"] == "--"


def test_white_noise_and_milliseconds_stand_beside(measured):
    axis = panels(draw(measured, DRAWN_TABLE, DRAWN_PLAN))["cosine"]
    (reference,) = {tuple(map(tuple, line.get_xydata())) for line in axis.get_lines() if line.get_color() == "0.5"}
    assert reference == ((1.0, 0.7), (2.0, 0.0))
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1\n80", "2\n160"]
    assert "ms" in axis.get_xlabel()


def panels(figure):
    return {name: next(a for a in figure.axes if a.get_title().startswith(start)) for name, start in TITLES.items()}


def test_lines_hold_the_values_of_the_table(measured):
    by_title = panels(draw(measured, DRAWN_TABLE, DRAWN_PLAN))
    lines = {
        name: {line.get_label(): line.get_xydata() for line in axis.get_lines() if not line.get_label().startswith("_")}
        for name, axis in by_title.items()
    }
    assert list(lines["dnll"]) == ["r, p, train", "r, p, eval", "r__white, p, train", "r__white, p, eval"]
    # by dimension, of which there are 8 and 16
    np.testing.assert_allclose(lines["dnll"]["r, p, eval"], [[1, -4 / 8], [2, -8 / 16]])
    np.testing.assert_allclose(lines["gain"]["r, p, eval"], [[1, -8 / 8], [2, -16 / 16]])
    np.testing.assert_allclose(lines["dnll"]["r__white, p, eval"], [[1, -12 / 8], [2, -24 / 16]])
    np.testing.assert_allclose(lines["cosine"]["r, p, train"], [[1, 0.5], [2, 1.0]])
    np.testing.assert_allclose(lines["gap"]["r, p, eval"], [[1, 2], [2, 4]])
    np.testing.assert_allclose(lines["share"]["r, p, eval"], [[1, 0.2], [2, 0.4]])
    np.testing.assert_allclose(lines["head"]["r, p, eval"], [[1, 0.1], [2, 0.2]])


def test_intervals_are_bands_about_eval_rows(measured):
    by_title = panels(draw(measured, DRAWN_TABLE, DRAWN_PLAN))
    assert {name: len(axis.collections) for name, axis in by_title.items()} == {
        "dnll": 2, "gain": 2, "gap": 0, "cosine": 2, "share": 0, "head": 0,
    }  # fmt: skip
    band = by_title["cosine"].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([band[band[:, 0] == k, 1].min() for k in (1, 2)], [0.5 - 1, 1.0 - 1])
    np.testing.assert_allclose([band[band[:, 0] == k, 1].max() for k in (1, 2)], [0.5 + 1, 1.0 + 1])


def test_what_was_not_measured_leaves_a_panel_empty(handmade, tmp_path):
    for k in (1, 2):
        handmade.add({"nll": 1.0, "dnll": -1.0, "dim": 2.0}, horizon=k)
    table = {**DRAWN_TABLE, "splits": ["eval"], "surrogates": []}
    figure = draw(handmade.measured, table, {**DRAWN_PLAN, "rows": ["r"]})
    (line,) = [line for line in panels(figure)["gap"].get_lines() if line.get_label() == "r, p, eval"]
    assert np.isnan(line.get_ydata()).all()
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(measured, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(measured, DRAWN_TABLE, DRAWN_PLAN), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
