"""Figures in parts that can be read in print."""

from itertools import pairwise

import pytest
from matplotlib.figure import Figure

from latentdyn.reporting.panels import SMALLEST_PT, Panels, pages, read_panels
from latentdyn.reporting.png import write_figure

PAGE = (7.0, 9.0, 1.0)  # width, height, and of it the caption


def grid(n_rows: int, n_columns: int, each: float = 4.0, **facts) -> Panels:
    """Square panels without gaps; text of 8 points, of which the scale may be .72."""
    rows, columns = ([each * i for i in range(n + 1)] for n in (n_rows, n_columns))
    return Panels(columns[-1], rows[-1], rows, columns, smallest_pt=8.0, **facts)


def test_what_fits_is_one_page_and_is_never_enlarged():
    (page,) = pages(grid(1, 1), *PAGE)
    assert (page.scale, page.landscape, page.strips) == (1.0, False, [[(0.0, 0.0, 4.0, 4.0)]])
    (page,) = pages(Panels(10.0, 3.0, [0.0, 3.0], [0.0, 10.0]), *PAGE)  # wider than a page on its side
    assert page.landscape and page.scale == pytest.approx(0.9)


def test_a_wide_row_of_panels_stands_in_strips():
    (page,) = pages(grid(1, 4), *PAGE)  # 16 inches would need .56
    assert [[box[0::2] for box in strip] for strip in page.strips] == [[(0, 8)], [(8, 16)]]
    assert not page.landscape and page.scale * 8 <= 7 and page.scale * 8 >= SMALLEST_PT


def test_a_high_figure_stands_on_pages_each_with_the_legend():
    legend = (1.0, 24.0, 3.0, 24.5)
    shown = pages(grid(6, 1, foot=[legend]), *PAGE)
    assert [page.strips[-1] for page in shown] == [[legend]] * len(shown)
    rows = [strip[0][1] for page in shown for strip in page.strips[:-1]]
    assert rows == [0, 4, 8, 12, 16, 20] and len(shown) == 3
    for page in shown:
        assert page.scale * sum(strip[0][3] - strip[0][1] for strip in page.strips) <= 8


def test_strips_of_one_row_stay_together_where_a_page_has_room():
    shown = pages(grid(2, 4, 4.5), *PAGE)
    assert [{strip[0][1] for strip in page.strips} for page in shown] == [{0.0}, {4.5}]


def test_names_that_panels_share_are_repeated():
    (page,) = pages(grid(1, 4, names=1.0), *PAGE)
    assert [[box[0] for box in strip] for strip in page.strips] == [[0], [0, 8]]


def test_what_cannot_be_read_on_any_page_is_shown_as_large_as_it_may_be():
    (page,) = pages(grid(1, 1, 40.0), *PAGE)
    assert page.scale == pytest.approx(0.16, abs=0.021)


def test_a_panel_that_is_higher_than_a_page_is_cut_between_its_lines():
    lines = Panels(6.0, 24.0, [0.0, 24.0], [0.0, 6.0], smallest_pt=8.0, cuts=[float(i) for i in range(2, 23)])
    shown = pages(lines, *PAGE)  # 11.1 inches a page where text can be read
    boxes = [strip[0] for page in shown for strip in page.strips]
    assert len(shown) == 3 and all(page.scale * 8 >= SMALLEST_PT - 1e-9 for page in shown)
    assert boxes[0][1] == 0 and boxes[-1][3] == 24 and all(a[3] == b[1] for a, b in pairwise(boxes))
    assert all(box[3] in lines.cuts for box in boxes[:-1])


def test_a_png_says_where_its_panels_are(tmp_path):
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots(2, 3, sharey=True)
    axes[0, 0].set_title("t", fontsize=5)
    axes[0, 0].plot([0, 1], label="a line")
    figure.legend(loc="outside lower center")
    figure.suptitle("above")
    write_figure(figure, tmp_path / "a.png")
    found = read_panels(tmp_path / "a.png")
    assert (found.width, found.height, found.smallest_pt) == (6, 4, 5)
    assert len(found.rows) == 3 and len(found.columns) == 4
    assert [*found.rows, *found.columns] == sorted(found.rows) + sorted(found.columns)
    (head,), (foot,) = found.head, found.foot
    assert 0 <= head[1] < head[3] <= found.rows[0] + 0.1 and found.rows[-1] - 0.1 <= foot[1] < foot[3] <= 4
    frame = axes[0, 0].get_position().x0 * 6
    ticks = [tick for tick in axes[0, 0].get_yticks() if 0 <= tick <= 1]
    assert len(found.cuts) >= 2 * (len(ticks) - 1) and found.rows[0] < found.cuts[0] < found.cuts[-1] < found.rows[-1]
    assert found.names == pytest.approx(frame, abs=0.01)


def test_another_png_is_one_panel(tmp_path):
    figure = Figure(figsize=(2, 1))
    figure.savefig(tmp_path / "a.png", dpi=50)
    found = read_panels(tmp_path / "a.png")
    assert (found.rows, found.columns) == (pytest.approx([0, 1], abs=1e-3), pytest.approx([0, 2], abs=1e-3))
