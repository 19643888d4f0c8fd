"""The figure draws measured beside exact, one colour a process."""

import math

import numpy as np
import pytest

from latentdyn.reporting.figures.calibration import draw
from latentdyn.reporting.figures.png import write_figure
from latentdyn.reporting.tables.calibration import calibration_rows

WHITE = {"kind": "var", "dim": 2, "seed": 0, "radius": 0.0}
PROCESSES = {
    "white": WHITE,
    "shaken": {"kind": "outliers", "source": "white"},
    "unstable": {**WHITE, "radius": 1.05},  # in the panel of ratios alone
    "mixture": {"kind": "scale_mixture", "dim": 2, "seed": 0},
}
TABLE = {"predictors": dict.fromkeys(PROCESSES, "p"), "keys": {}, "horizons": [1], "seeds": [0], "tolerance": 0.02}
ABOUT = {"corpus": "c", "rows": list(PROCESSES), "processes": PROCESSES}
NATS = ["dnll", "dnll_full", "context_gain", "level_gain"]


@pytest.fixture
def found(handmade):
    values = {"dnll_full": -0.5, "r2_delta": (0.5, 0.4, 0.6), "level_gain": 1.0, "unbounded": 0.0, "cosine": 0.7}
    for name in ("white", "mixture"):
        handmade.add({"dnll": (-0.7, -0.8, -0.6), "dnll_median": -0.7, **values}, representation=name)
    handmade.add({"dnll": 1e6, "dnll_median": -0.7}, representation="shaken")
    handmade.add({"nll": 2.8, "spectral_radius": 1.05, "unbounded": 1.0}, representation="unstable")
    return handmade.found


def test_points_hold_the_values_of_the_table(found):
    rows = calibration_rows(found, TABLE, ABOUT)
    rows = rows[rows.process != "shaken"]  # these compare two measurements
    in_nats = rows.diagnostic.isin(NATS)
    chosen = {0: in_nats, 1: ~in_nats & (rows.diagnostic != "nll")}
    figure = draw(found, TABLE, ABOUT)
    colors = {}
    for panel, axis in enumerate(figure.axes):
        lines = {line.get_label(): line for line in axis.get_lines()}
        mine = rows[chosen[panel]]
        assert [name for name in lines if not name.startswith("_")] == mine.process.unique().tolist()
        for process, group in mine.groupby("process"):
            np.testing.assert_array_equal(lines[process].get_xydata(), group[["exact", "measured"]])
            assert colors.setdefault(process, lines[process].get_color()) == lines[process].get_color()
        crosses = [line.get_xydata() for line in axis.get_lines() if line.get_marker() == "x"]
        failed = mine[mine.agrees == "no"]
        np.testing.assert_array_equal(np.concatenate(crosses), failed[["exact", "measured"]])
        assert len(failed) > 0
        segments = [segment for bars in axis.collections for segment in bars.get_segments()]
        drawn = [segment[:, 1].tolist() for segment in segments if len(segment)]
        assert drawn == mine[["ci_low", "ci_high"]].dropna().values.tolist()
    assert len(set(colors.values())) == 3
    (legend,) = figure.legends
    shown = {
        text.get_text(): handle.get_color() for text, handle in zip(legend.texts, legend.legend_handles, strict=True)
    }
    assert shown == colors


def test_an_overflow_is_drawn_as_a_failure(handmade, tmp_path):
    values = {"nll": 2.8, "spectral_radius": math.inf, "unbounded": 1.0}
    handmade.add(values, representation="unstable")
    about = {**ABOUT, "rows": ["unstable"]}
    figure = draw(handmade.found, TABLE, about)
    (crosses,) = [line for line in figure.axes[1].get_lines() if line.get_marker() == "x"]
    assert crosses.get_xydata().tolist() == [[1.05, math.inf]]
    write_figure(figure, tmp_path / "a.png")


def test_equal_measurements_give_an_equal_file(found, tmp_path):
    for name in ("a", "b"):
        write_figure(draw(found, TABLE, ABOUT), tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
