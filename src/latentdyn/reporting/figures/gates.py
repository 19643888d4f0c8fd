"""Gates: what was measured beside the threshold that was set for it."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.gates import gate_rows

_COLORS = {"met": "C2", "not met": "C3"}


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """A panel for each gate that was measured, a line a representation, predictor and split; met is green, else red.

    The threshold is dashed. What overflowed has a line without a point.
    """
    rows = gate_rows(found, table, about)
    rows = rows[rows["measured"].notna()]
    panels = list(rows.groupby("gate", sort=False))
    lengths = [len(mine) for _, mine in panels]
    figure = Figure(figsize=(8, 0.9 * len(panels) + 0.25 * sum(lengths)), layout="constrained")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=lengths)[:, 0]
    for axis, (_, mine) in zip(axes, panels, strict=True):
        mine = mine.iloc[::-1].astype({"measured": float, "ci_low": float, "ci_high": float})
        colors = mine["verdict"].map(_COLORS)
        # not error bars: a percentile interval need not contain the value
        axis.hlines(range(len(mine)), mine["ci_low"], mine["ci_high"], colors=colors, linewidth=1)
        axis.scatter(mine["measured"], range(len(mine)), c=colors, s=12)
        names = [f"{r.representation}, {r.predictor}, {r.split}" for r in mine.itertuples()]
        axis.set_yticks(range(len(mine)), names, fontsize=7)
        gate = mine.iloc[0]
        axis.axvline(gate.threshold, color="0.4", linewidth=0.8, linestyle="--")
        axis.set_title(f"{gate.gate}: {gate.comparison} {gate.threshold:g}. {gate.question}", fontsize=8)
    return figure
