"""Lines that differ, titles that fit, and legends that have room."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from latentdyn.reporting.looks import arrange, legend_below, look, named_in
from latentdyn.reporting.png import write_figure

LONG = "a title that goes on and on, far beyond the panel that it is of (nats/frame; lower is better)"


def test_fifty_lines_look_different_and_so_do_their_points():
    looks = [look(number) for number in range(50)]
    assert len({str(one) for one in looks}) == 50
    assert len({(one["color"], one["marker"]) for one in looks}) == 50
    assert len({(one["color"], str(one["linestyle"])) for one in looks}) == 50


def test_titles_are_no_wider_than_their_panels_and_say_the_same():
    figure = Figure(figsize=(8, 4), layout="constrained")
    for axis, title in zip(figure.subplots(1, 3), (LONG, f"b\n{LONG}", "short"), strict=True):
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(LONG)
    figure.suptitle(f"{LONG}. {LONG}. {LONG}.")
    arrange(figure)
    for axis, title in zip(figure.axes, (LONG, f"b\n{LONG}", "short"), strict=True):
        assert axis.title.get_window_extent().width <= axis.get_window_extent().width
        assert axis.get_title().split() == title.split() and axis.get_xlabel().split() == LONG.split()
        assert axis.xaxis.label.get_window_extent().width <= axis.get_window_extent().width
    assert figure.axes[1].get_title().startswith("b\n") and figure.axes[2].get_title() == "short"
    box = figure._suptitle.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    lowest = box.y0
    assert all(axis.title.get_window_extent().y1 <= lowest for axis in figure.axes)


def test_a_name_that_cannot_be_broken_stays_whole():
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.subplots().set_title("a_single_name_that_is_wider_than_its_panel")
    arrange(figure)
    assert figure.axes[0].get_title() == "a_single_name_that_is_wider_than_its_panel"


@pytest.mark.parametrize("length", [5, 60])
def test_a_legend_below_fits_the_width_and_leaves_the_panels_their_height(length, tmp_path):
    heights = []
    for n in (1, 24):
        figure = Figure(figsize=(9, 4), layout="constrained")
        axis = figure.subplots()
        for number in range(n):
            axis.plot([0, 1], [0, number], label=f"{number:02d}" + ("stream_" * 9)[: length - 2], **look(number))
        legend_below(figure, named_in(axis))
        write_figure(figure, tmp_path / "a.png")
        (legend,) = figure.legends
        box = legend.get_window_extent()
        assert len(legend.get_texts()) == n
        assert box.x0 >= 0 and box.x1 <= figure.bbox.width and box.y0 >= 0
        heights.append(axis.get_window_extent().height / figure.dpi)
    assert heights[1] == pytest.approx(heights[0], abs=0.35)


def test_of_equal_names_in_several_panels_the_legend_has_one():
    figure = Figure()
    for axis, names in zip(figure.subplots(1, 2), (("a", "b"), ("b", "c")), strict=True):
        for name in names:
            axis.plot(np.arange(2), label=name)
    named = named_in(*figure.axes)
    assert list(named) == ["a", "b", "c"] and named["b"] is figure.axes[1].get_lines()[0]
