"""Forecasts over their steps, by how the predictor was trained, with the ceiling that none can pass."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.injection import injection_rows

_TITLES = {
    "cosine": "direction: cos(Δx̂, Δx); chance is 0",
    "state_error_normalised": "state error over the data's spread",
    "magnitude_ratio": "magnitude: ||Δx̂|| / ||Δx||",
}


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """A row of three panels for each representation and split; a line a predictor, of mode D, with 95 % bands.

    The ceiling, dashed, is the control's: arms that continue one predictor share it. Where a line ends early, its
    values overflowed.
    """
    rows = injection_rows(found, table, about)
    rows = rows[rows["step"].notna()]
    ceilings = (rows["mode"] == "ceiling") & (rows["predictor"] == table["against"])
    rows = rows[(rows["mode"] == "D") | ceilings]
    groups = rows.groupby(["representation", "split"], sort=False)
    figure = Figure(figsize=(15, 0.8 + 3.6 * groups.ngroups), layout="constrained")
    grid = figure.subplots(groups.ngroups, len(_TITLES), squeeze=False)
    handles = {}
    for axes, (names, group) in zip(grid, groups, strict=True):
        for axis, (metric, title) in zip(axes, _TITLES.items(), strict=True):
            for (mode, predictor), line in group.groupby(["mode", "predictor"], sort=False):
                ceiling = mode == "ceiling"
                color = "0.4" if ceiling else f"C{table['predictors'].index(predictor)}"
                steps, values = line["step"].astype(int), line[metric].astype(float)
                handles["ceiling" if ceiling else predictor] = axis.plot(
                    steps, values, marker="o", markersize=3, linestyle="--" if ceiling else "-", color=color
                )[0]
                low, high = (line[f"{metric}_ci_{bound}"].astype(float) for bound in ("low", "high"))
                axis.fill_between(steps, low, high, alpha=0.15, linewidth=0, color=color)
            axis.set_title(f"{', '.join(names)}\n{title}", fontsize=9)
            axis.set_xlabel("step of the forecast (frames)")
            axis.axhline(0 if metric == "cosine" else 1, color="0.6", linewidth=0.6)
        axes[1].set_yscale("symlog", linthresh=1)  # an explosion must fit beside the rest
        axes[2].set_yscale("log")  # and a collapse
    figure.legend(handles.values(), handles, loc="outside lower center", ncols=len(handles), fontsize=9, frameon=False)
    return figure
