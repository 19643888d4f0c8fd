"""The figure of gates draws what the table holds, beside the threshold."""

import math

import numpy as np
from matplotlib.colors import to_rgba

from latentdyn.reporting.figures.gates import draw
from tests.unit.reporting.tables.test_gates import ABOUT, TABLE, add


def test_a_panel_for_each_gate_that_was_measured(handmade):
    add(handmade, 0.1, 2, -180, math.inf, representation="mimi", predictor="vmf")
    add(handmade, 0.7, 12, -20, 50.0, representation="mimi", predictor="net")
    figure = draw(handmade.found, {**TABLE, "representations": ["mimi"]}, {**ABOUT, "rows": ["mimi"]})
    titles = [axis.get_title().split(":")[0] for axis in figure.axes]
    assert titles == ["direction_sustained", "horizon_extended", "nats_beyond_pca", "state_error_below_mimi"]
    cosine, error = figure.axes[0], figure.axes[-1]
    intervals, points = cosine.collections
    np.testing.assert_allclose(points.get_offsets(), [[0.7, 0], [0.1, 1]])  # the first row on top
    np.testing.assert_allclose(intervals.get_segments(), [[[0.6, 0], [0.8, 0]], [[0.0, 1], [0.2, 1]]], atol=1e-12)
    np.testing.assert_array_equal(points.get_facecolors(), [to_rgba("C2"), to_rgba("C3")])
    assert [text.get_text() for text in cosine.get_yticklabels()] == ["mimi, net, eval", "mimi, vmf, eval"]
    assert cosine.get_lines()[0].get_xdata() == [0.6, 0.6]
    assert len(error.get_yticklabels()) == 2  # an overflow keeps its line
    figure.canvas.draw()
