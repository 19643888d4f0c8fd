"""Predictability over the staleness of the context: direction, magnitude, likelihood, and what free running loses."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.lagged import lagged_rows


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """Six panels over staleness k; a line for each representation, predictor, split and slice of the table.

    Bands are 95 % speaker-bootstrap intervals; a mean cosine of random directions is 0. Surrogates are dashed.
    """
    rows = lagged_rows(found, table, about)
    figure = Figure(figsize=(15, 8), layout="constrained")
    titles = {
        "dnll": "ΔNLL (nats/frame/dimension; lower is better)",
        "context_gain": "context gain (nats/frame/dimension; lower is better)",
        "rollout_gap_median": "rollout-context gap, median (nats/frame)",
        "cosine": "direction: cos(E[Δx|c], Δx); chance is 0",
        "r2_delta": "share of Δx's variance that the mean explains",
        "r2_head": "magnitude: R² of E[ln||Δx|| | c]",
    }
    panels = dict(zip(titles, figure.subplots(2, 3).flat, strict=True))
    several_slices = rows["slice"].nunique() > 1
    for color, ((representation, predictor), group) in enumerate(
        rows.groupby(["representation", "predictor"], sort=False)
    ):
        for (split, slice_), line in group.groupby(["split", "slice"], sort=False):
            name = f"{representation}, {predictor}, {split}" + (f", {slice_}" if several_slices else "")
            style: dict[str, Any] = {
                "color": f"C{color}",
                "linestyle": "--" if "__" in representation else "-" if split == "eval" else ":",
                "marker": "o",
                "markersize": 3,
            }
            for metric, axis in panels.items():
                scale = 1 / line["dim"] if metric in ("dnll", "context_gain") else 1.0
                axis.plot(line["k"], line[metric].astype(float) * scale, label=name, **style)
                if f"{metric}_ci_low" in line and split == "eval":
                    low, high = (line[f"{metric}_ci_{bound}"].astype(float) * scale for bound in ("low", "high"))
                    axis.fill_between(line["k"], low, high, color=f"C{color}", alpha=0.15, linewidth=0)
    panels["rollout_gap_median"].set_yscale("symlog")
    for metric, axis in panels.items():
        axis.set_title(titles[metric], fontsize=10)
        axis.set_xlabel("k: staleness of the context (frames)")
        axis.set_xscale("log", base=2)
        axis.set_xlim(table["horizons"][0] / 1.2, table["horizons"][-1] * 1.2)  # a panel without a point has none
        axis.set_xticks(table["horizons"], [str(k) for k in table["horizons"]])
        axis.axhline(0, color="0.6", linewidth=0.6)
    handles, labels = panels["dnll"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure
