"""The figure draws the table's differences and their intervals."""

import numpy as np
import pytest

from latentdyn.reporting.figures.paired import draw
from latentdyn.reporting.figures.png import write_figure
from latentdyn.reporting.tables.paired import paired_rows

TABLE = {"representations": ["r"], "surrogates": ["white"], "predictors": ["p", "q"], "seeds": [0], "splits": ["eval"],
         "horizons": [1, 2], "metrics": ["cosine", "level_gain", "dnll"]}  # fmt: skip
ABOUT = {"corpus": "c"}


@pytest.fixture
def found(handmade):
    rng = np.random.default_rng(0)
    for representation in ("r", "r__white"):
        for predictor in ("p", "q"):
            for k in (1, 2):
                metrics = ("cosine", "dnll") + (("level_gain",) if k == 1 else ())
                speakers = {m: {f"s{i}": (t, 1) for i, t in enumerate(rng.normal(size=5))} for m in metrics}
                where = {"representation": representation, "predictor": predictor, "horizon": k}
                handmade.add(dict.fromkeys(metrics, 0.0), speakers=speakers, **where)
    return handmade.found


def test_a_panel_a_metric_a_line_a_row(found):
    rows = paired_rows(found, TABLE)
    figure = draw(found, TABLE, ABOUT)
    assert [axis.get_title().split(",")[0] for axis in figure.axes] == [
        "difference in cosine", "difference in level_gain", "difference in dnll",
    ]  # fmt: skip
    for metric, axis in zip(TABLE["metrics"], figure.axes, strict=True):
        mine = rows[rows.metric == metric][::-1]  # the first row at the top
        points, zero = axis.get_lines()
        np.testing.assert_array_equal(points.get_xdata(), mine.difference)
        np.testing.assert_array_equal(points.get_ydata(), range(len(mine)))
        assert list(zero.get_xdata()) == [0, 0]
        ends = [segment[:, 0].tolist() for segment in axis.collections[0].get_segments()]
        assert ends == mine[["ci_low", "ci_high"]].values.tolist()
        names = [label.get_text() for label in axis.get_yticklabels()]
        assert names == [f"{r.a} - {r.b}, eval, k = {r.k}" for r in mine.itertuples()]
    assert [len(axis.get_yticks()) for axis in figure.axes] == [6, 3, 6]


def test_differences_without_an_interval_are_drawn(handmade, tmp_path):
    for predictor in ("p", "q"):
        handmade.add({"dnll": 0.0}, predictor=predictor, speakers={"dnll": {"s": (float(predictor == "p"), 1)}})
    table = {**TABLE, "surrogates": [], "horizons": [1], "metrics": ["dnll"]}
    figure = draw(handmade.found, table, ABOUT)
    assert figure.axes[0].get_lines()[0].get_xdata().tolist() == [1.0]
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(found, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(found, TABLE, ABOUT), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
