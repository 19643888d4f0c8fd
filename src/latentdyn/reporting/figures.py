"""Figures: the same records as the tables, where one would rather look."""

from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from latentdyn.files import atomic_path
from latentdyn.reporting.tables import lagged_table

_NEEDED = ["representation", "predictor", "split", "slice", "k", "dim", "dnll", "dnll_ci_low", "dnll_ci_high", "cosine",
           "cosine_ci_low", "cosine_ci_high", "r2_head", "rollout_gap_median"]  # fmt: skip


def lagged_figure(records: pd.DataFrame, table: dict[str, Any], kinds: dict[str, str]) -> Figure:
    """Four panels over staleness k: ΔNLL a dimension, cosine, R² of the expected log-magnitude, median rollout gap.

    A line for each representation, predictor, split and slice of the table. Bands are 95 % speaker-bootstrap intervals;
    a mean cosine of random directions is 0.
    """
    rows = lagged_table(records, {**table, "columns": _NEEDED}, kinds)
    figure = Figure(figsize=(11, 7), layout="constrained")
    panels = dict(zip(("dnll", "cosine", "r2_head", "rollout_gap_median"), figure.subplots(2, 2).flat, strict=True))
    titles = {
        "dnll": "ΔNLL (nats/frame/dimension; lower is better)",
        "cosine": "direction: cos(E[Δx|c], Δx); chance is 0",
        "r2_head": "magnitude: R² of E[ln||Δx|| | c]",
        "rollout_gap_median": "rollout-context gap, median (nats/frame)",
    }
    several_slices = rows["slice"].nunique() > 1
    for color, ((representation, predictor), group) in enumerate(
        rows.groupby(["representation", "predictor"], sort=False)
    ):
        for (split, slice_), line in group.groupby(["split", "slice"], sort=False):
            name = f"{representation}, {predictor}, {split}" + (f", {slice_}" if several_slices else "")
            style: dict[str, Any] = {
                "color": f"C{color}",
                "linestyle": "-" if split == "eval" else ":",
                "marker": "o",
                "markersize": 3,
            }
            for metric, axis in panels.items():
                scale = 1 / line["dim"] if metric == "dnll" else 1.0
                axis.plot(line["k"], line[metric].astype(float) * scale, label=name, **style)
                if f"{metric}_ci_low" in line and split == "eval":
                    low, high = (line[f"{metric}_ci_{bound}"].astype(float) * scale for bound in ("low", "high"))
                    axis.fill_between(line["k"], low, high, color=f"C{color}", alpha=0.15, linewidth=0)
    panels["rollout_gap_median"].set_yscale("symlog")
    for metric, axis in panels.items():
        axis.set_title(titles[metric], fontsize=10)
        axis.set_xlabel("k: staleness of the context (frames)")
        axis.set_xscale("log", base=2)
        axis.set_xticks(table["horizons"], [str(k) for k in table["horizons"]])
        axis.axhline(0, color="0.6", linewidth=0.6)
    handles, labels = panels["dnll"].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    return figure


def write_figure(figure: Figure, path: Path) -> None:
    """Write a PNG; equal figures give equal files."""
    with atomic_path(path) as temporary, matplotlib.rc_context({"savefig.dpi": 130}):
        figure.savefig(temporary, format="png", metadata={"Software": None})
