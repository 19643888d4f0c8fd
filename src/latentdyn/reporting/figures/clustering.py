"""Phase 0: what clusters explain, over their number, beside permuted labels and whole-context predictors."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.clustering import clustering_rows


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """Two panels over the number of clusters: held-out variance ratio and entropy reduction, with 95 % bands.

    A line for each representation, key, split and slice; predictors, which have no clusters, are horizontal lines.
    """
    rows = clustering_rows(found, table, about)
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    titles = {
        "variance_ratio_held_out": "variance of Δx left, training clusters' means (1: nothing explained)",
        "entropy_reduction": "entropy reduction (nats/frame; higher is better)",
    }
    groups = rows.groupby(["representation", "by", "split", "slice"], sort=False)
    for axis, (metric, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for color, (names, line) in enumerate(groups):
            label = ", ".join(names if names[-1] != "all" else names[:-1])
            if line["clusters"].isna().all():
                axis.axhline(line[metric].iloc[0], color=f"C{color}", linestyle="--", linewidth=1, label=label)
                continue
            axis.plot(line["clusters"], line[metric], marker="o", markersize=3, color=f"C{color}", label=label)
            low, high = line[f"{metric}_ci_low"].astype(float), line[f"{metric}_ci_high"].astype(float)
            axis.fill_between(line["clusters"], low, high, color=f"C{color}", alpha=0.15, linewidth=0)
        axis.axhline(1 if "ratio" in metric else 0, color="0.6", linewidth=0.6)
        axis.set_xscale("log", base=2)
        axis.set_xlim(rows["clusters"].min() / 1.2, rows["clusters"].max() * 1.2)  # a panel without a point has none
        axis.set_xlabel("clusters")
        axis.set_title(title, fontsize=10)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8, frameon=False)
    return figure
