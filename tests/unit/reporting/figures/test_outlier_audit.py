"""The figure draws the table's quantiles and means, and its worst frames."""

import math

import numpy as np
import pytest

from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.reporting.figures.outlier_audit import draw
from latentdyn.reporting.figures.png import write_figure

TABLE = {"representations": ["r"], "surrogates": [], "predictors": ["p"], "seeds": [1, 0], "splits": ["train", "eval"],
         "horizons": [1, 2]}  # fmt: skip
ABOUT = {"corpus": "c", "rows": ["r"]}


def values(mean: float, shift: float = 0.0) -> dict[str, float]:
    quantiles = {f"dnll_{quantile_name(q)}": shift + i for i, q in enumerate(QUANTILES)}
    return {"dnll": mean, "dnll_trimmed": 0.0, "dnll_min": 0.0, "dnll_max": 9.0, "dnll_nonfinite": 0.0, **quantiles}


@pytest.fixture
def found(handmade):
    for split, shift in (("train", 0.0), ("eval", 20.0)):
        for seed in (0, 1):
            worst = [(1.0, shift + seed), (1.0, shift + seed + 7)]
            handmade.add(values(shift + 5.5, shift), split=split, seed=seed, worst=worst)
            handmade.add(values(1e6, 1e6), split=split, seed=seed, horizon=2, worst=[(1.0, 1e6)])
    return handmade.found


def test_lines_and_points_hold_the_values_at_the_smallest_horizon(found):
    quantiles, worst = draw(found, TABLE, ABOUT).axes
    train, train_mean, evaluated, eval_mean = quantiles.get_lines()
    assert [line.get_label() for line in (train, evaluated)] == ["r, p, train", "r, p, eval"]
    for line, shift in ((train, 0), (evaluated, 20)):
        np.testing.assert_array_equal(line.get_xdata(), QUANTILES)
        np.testing.assert_array_equal(line.get_ydata(), shift + np.arange(len(QUANTILES)))
    assert [line.get_ydata()[0] for line in (train_mean, eval_mean)] == [5.5, 25.5]
    points = [collection.get_offsets().tolist() for collection in worst.collections]
    assert points == [[[2, 1], [3, 8]], [[2, 21], [3, 28]]]  # size of the step and ΔNLL, the first seed's


def test_overflows_and_an_empty_list_are_drawn(handmade, tmp_path):
    handmade.add({**values(math.inf), "dnll_q0.999": math.inf}, split="train", worst=[(None, None)])
    handmade.add(values(1.0), split="eval")
    figure = draw(handmade.found, {**TABLE, "horizons": [1], "seeds": [0]}, ABOUT)
    line, *_ = figure.axes[0].get_lines()
    assert line.get_ydata()[-1] == math.inf and np.isfinite(line.get_ydata()[:-1]).all()
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(found, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(found, TABLE, ABOUT), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
