"""The figure of forecasts draws what the table by step holds."""

import dataclasses

import numpy as np
import pandas as pd

from latentdyn.reporting.figures import injection, injection_steps
from latentdyn.reporting.tables.injection import MODES
from tests.unit.reporting.tables.test_injection import ABOUT, TABLE, injected


def test_lines_hold_the_values_of_the_steps():
    by_step = {
        s: {"dnll": (s - 9.0, s - 10.0, s - 8.0), "cosine": 1 / s, "state_error_normalised": s - 1.0} for s in (1, 2, 3)
    }
    found = injected({mode: {None: {"dnll": -99.0}, **by_step} for mode in ("A", "C", "D", "ceiling")})
    figure = injection.draw(found, {**TABLE, "splits": ["eval"]}, ABOUT)
    assert len(figure.axes) == 4
    cosine, dnll = figure.axes[:2]
    drawn = [line for line in cosine.get_lines() if line.get_marker() == "o"]
    assert [line.get_color() for line in drawn] == [f"C{MODES.index(mode)}" for mode in ("A", "D", "ceiling")]
    for line in drawn:
        np.testing.assert_allclose(line.get_xydata(), [[1, 1], [2, 1 / 2], [3, 1 / 3]])
    band = dnll.collections[0].get_paths()[0].vertices
    assert {(1.0, -9.0), (1.0, -7.0), (3.0, -7.0), (3.0, -5.0)} <= {tuple(point) for point in band}
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.texts] == ["A", "D", "ceiling"]
    assert injection_steps.draw is injection.draw


def test_a_row_of_panels_for_each_representation():
    values = {"dnll": 1.0, "cosine": 0.5}
    found = injected({"D": {None: values, 1: values}})
    records = [found.records, found.records.assign(representation="s")]
    both = dataclasses.replace(found, records=pd.concat(records))
    figure = injection.draw(both, TABLE, {**ABOUT, "rows": ["r", "s"]})
    assert [axis.get_title().split("\n")[0] for axis in figure.axes[::4]] == ["r, p, eval", "s, p, eval"]
