"""The figure draws the table's ratios and reductions over the number of clusters."""

import numpy as np
import pandas as pd
import pytest

from latentdyn.reporting.figures.clustering import draw
from latentdyn.reporting.figures.png import write_figure

TABLE = {"representations": ["r"], "surrogates": [], "keys": ["pool"], "predictors": ["p"], "seeds": [0],
         "splits": ["eval"], "slices": ["all", "high_energy"]}  # fmt: skip
ABOUT = {"corpus": "c", "rows": ["r"], "kinds": {"representations": {"r": "logmel"}, "keys": {"pool": "mean_pool"}}}


@pytest.fixture
def found(handmade):
    for slice_, shift in (("all", 0.0), ("high_energy", 0.125)):
        for n in (256, 64):
            ratio, reduction = 0.75 + shift + n / 2048, 1.0 + shift + n / 64
            values = {
                "mass_excluded": 0.0,
                "variance_ratio_held_out": (ratio, ratio - 0.0625, ratio + 0.0625),
                "entropy_reduction": (reduction, reduction - 1, reduction + 1),
            }
            handmade.add(values, predictor="pool", mode=f"{n} clusters", slice=slice_)
        handmade.add({"r2_delta": (0.5, 0.25, 0.75), "dnll": (-8.0, -9.0, -7.0)}, slice=slice_)
    return handmade.found


def test_lines_hold_the_values_of_the_table(found):
    ratio, reduction = draw(found, TABLE, ABOUT).axes
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
    handmade.add(values, predictor="pool", mode="64 clusters")
    figure = draw(handmade.found, {**TABLE, "predictors": [], "slices": ["all"]}, ABOUT)
    assert figure.axes[0].get_lines()[0].get_ydata().tolist() == [0.5]
    write_figure(figure, tmp_path / "a.png")


def test_what_was_not_measured_leaves_a_panel_empty(handmade, tmp_path):
    """Where every frame is in too small a cluster, there is no ratio."""
    handmade.add({"mass_excluded": 1.0}, predictor="pool", mode="64 clusters")
    figure = draw(handmade.found, {**TABLE, "predictors": [], "slices": ["all"]}, ABOUT)
    assert pd.isna(figure.axes[0].get_lines()[0].get_ydata()).all()
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(found, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(found, TABLE, ABOUT), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
