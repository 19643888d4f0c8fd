"""Measured beside exact: a battery that can be trusted lies on the diagonal."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.calibration import calibration_rows


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """Two panels: likelihoods (nats/frame) and everything else (ratios, cosines), measured against exact."""
    rows = calibration_rows(found, table, about)
    rows = rows[~rows["exact_is"].str.contains("must")]
    nats = rows["diagnostic"].isin(["dnll", "dnll_full", "context_gain", "level_gain"])
    ratios = ~nats & ~rows["diagnostic"].isin(["nll", "kappa"])
    colors = {process: f"C{i}" for i, process in enumerate(rows["process"].unique())}
    figure = Figure(figsize=(11, 5.5), layout="constrained")
    titles = ("likelihoods (nats/frame)", "ratios, cosines, growth factors")
    for axis, chosen, title in zip(figure.subplots(1, 2), (nats, ratios), titles, strict=True):
        for process, mine in rows[chosen].groupby("process", sort=False):
            axis.plot(mine["exact"], mine["measured"], "o", markersize=4, color=colors[process], label=process)
            axis.vlines(mine["exact"], mine["ci_low"], mine["ci_high"], linewidth=1, color=colors[process])
            failed = mine[mine["agrees"] == "no"]
            axis.plot(failed["exact"], failed["measured"], "kx", markersize=9)
        axis.axline((0, 0), slope=1, color="0.6", linewidth=0.8)
        axis.set_xlabel("exact")
        axis.set_ylabel("measured (crosses: no agreement)")
        axis.set_title(title, fontsize=10)
    handles: dict[str, Any] = {}
    for axis in figure.axes:
        handles |= {name: handle for handle, name in zip(*axis.get_legend_handles_labels(), strict=True)}
    figure.legend(list(handles.values()), list(handles), loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure
