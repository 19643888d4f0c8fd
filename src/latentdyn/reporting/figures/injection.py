"""Forecasts over their steps, by when truth was injected, with the ceiling that no forecast can pass."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.injection import MODES, injection_rows

_TITLES = {
    "cosine": "direction: cos(Δx̂, Δx); chance is 0",
    "dnll": "ΔNLL of the true Δx (nats/frame; lower is better)",
    "magnitude_ratio_median": "magnitude: ||Δx̂|| / ||Δx||, median",
    "state_error_normalised": "state error over the data's spread",
}
_SIGNED_LOG = ("dnll", "state_error_normalised")  # an explosion must fit beside the rest


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """A row of four panels for each representation, predictor and split; a line a mode, with 95 % bands.

    C is D and not drawn. The ceiling is dashed. Where a line ends early, its values overflowed.
    """
    rows = injection_rows(found, table, about)
    rows = rows[rows["step"].notna() & (rows["mode"] != "C")]
    groups = rows.groupby(["representation", "predictor", "split"], sort=False)
    figure = Figure(figsize=(18, 0.8 + 3.6 * groups.ngroups), layout="constrained")
    grid = figure.subplots(groups.ngroups, len(_TITLES), squeeze=False)
    handles = {}
    for axes, (names, group) in zip(grid, groups, strict=True):
        for axis, (metric, title) in zip(axes, _TITLES.items(), strict=True):
            for mode, line in group.groupby("mode", sort=False):
                steps, style = line["step"].astype(int), {"color": f"C{MODES.index(mode)}"}
                values = line[metric].astype(float)
                handles[mode] = axis.plot(
                    steps, values, marker="o", markersize=3, linestyle="--" if mode == "ceiling" else "-", **style
                )[0]
                if f"{metric}_ci_low" in line:
                    low, high = (line[f"{metric}_ci_{bound}"].astype(float) for bound in ("low", "high"))
                    axis.fill_between(steps, low, high, alpha=0.15, linewidth=0, **style)
            axis.set_title(f"{', '.join(names)}\n{title}", fontsize=9)
            axis.set_xlabel("step of the forecast (frames)")
            axis.axhline(0 if metric in ("cosine", "dnll") else 1, color="0.6", linewidth=0.6)
            if metric in _SIGNED_LOG:
                axis.set_yscale("symlog", linthresh=1)
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles), fontsize=9, frameon=False)
    return figure
