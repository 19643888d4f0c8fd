"""Corrected forecasts over their steps: direction, and distance from the truth."""

from typing import Any

from matplotlib.figure import Figure

from latentdyn.correction.variants import KINDS
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.tables.score_correction import correction_rows

_TITLES = {
    "cosine": "direction: cos(Δx̂, Δx); chance is 0",
    "state_error_normalised": "state error over the data's spread",
}
_LINES = ("-", ":", "-.", (0, (1, 4)), (0, (5, 4)))  # of levels, in their order


def draw(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Figure:
    """Two panels for each representation, predictor, split and forecast; a line a variant and level, at the largest
    number of Langevin steps, with 95 % bands. The ceiling is dashed. Where a line ends early, its values overflowed.
    """
    rows = correction_rows(found, table, about, by_step=True)
    most, sigmas = max(about["sampling"]["n_steps"]), about["sampling"]["sigmas"]
    rows = rows[rows["n_steps"].isna() | rows["n_steps"].eq(most).fillna(False)]
    names = ["representation", "predictor", "split"]
    groups = rows[rows["forecast"].notna()].groupby([*names, "forecast"], sort=False)
    ceilings = dict(list(rows[rows["variant"] == "ceiling"].groupby(names, sort=False)))
    figure = Figure(figsize=(11, 1.2 + 3.6 * groups.ngroups), layout="constrained")
    grid = figure.subplots(groups.ngroups, len(_TITLES), squeeze=False)
    handles = {}
    for axes, (name, group) in zip(grid, groups, strict=True):
        for axis, (metric, title) in zip(axes, _TITLES.items(), strict=True):
            for (variant, sigma), line in group.groupby(["variant", "sigma"], sort=False, dropna=False):
                label = variant if variant == "none" else f"{variant}, sigma {sigma:g}"
                style = _LINES[sigmas.index(sigma) % len(_LINES)] if variant != "none" else "-"
                steps, color = line["step"].astype(int), f"C{KINDS.index(variant)}"
                values, low, high = (line[f"{metric}{end}"].astype(float) for end in ("", "_ci_low", "_ci_high"))
                handles[label] = axis.plot(steps, values, marker="o", markersize=3, linestyle=style, color=color)[0]
                axis.fill_between(steps, low, high, alpha=0.12, linewidth=0, color=color)
            ceiling = ceilings.get(name[:3])
            if ceiling is not None and metric == "cosine":
                dashed = axis.plot(ceiling["step"].astype(int), ceiling[metric].astype(float), "k--", linewidth=1)
                handles["ceiling"] = dashed[0]
            axis.set_title(f"{', '.join(name)}\n{title}", fontsize=9)
            axis.set_xlabel("step of the forecast (frames)")
            axis.axhline(0 if metric == "cosine" else 1, color="0.6", linewidth=0.6)
            if metric != "cosine":
                axis.set_yscale("symlog", linthresh=1)
    caption = f"Langevin steps after each step of the forecast: {most}"
    figure.legend(
        handles.values(), handles, loc="outside lower center", ncols=4, fontsize=9, frameon=False, title=caption
    )
    return figure
