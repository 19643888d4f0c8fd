"""Rate against quality: the records as they are, and a curve for each representation and coder."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import (
    DNSMOS,
    MEL_DISTANCE,
    PESQ,
    RATE_KBIT_PER_S,
    RATE_MEMORYLESS,
    RATE_SHUFFLED,
    SPEAKER_SIMILARITY,
    STOI,
    WORD_CHANGE,
    WORD_ERROR_RATE,
)
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title
from latentdyn.reporting.views import plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORES = (PESQ, STOI, MEL_DISTANCE, DNSMOS, SPEAKER_SIMILARITY, WORD_ERROR_RATE, WORD_CHANGE)
_CODERS = {RATE_KBIT_PER_S: ("past", "-"), RATE_MEMORYLESS: ("memoryless", "--"), RATE_SHUFFLED: ("shuffled", ":")}
_NOISES = {"noisy": ("", "o"), "shaped": (", shaped noise", "^")}
_MOST_PANELS = 3


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments and errors as of `plain.tabulate`."""
    return plain.tabulate(measured.where(measurement="rate_quality"), table, plan)


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A panel for each of the first scores, over the rate: a line for each representation, noise and coder, a square
    for each quantizer, and a level for what the codec decodes of its own latents."""
    from matplotlib.figure import Figure

    rows = tabulate(measured, table, plan).rows
    drawn = [score for score in _SCORES if score.name in rows and rows[score.name].notna().any()][:_MOST_PANELS]
    figure = Figure(figsize=(6.5 * max(1, len(drawn)), 5), layout="constrained")
    for panel, score in zip(figure.subplots(1, max(1, len(drawn)), squeeze=False)[0], drawn, strict=False):
        panel.set_title(title(score.name, score), fontsize=10)
        panel.set_xlabel("kbit/s")
        _curves(panel, rows, score.name)
    if named := named_in(figure.axes[0]):
        legend_below(figure, named)
    return figure


def _curves(panel: Any, rows: pd.DataFrame, score: str) -> None:
    for number, (name, mine) in enumerate(rows.groupby("representation", sort=False)):
        for mode, (noise, marker) in _NOISES.items():
            curve = mine[mine["mode"].eq(mode)].dropna(subset=[score]).sort_values("sigma")
            for metric, (coder, style) in _CODERS.items():
                if metric.name in curve and len(curve):
                    places = (curve[column].astype(float) for column in (metric.name, score))
                    label = f"{name}{noise}, {coder}"
                    panel.plot(*places, style, marker=marker, markersize=3, color=look(number)["color"], label=label)
        points = mine[mine["mode"].eq("quantizer")].dropna(subset=[score, RATE_KBIT_PER_S.name])
        if len(points):
            places = (points[column].astype(float) for column in (RATE_KBIT_PER_S.name, score))
            panel.plot(*places, "s", color=look(number)["color"], label=f"{name}, quantizer")
    levels = rows[rows["mode"].eq("reconstruction")][score].dropna().astype(float)
    if len(levels):
        panel.axhline(levels.iloc[0], color="0.6", linewidth=1, linestyle="-.", label="reconstruction")
