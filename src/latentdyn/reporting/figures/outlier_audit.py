"""The outlier audit: quantiles of ΔNLL, and the worst frames by the size of their step."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.outlier_audit import outlier_rows


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """At the smallest k: quantiles of ΔNLL with the mean as a cross; the worst frames' ΔNLL by ||Δx||."""
    rows = outlier_rows(found, table, about)
    rows = rows[rows["k"] == table["horizons"][0]]
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    quantiles, worst = figure.subplots(1, 2)
    frames = found.where(horizon=table["horizons"][0], seed=table["seeds"][0])
    for color, row in enumerate(rows.to_dict("records")):
        who = {name: row[name] for name in ("representation", "predictor", "split")}
        values = [row[quantile_name(q)] for q in QUANTILES]
        quantiles.plot(QUANTILES, values, marker="o", markersize=3, color=f"C{color}", label=", ".join(who.values()))
        quantiles.plot(0.5, row["dnll"], marker="x", color=f"C{color}")
        mine = frames.where(**who).worst_frames
        worst.scatter(mine.delta_norm, mine.dnll.astype(float), s=12, color=f"C{color}")
    quantiles.set_xscale("logit")
    quantiles.set_xlabel("share of frames below (cross: the mean)")
    quantiles.set_ylabel("ΔNLL (nats/frame)")
    worst.set_xlabel("||Δx|| of the frames of highest NLL")
    worst.set_ylabel("ΔNLL (nats/frame)")
    for axis in (quantiles, worst):
        axis.set_yscale("symlog", linthresh=10)
    if frames.worst_frames.dnll.notna().any():  # a logarithmic axis needs a point
        worst.set_xscale("log")
    figure.legend(
        *quantiles.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=8, frameon=False
    )
    return figure
