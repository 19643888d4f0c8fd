"""Differences between rows as intervals beside zero."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.paired import paired_rows


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """A panel for each metric: a - b with its interval, one line a pair, split and horizon."""
    rows = paired_rows(found, table)
    metrics = [metric for metric in table["metrics"] if (rows["metric"] == metric).any()]
    longest = max(int((rows["metric"] == metric).sum()) for metric in metrics)
    figure = Figure(figsize=(9 * len(metrics), 1.5 + 0.22 * longest), layout="constrained")
    for metric, axis in zip(metrics, figure.subplots(1, len(metrics), squeeze=False)[0], strict=True):
        mine = rows[rows["metric"] == metric].iloc[::-1]
        names = [f"{r.a} - {r.b}, {r.split}, k = {r.k}" for r in mine.itertuples()]
        # not error bars: a percentile interval need not contain the difference
        axis.hlines(range(len(mine)), mine["ci_low"], mine["ci_high"], linewidth=1)
        axis.plot(mine["difference"], range(len(mine)), "o", markersize=3)
        axis.set_yticks(range(len(mine)), names, fontsize=7)
        axis.axvline(0, color="0.6", linewidth=0.6)
        axis.set_title(f"difference in {metric}, 95 % interval over speakers", fontsize=10)
    return figure
