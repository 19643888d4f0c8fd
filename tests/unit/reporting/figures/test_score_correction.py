"""The figure of corrected forecasts draws what the records of steps hold."""

import numpy as np

from latentdyn.correction.variants import KINDS
from latentdyn.reporting.figures import score_correction
from tests.unit.reporting.tables.test_injection import injected
from tests.unit.reporting.tables.test_score_correction import ABOUT, LANGEVIN, SCORE, TABLE


def test_a_line_a_variant_and_level_at_the_largest_number_of_steps():
    def steps(scale: float):
        values = {
            s: {"dnll": -1.0, "cosine": (scale / s, 0.0, 1.0), "state_error_normalised": s - 1.0} for s in (1, 2, 3)
        }
        return {None: {"dnll": -99.0, "cosine": 0.9}, **values}

    modes = {"D": 1.0, LANGEVIN: 2.0, "D_langevin_n1_sigma0.5": 9.0, "D_langevin_n2_sigma0.1": 3.0, SCORE: 4.0,
             "D_sampled": 5.0, "ceiling": 6.0}  # fmt: skip
    found = injected({mode: steps(scale) for mode, scale in modes.items()})
    found.speakers["mode"], found.speakers["step"], found.speakers["metric"] = [], [], []
    figure = score_correction.draw(found, TABLE, ABOUT)
    assert len(figure.axes) == 4 and "D_sampled" in figure.axes[2].get_title()
    drawn = [line for line in figure.axes[0].get_lines() if line.get_marker() == "o"]
    assert [line.get_color() for line in drawn] == [
        f"C{KINDS.index(k)}" for k in ("none", "langevin", "langevin", "score_only")
    ]
    for line, scale in zip(drawn, (1.0, 3.0, 2.0, 4.0), strict=True):  # levels in their order
        np.testing.assert_allclose(line.get_xydata(), [[1, scale], [2, scale / 2], [3, scale / 3]])
    dashed = [line for line in figure.axes[0].get_lines() if line.get_linestyle() == "--"]
    np.testing.assert_allclose(dashed[0].get_ydata(), [6, 3, 2])
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.texts]
    assert names == ["none", "langevin, sigma 0.1", "langevin, sigma 0.5", "score_only, sigma 0.5", "ceiling"]
