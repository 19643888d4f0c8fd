"""The figure of regimes draws what the table of forecasts by step holds, with one ceiling."""

import dataclasses

import numpy as np
import pandas as pd

from latentdyn.reporting.figures.regimes import draw
from tests.unit.reporting.tables.test_injection import ABOUT, injected

TABLE = {"predictors": ["tf", "arm"], "against": "tf", "seeds": [0], "splits": ["eval"]}


def forecasts(predictor: str, length: float):
    by_step = {
        s: {"dnll": 1.0, "cosine": (1 / s, 0.0, 1.0), "state_error_normalised": s - 1.0, "magnitude_ratio": length}
        for s in (1, 2, 3)
    }
    ceiling = {s: {"dnll": 1.0, "cosine": length, "magnitude_ratio": length} for s in (1, 2)}
    everything = {mode: {None: {"dnll": -99.0, "cosine": 9.0}, **by_step} for mode in ("A", "D")}
    return injected({**everything, "ceiling": {None: {"dnll": -99.0}, **ceiling}}, predictor=predictor)


def test_an_arm_is_a_line_and_the_ceiling_of_the_control_is_dashed():
    sides = [forecasts("tf", 0.5), forecasts("arm", 0.002)]
    found = dataclasses.replace(sides[0], records=pd.concat([side.records for side in sides]))
    about = {**ABOUT, "kinds": {**ABOUT["kinds"], "predictors": {"tf": "mdn", "arm": "mdn"}}}
    figure = draw(found, TABLE, about)
    cosine, error, ratio = figure.axes
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["tf", "ceiling", "arm"]
    colors = ["C0", "0.4", "C1"]
    for axis, values in (
        (cosine, [[1, 1 / 2, 1 / 3], [0.5, 0.5], [1, 1 / 2, 1 / 3]]),
        (error, [[0, 1, 2], [np.nan, np.nan], [0, 1, 2]]),
        (ratio, [[0.5] * 3, [0.5, 0.5], [0.002] * 3]),
    ):
        lines = [line for line in axis.get_lines() if line.get_marker() == "o"]
        assert [line.get_color() for line in lines] == colors
        assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
        for line, expected in zip(lines, values, strict=True):
            np.testing.assert_array_equal(line.get_xdata(), range(1, len(expected) + 1))
            np.testing.assert_allclose(line.get_ydata(), expected)
    assert ratio.get_yscale() == "log" and error.get_yscale() == "symlog"
