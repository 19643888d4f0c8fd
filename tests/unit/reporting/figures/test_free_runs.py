"""The figure of free runs draws what the table holds."""

import numpy as np

from latentdyn.reporting.figures.free_runs import draw
from tests.unit.reporting.tables.test_injection import TABLE, injected

ABOUT = {"corpus": "c", "rows": ["r"]}


def test_lines_are_over_steps_and_lags():
    runs = {None: {"energy": 7.0}, **{s: {"energy": 1.0 * s, "step_length": 2.0} for s in (1, 16)}}
    lags = {1: {"autocorrelation_latents": 0.5}, 2: {"autocorrelation_latents": 0.25}}
    figure = draw(injected({"sampled": {**runs, 2: lags[2]}, "data": lags}), TABLE, ABOUT)
    energy, _, latents, _ = figure.axes
    lines = {line.get_label(): line for line in energy.get_lines()}
    np.testing.assert_array_equal(lines["r, p, eval, sampled"].get_xydata(), [[1, 1], [16, 16]])
    lines = {line.get_label(): line for line in latents.get_lines()}
    np.testing.assert_array_equal(lines["r, p, eval, data"].get_xydata(), [[1, 0.5], [2, 0.25]])
    assert lines["r, p, eval, data"].get_linestyle() == ":"
    assert {text.get_text() for text in figure.legends[0].texts} == {"r, p, eval, sampled", "r, p, eval, data"}
