"""Differences between rows: which pairs, what of each, and when they decide."""

import math
from typing import Any

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.views import paired
from latentdyn.reporting.views.paired import draw, paired_rows

TABLE = {"representations": ["r"], "surrogates": [], "predictors": ["p", "q"], "horizons": [1], "seeds": [0],
         "splits": ["eval"], "metrics": ["dnll"]}  # fmt: skip
PLAN = {"corpus": "c"}


def add(handmade, means: tuple[float, float], metrics=("dnll",), **where: Any) -> None:
    """Two speakers of four frames each, with these means."""
    speakers = {metric: {f"s{i}": (4 * mean, 4) for i, mean in enumerate(means)} for metric in metrics}
    handmade.add(dict.fromkeys(metrics, sum(means) / 2), speakers=speakers, **where)


def test_pairs_are_predictors_of_a_representation_then_its_surrogates_then_representations(handmade):
    for representation in ("r", "s"):
        for name in (representation, f"{representation}__shuffled", f"{representation}__white"):
            for predictor in ("p", "q", "z"):
                for split in ("train", "eval"):
                    add(handmade, (1.0, 2.0), representation=name, predictor=predictor, split=split)
    table = {**TABLE, "representations": ["s", "r"], "surrogates": ["white", "shuffled"], "predictors": ["z", "p", "q"]}
    rows = paired.tabulate(handmade.measured, {**table, "splits": ["train", "eval"]}, PLAN).rows
    within = [
        pair
        for r in ("s", "r")
        for pair in [
            *((f"{r}/{p}", f"{r}/{q}") for p, q in (("z", "p"), ("z", "q"), ("p", "q"))),
            *((f"{r}/{p}", f"{r}__{method}/{p}") for method in ("white", "shuffled") for p in ("z", "p", "q")),
        ]
    ]
    pairs = [*within, *((f"s/{p}", f"r/{p}") for p in ("z", "p", "q"))]
    measured = list(rows[["a", "b", "split"]].itertuples(index=False, name=None))
    assert measured == [(*pair, split) for pair in pairs for split in ("train", "eval")]


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ((1.0, 5.0), (2.0, 3.0, -1.0, -1.0, -1.0, "yes")),  # both speakers say -1
        ((-1.0, 1.0), (2.0, 0.0, 2.0, 1.0, 3.0, "yes")),
        ((1.0, 2.0), (2.0, 1.5, 0.5, -1.0, 2.0, "no")),
        ((0.0, 0.0), (2.0, 0.0, 2.0, 0.0, 4.0, "no")),
    ],
)
def test_values_by_hand(handmade, other, expected):
    """Half of all resamples draw one of two speakers twice, so the interval is from one's difference to the other's."""
    add(handmade, (0.0, 4.0), predictor="p")
    add(handmade, other, predictor="q")
    row = paired.tabulate(handmade.measured, TABLE, PLAN).rows.iloc[0]
    assert tuple(row[["a_value", "b_value", "difference", "ci_low", "ci_high", "decided"]]) == expected


def test_one_speaker_decides_nothing(handmade):
    for predictor, total in (("p", 1.0), ("q", 9.0)):
        handmade.add({"dnll": total}, predictor=predictor, speakers={"dnll": {"s": (total, 1)}})
    row = paired.tabulate(handmade.measured, TABLE, PLAN).rows.iloc[0]
    assert (row.difference, row.decided) == (-8.0, "no") and math.isnan(row.ci_low) and math.isnan(row.ci_high)


def test_metrics_come_in_the_order_of_the_config_where_they_are_measured(handmade):
    for predictor in ("p", "q"):
        add(handmade, (1.0, 2.0), ("dnll", "level_gain"), predictor=predictor)
        add(handmade, (1.0, 2.0), ("dnll",), predictor=predictor, horizon=2)
    table = {**TABLE, "horizons": [1, 2], "metrics": ["level_gain", "dnll"]}
    rows = paired.tabulate(handmade.measured, table, PLAN).rows
    assert rows[["k", "metric"]].values.tolist() == [[1, "level_gain"], [1, "dnll"], [2, "dnll"]]


def test_seeds_are_pooled(handmade):
    for seed, means in enumerate([(0.0, 2.0), (2.0, 4.0), (1e6, 1e6)]):  # the last belongs to another table
        add(handmade, means, predictor="p", seed=seed)
    add(handmade, (1.0, 1.0), predictor="q")  # one run stands for all seeds of a closed form
    row = paired.tabulate(handmade.measured, {**TABLE, "seeds": [0, 1]}, PLAN).rows.iloc[0]
    assert row[["a_value", "b_value", "difference", "ci_low", "ci_high"]].tolist() == [2.0, 1.0, 1.0, 0.0, 2.0]


def test_rows_of_different_speakers_are_refused(handmade):
    add(handmade, (1.0, 2.0), predictor="p")
    handmade.add({"dnll": 1.0}, predictor="q", speakers={"dnll": {"s0": (4.0, 4), "s9": (4.0, 4)}})
    with pytest.raises(UserError, match=r"on 2 and 2 speakers, not the same ones"):
        paired.tabulate(handmade.measured, TABLE, PLAN)


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"predictors": ["p", "z"]}, "predictor = z, split = eval, k = 1"),
        ({"surrogates": ["white"]}, "representation = r__white"),
        ({"splits": ["validation"]}, "split = validation"),
        ({"horizons": [8]}, "k = 8"),
        ({"predictors": ["p"]}, r"no row.*name two predictors, a surrogate or two representations"),
        ({"metrics": ["level_gain"]}, r"no row.*level_gain only with k = 1"),
    ],
)
def test_rows_that_cannot_be_made_are_an_error(handmade, table, named):
    add(handmade, (1.0, 2.0), predictor="p")
    add(handmade, (1.0, 2.0), predictor="q")
    with pytest.raises(UserError, match=named):
        paired.tabulate(handmade.measured, {**TABLE, **table}, PLAN)


def representations(handmade, rates=(12.5, 12.5)) -> dict[str, Any]:
    """x has two dimensions and y four; their NLL are in other units, so they differ by far."""
    sums = {
        "x": {"nll": {"s0": (0.0, 1), "s1": (4.0, 1)}, "r2_delta_error": {"s0": (1.0, 1), "s1": (2.0, 1)},
              "r2_delta_spread": {"s0": (4.0, 1), "s1": (4.0, 1)}, "dnll": {"s0": (-4.0, 1), "s1": (-2.0, 1)}},
        "y": {"nll": {"s0": (900.0, 1), "s1": (908.0, 1)}, "r2_delta_error": {"s0": (3.0, 1), "s1": (3.0, 1)},
              "r2_delta_spread": {"s0": (4.0, 1), "s1": (4.0, 1)}, "dnll": {"s0": (-4.0, 1), "s1": (-4.0, 1)}},
    }  # fmt: skip
    twins = {"x": {"s0": (10.0, 1), "s1": (10.0, 1)}, "y": {"s0": (904.0, 1), "s1": (912.0, 1)}}
    for (name, speakers), dim, rate in zip(sums.items(), (2.0, 4.0), rates, strict=True):
        handmade.add({"dim": dim, "frame_rate_hz": rate}, representation=name, speakers=speakers)
        twin = {"nll": twins[name]}
        handmade.add({"nll": 0.0}, representation=name, predictor="p__unconditional", horizon=8, speakers=twin)
    return {**TABLE, "representations": ["x", "y"], "predictors": ["p"]}


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        # gains of x: -10 and -6; of y: -4 and -4. By dimension half, and a quarter
        ("context_gain", (-8.0, -4.0, -4.0, -6.0, -2.0, "yes", "a")),
        ("context_gain_per_dim", (-4.0, -1.0, -3.0, -4.0, -2.0, "yes", "a")),
        ("dnll", (-3.0, -4.0, 1.0, 0.0, 2.0, "no", "")),
        ("dnll_per_dim", (-1.5, -1.0, -0.5, -1.0, 0.0, "no", "")),
        ("r2_delta", (0.625, 0.25, 0.375, 0.25, 0.5, "yes", "a")),  # 1 - 3/8 and 1 - 6/8; by speaker 3/4, 1/2; 1/4
    ],
)
def test_representations_are_compared_in_what_has_no_unit_of_theirs(handmade, metric, expected):
    table = {**representations(handmade), "metrics": [metric, "nll"]}
    sheet = paired.tabulate(handmade.measured, table, PLAN)
    (row,) = sheet.rows.itertuples()  # nll depends on the units
    assert (row.a, row.b, row.metric) == ("x/p", "y/p", metric)
    assert (row.a_value, row.b_value, row.difference, row.ci_low, row.ci_high) == pytest.approx(expected[:5])
    assert (row.decided, row.better) == expected[5:]
    assert "nll` depends on the units" in " ".join(sheet.notes)


def test_representations_of_other_frame_rates_are_not_compared_and_that_is_said(handmade):
    table = representations(handmade, rates=(12.5, 50.0))
    for name in ("x", "y"):
        add(handmade, (1.0, 2.0), representation=name, predictor="q")
    sheet = paired.tabulate(handmade.measured, {**table, "predictors": ["p", "q"]}, PLAN)
    assert sheet.rows[["a", "b"]].values.tolist() == [["x/p", "x/q"], ["y/p", "y/q"]]
    assert "Not compared, since their frames do not last equally long: `x` and `y`." in sheet.notes


# the figure
DRAWN_TABLE = {"representations": ["r"], "surrogates": ["white"], "predictors": ["p", "q"], "seeds": [0],
               "splits": ["eval"], "horizons": [1, 2], "metrics": ["cosine", "level_gain", "dnll"]}  # fmt: skip
DRAWN_PLAN = {"corpus": "c"}


@pytest.fixture
def measured(handmade):
    rng = np.random.default_rng(0)
    for representation in ("r", "r__white"):
        for predictor in ("p", "q"):
            for k in (1, 2):
                metrics = ("cosine", "dnll") + (("level_gain",) if k == 1 else ())
                speakers = {m: {f"s{i}": (t, 1) for i, t in enumerate(rng.normal(size=5))} for m in metrics}
                where = {"representation": representation, "predictor": predictor, "horizon": k}
                handmade.add(dict.fromkeys(metrics, 0.0), speakers=speakers, **where)
    return handmade.measured


def test_a_panel_a_metric_a_line_a_pair_and_horizon(measured):
    rows = paired_rows(measured, DRAWN_TABLE)
    rows["name"] = [f"{r.a} - {r.b}, eval, k = {r.k}" for r in rows.itertuples()]
    lines = list(dict.fromkeys(rows["name"]))
    figure = draw(measured, DRAWN_TABLE, DRAWN_PLAN)
    assert [axis.get_title().split(",")[0] for axis in figure.axes] == [
        "difference in cosine", "difference in level_gain", "difference in dnll",
    ]  # fmt: skip
    for metric, axis in zip(DRAWN_TABLE["metrics"], figure.axes, strict=True):
        mine = rows[rows.metric == metric]
        points, zero = axis.get_lines()
        np.testing.assert_array_equal(points.get_xdata(), mine.difference)
        np.testing.assert_array_equal(points.get_ydata(), [lines.index(name) for name in mine["name"]])
        assert list(zero.get_xdata()) == [0, 0]
        ends = [segment[:, 0].tolist() for segment in axis.collections[0].get_segments()]
        assert ends == mine[["ci_low", "ci_high"]].values.tolist()
        bottom, top = axis.get_ylim()
        assert top < 0 < len(lines) - 1 < bottom  # the first line at the top
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == lines
    assert [len(axis.get_lines()[0].get_xdata()) for axis in figure.axes] == [6, 3, 6]


def test_differences_without_an_interval_are_drawn(handmade, tmp_path):
    for predictor in ("p", "q"):
        handmade.add({"dnll": 0.0}, predictor=predictor, speakers={"dnll": {"s": (float(predictor == "p"), 1)}})
    table = {**DRAWN_TABLE, "surrogates": [], "horizons": [1], "metrics": ["dnll"]}
    figure = draw(handmade.measured, table, DRAWN_PLAN)
    assert figure.axes[0].get_lines()[0].get_xdata().tolist() == [1.0]
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(measured, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(measured, DRAWN_TABLE, DRAWN_PLAN), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
