"""Free runs beside the data: how far out they are and how far they move, over time, and how they remember."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.free_runs import free_run_rows

_STYLES = {"sampled": "-", "mean": "--", "median": "-.", "data": ":"}
_TITLES = {
    "energy": "E||x̂ - mean||² over the data's",
    "step_length": "E||Δx̂|| over the data's",
    "autocorrelation_latents": "autocorrelation of latents",
    "autocorrelation_deltas": "autocorrelation of deltas",
}


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """Four panels: energy and step length over steps (1 is the data's), autocorrelations over lags.

    A colour for each representation, predictor and split, a line style for how steps are taken; data are dotted.
    """
    rows = free_run_rows(found, table, about)
    figure = Figure(figsize=(18, 5), layout="constrained")
    for axis, (metric, title) in zip(figure.subplots(1, len(_TITLES)), _TITLES.items(), strict=True):
        at = sorted(int(name.removeprefix(f"{metric}_")) for name in rows if name.removeprefix(f"{metric}_").isdigit())
        for color, (names, group) in enumerate(rows.groupby(["representation", "predictor", "split"], sort=False)):
            for _, row in group.iterrows():
                values = [row[f"{metric}_{step}"] for step in at]
                label = ", ".join([*names, row["mode"]])
                style = {"color": f"C{color}", "linestyle": _STYLES[row["mode"]], "marker": "o", "markersize": 3}
                axis.plot(at, values, label=label, **style)
        axis.set_title(title, fontsize=10)
        axis.set_xscale("log", base=2)
        axis.set_xticks(at, [str(step) for step in at])
        axis.set_xlabel("lag (frames)" if "auto" in metric else "step of the run (frames)")
        axis.axhline(0 if "auto" in metric else 1, color="0.6", linewidth=0.6)
        if "auto" not in metric:
            axis.set_yscale("log")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    first = figure.axes[0].get_legend_handles_labels()
    shown = dict(zip([*first[1], *labels], [*first[0], *handles], strict=True))
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=4, fontsize=8, frameon=False)
    return figure
