"""The figure draws the table's numbers, and draws them the same twice."""

import numpy as np
import pytest

from latentdyn.reporting.figures.lagged import draw
from latentdyn.reporting.figures.png import write_figure

TABLE = {"representations": ["r"], "surrogates": ["white"], "predictors": ["p"], "seeds": [0],
         "splits": ["train", "eval"], "slices": ["all"], "horizons": [1, 2]}  # fmt: skip
ABOUT = {"corpus": "c", "rows": ["r", "r__white"],
         "kinds": {"representations": {"r": "logmel"}, "predictors": {"p": "mdn"}}}  # fmt: skip
TITLES = {"dnll": "ΔNLL", "gain": "context gain", "gap": "rollout", "cosine": "direction", "share": "share",
          "head": "magnitude"}  # fmt: skip


@pytest.fixture
def found(handmade):
    metrics = {"nll": 3.0, "dnll": -4.0, "cosine": 0.5, "r2_head": 0.1, "r2_delta": 0.2, "rollout_gap_median": 2.0,
               "frame_rate_hz": 12.5}  # fmt: skip
    for representation, scale in (("r", 1.0), ("r__white", 3.0)):
        for split in ("train", "eval"):
            twin = {"nll": {"s1": (50.0, 5), "s2": (50.0, 5)}}
            handmade.add({}, representation=representation, predictor="p__unconditional", split=split, speakers=twin)
            for k in (1, 2):
                values = {name: (v * k * scale, v * k * scale - 1, v * k * scale + 1) for name, v in metrics.items()}
                nll = {"nll": {"s1": (50.0 - 40 * k, 5), "s2": (50.0 - 40 * k, 5)}}
                where = {"representation": representation, "split": split, "horizon": k}
                handmade.add({**values, "dim": 8.0 * k}, speakers=nll, **where)
    return handmade.found


def panels(figure):
    return {name: next(a for a in figure.axes if a.get_title().startswith(start)) for name, start in TITLES.items()}


def test_lines_hold_the_values_of_the_table(found):
    by_title = panels(draw(found, TABLE, ABOUT))
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


def test_intervals_are_bands_about_eval_rows(found):
    by_title = panels(draw(found, TABLE, ABOUT))
    assert {name: len(axis.collections) for name, axis in by_title.items()} == {
        "dnll": 2, "gain": 2, "gap": 0, "cosine": 2, "share": 0, "head": 0,
    }  # fmt: skip
    band = by_title["cosine"].collections[0].get_paths()[0].vertices
    np.testing.assert_allclose([band[band[:, 0] == k, 1].min() for k in (1, 2)], [0.5 - 1, 1.0 - 1])
    np.testing.assert_allclose([band[band[:, 0] == k, 1].max() for k in (1, 2)], [0.5 + 1, 1.0 + 1])


def test_what_was_not_measured_leaves_a_panel_empty(handmade, tmp_path):
    for k in (1, 2):
        handmade.add({"nll": 1.0, "dnll": -1.0, "dim": 2.0}, horizon=k)
    table = {**TABLE, "splits": ["eval"], "surrogates": []}
    figure = draw(handmade.found, table, {**ABOUT, "rows": ["r"]})
    (line,) = [line for line in panels(figure)["gap"].get_lines() if line.get_label() == "r, p, eval"]
    assert np.isnan(line.get_ydata()).all()
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(found, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(found, TABLE, ABOUT), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
