"""Where the panels of a figure lie, so that a page can show it in parts whose text can be read.

A figure that is drawn for a screen is too wide or too high for a sheet of paper: scaled down to it, its text is of two
or three points. So paper shows strips of its panels, below each other and over pages, each page with the legend. A
panel of so many lines that no page has room for it is cut between two of them.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_KEY = "panels"  # of the text that a PNG carries
SMALLEST_PT = 5.75  # of printed text: six, roughly
_WIDEST, _STEP = 1.0, 0.02  # scales that are tried; none enlarges
_GAP_IN = 0.08  # between strips
_PAD_IN = 0.03  # around what is drawn

Box = tuple[float, float, float, float]  # left, top, right, bottom, in inches from the figure's upper left corner


@dataclass(frozen=True)
class Panels:
    """All in inches. rows, columns: where each of the grid begins, and where the last ends. head, foot: what belongs to
    all panels, such as a legend. names: as wide as what stands left of a row's first panel, where it names the lines of
    the others, too; else 0. cuts: between two lines of names, where a panel that is higher than a page may be cut.
    smallest_pt: the size of its smallest text."""

    width: float
    height: float
    rows: Sequence[float]
    columns: Sequence[float]
    head: Sequence[Box] = ()
    foot: Sequence[Box] = ()
    names: float = 0.0
    cuts: Sequence[float] = ()
    smallest_pt: float = 10.0


@dataclass(frozen=True)
class Page:
    """One page of a figure. strips: below each other, each of boxes side by side. scale: of the figure."""

    strips: Sequence[Sequence[Box]]
    scale: float
    landscape: bool


def panels_of(figure: "Figure", renderer: Any) -> Panels:
    """Where the panels of a figure lie that has been drawn. It must have been drawn by this renderer."""
    width, height = map(float, figure.get_size_inches())
    dpi = figure.dpi
    placed = [(axis, spec) for axis in figure.axes if (spec := axis.get_subplotspec()) and axis.get_visible()]
    cells = [(spec.rowspan.start, spec.colspan.start, _box(axis, renderer, dpi, height)) for axis, spec in placed]
    rows = _bounds([(row, box[1], box[3]) for row, _, box in cells])
    columns = _bounds([(column, box[0], box[2]) for _, column, box in cells])
    inner = (rows[0], rows[-1]) if cells else (0.0, height)
    over_all = [*figure.texts, *figure.legends, *filter(None, [getattr(figure, "_suptitle", None)])]
    every = list(dict.fromkeys(_box(artist, renderer, dpi, height) for artist in over_all))
    return Panels(
        width, height, rows or [0.0, height], columns or [0.0, width],
        [box for box in every if box[3] <= inner[0] + 0.1], [box for box in every if box[1] >= inner[1] - 0.1],
        _names([axis for axis, _ in placed], renderer) / dpi,
        sorted({height - y / dpi for axis, spec in placed if spec.colspan.start == 0 for y in _between_names(axis)}),
        _smallest(figure),
    )  # fmt: skip


def _box(artist: Any, renderer: Any, dpi: float, height: float) -> Box:
    found = artist.get_tightbbox(renderer)
    left, top, right, bottom = found.x0 / dpi, height - found.y1 / dpi, found.x1 / dpi, height - found.y0 / dpi
    return (left - _PAD_IN, top - _PAD_IN, right + _PAD_IN, bottom + _PAD_IN)


def _bounds(places: Sequence[tuple[int, float, float]]) -> list[float]:
    """Where each of a grid's rows (or columns) begins, half way between its neighbours', and where the last ends.

    Args:
        places: of each panel its number, its begin and its end.
    """
    numbers = sorted({number for number, _, _ in places})
    begins = [min(begin for number, begin, _ in places if number == n) for n in numbers]
    ends = [max(end for number, _, end in places if number == n) for n in numbers]
    between = [(end + begin) / 2 for end, begin in zip(ends[:-1], begins[1:], strict=True)]
    return [begins[0], *between, ends[-1]] if numbers else []


def _names(axes: Sequence["Axes"], renderer: Any) -> float:
    """How much of the left is names of lines that panels share, in pixels."""
    if len(axes) < 2 or not axes[0].get_shared_y_axes().joined(axes[0], axes[1]):
        return 0.0
    return float(axes[0].get_window_extent(renderer).x0)


def _between_names(axis: "Axes") -> list[float]:
    """Half way between neighbours among the ticks of the vertical axis, in pixels."""
    low, high = sorted(axis.get_ylim())
    ticks = [tick for tick in axis.get_yticks() if low <= tick <= high]
    places = [float(axis.transData.transform((0, tick))[1]) for tick in ticks]
    return [(a + b) / 2 for a, b in pairwise(places)]


def _smallest(figure: "Figure") -> float:
    from matplotlib.text import Text

    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    return float(min((text.get_fontsize() for text in texts), default=10.0))


def to_text(panels: Panels) -> dict[str, str]:
    """What a PNG carries of them."""
    return {_KEY: json.dumps(_rounded(asdict(panels)))}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list | tuple) else round(float(value), 3)


def read_panels(png: Path) -> Panels:
    """Those that a PNG carries; of another PNG, the whole of it as one panel."""
    from PIL import Image

    with Image.open(png) as image:
        told, (width, height), dpi = image.info.get(_KEY), image.size, image.info.get("dpi", (72, 72))[0]
    if told:
        return Panels(**json.loads(told))
    return Panels(width / dpi, height / dpi, [0.0, height / dpi], [0.0, width / dpi])


def pages(panels: Panels, width: float, height: float, caption: float) -> list[Page]:
    """The figure on as few pages as can be read, and there as large as these allow.

    Args:
        width, height: of a page's room, in inches, where it stands upright. caption: how high that is.
    """
    readable = min(1.0, SMALLEST_PT / panels.smallest_pt)
    scales = np.arange(_WIDEST, 0.05, -_STEP)
    large, small = [*scales[scales >= readable], readable], scales[scales < readable]
    for tried, cut in ((large, False), (large, True), (small, False)):
        found = [
            (len(parts), -float(scale), [Page(strips, float(scale), landscape) for strips in parts])
            for landscape, across, down in ((False, width, height - caption), (True, height, width - caption))
            for scale in tried
            if (parts := _parts(panels, across / scale, down / scale, cut))
        ]
        if found:
            return min(found, key=lambda layout: layout[:2])[2]
    raise ValueError("a figure of no size")


def _parts(panels: Panels, width: float, height: float, cut: bool) -> list[list[list[Box]]]:
    """The strips of each page of this size, in inches of the figure; none where a panel is larger than a page.

    Args:
        cut: whether a panel may be cut between its lines.
    """
    around = [[box] for box in (*panels.head, *panels.foot)]
    if panels.width <= width and panels.height <= height:
        return [[[(0.0, 0.0, panels.width, panels.height)]]]
    room = height - sum(box[3] - box[1] + _GAP_IN for (box,) in around)
    if any(box[2] - box[0] > width for (box,) in around):
        return []
    rows = list(_bands(panels, room - _GAP_IN)) if cut else list(pairwise(panels.rows))
    parts: list[list[list[Box]]] = [[]]
    for top, bottom in rows:
        strips = list(_strips(panels, top, bottom, width))
        one = bottom - top + _GAP_IN
        if not strips or one > room:
            return []
        if parts[-1] and one * (len(parts[-1]) + len(strips)) > room and one * len(strips) <= room:
            parts.append([])
        for strip in strips:
            if _high([*parts[-1], strip]) > room:
                parts.append([])
            parts[-1].append(strip)
    return [[*([b] for b in panels.head), *part, *([b] for b in panels.foot)] for part in parts]


def _bands(panels: Panels, most: float) -> Iterator[tuple[float, float]]:
    """The rows of panels; what is higher is cut between its lines, where it has any."""
    for top, bottom in pairwise(panels.rows):
        while bottom - top > most and (within := [cut for cut in panels.cuts if top < cut <= top + most]):
            yield top, within[-1]
            top = within[-1]
        yield top, bottom


def _high(strips: Sequence[Sequence[Box]]) -> float:
    return sum(strip[0][3] - strip[0][1] + _GAP_IN for strip in strips)


def _strips(panels: Panels, top: float, bottom: float, width: float) -> Iterator[list[Box]]:
    """A row of panels in strips that are not wider; nothing where a panel is wider."""
    n = len(panels.columns) - 1
    for n_strips in range(1, n + 1):
        each = -(-n // n_strips)  # panels a strip
        starts = range(0, n, each)
        strips = [[(panels.columns[i], top, panels.columns[min(i + each, n)], bottom)] for i in starts]
        if panels.names:
            strips[1:] = [[(0.0, top, panels.names, bottom), *strip] for strip in strips[1:]]
        if all(sum(box[2] - box[0] for box in strip) <= width for strip in strips):
            yield from strips
            return
