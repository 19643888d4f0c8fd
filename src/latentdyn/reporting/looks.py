"""How lines and points of a figure look: no two alike, and no title wider than its panel."""

import textwrap
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLORS = 10  # of matplotlib's cycle
_TURNS = (("-", "o"), ("--", "s"), (":", "^"), ("-.", "D"), ((0, (5, 1, 1, 1, 1, 1)), "v"))  # dash and marker
_FEWEST = 12  # letters of a line of a title
_SHARE = 0.93  # of a panel that a title may take: the panel may change with the height of titles
_LEGEND_PT, _LETTER, _HANDLE_PT, _LEGEND_LINE_IN = 8, 0.55, 45, 0.17  # letters are so many ems wide


def look(number: int) -> dict[str, Any]:
    """Colour, dash and marker of the line of this number (from 0). The first 50 differ, ten by colour alone."""
    turn, color = divmod(number, _COLORS)
    dash, marker = _TURNS[turn % len(_TURNS)]
    return {"color": f"C{color}", "linestyle": dash, "marker": marker}


def arrange(figure: "Figure") -> None:
    """Place what is drawn, once, with titles and names of axes in lines that are no wider than their panels."""
    layout = figure.get_layout_engine()
    if layout is None:
        return
    layout.execute(figure)
    if _break_titles(figure):
        layout.execute(figure)
    figure.set_layout_engine("none")


def _break_titles(figure: "Figure") -> bool:
    """Whether any was too wide."""
    over_all = getattr(figure, "_suptitle", None)
    titles = [
        (text, _SHARE * axis.get_window_extent().width)
        for axis in figure.axes
        for text in (axis.title, axis.xaxis.label)
    ]
    titles += [(over_all, figure.bbox.width)] if over_all else []
    broken = False
    for title, width in titles:
        lines = title.get_text().split("\n")
        letters = max(map(len, lines))
        while (wide := title.get_window_extent().width) > width and letters > _FEWEST:
            letters = max(_FEWEST, min(letters - 1, int(letters * width / wide)))
            told = [part for line in lines for part in textwrap.wrap(line, letters, break_long_words=False)]
            title.set_text("\n".join(told))
            broken = True
    return broken


def legend_below(figure: "Figure", named: Mapping[str, Any], **settings: Any) -> None:
    """A legend under the panels, in as many columns as its longest name leaves room for; the figure grows by it.

    Args:
        named: what is drawn, by its name. settings: as for matplotlib.
    """
    wide = _HANDLE_PT + _LETTER * _LEGEND_PT * max(map(len, named), default=1)
    columns = max(1, min(len(named), int(72 * figure.get_figwidth() / wide)))
    figure.set_figheight(figure.get_figheight() + _LEGEND_LINE_IN * -(-len(named) // columns))
    settings = {"loc": "outside lower center", "ncols": columns, "fontsize": _LEGEND_PT, "frameon": False, **settings}
    figure.legend(named.values(), named, **settings)


def named_in(*axes: Any) -> dict[str, Any]:
    """What is drawn in these panels and has a name, by it; of equal names, the last."""
    found = [axis.get_legend_handles_labels() for axis in axes]
    return {label: handle for handles, labels in found for handle, label in zip(handles, labels, strict=True)}
