"""What a training regime does to forecasts, beside teacher forcing for as many steps.

A row is a representation (or a surrogate of one), a predictor and a split. The predictors are arms: each continues the
training of the same predictor by a regime of its own. The control continues it by teacher forcing, so that what an arm
gains over the control is not due to longer training.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import metric as listed
from latentdyn.reporting.looks import legend_below, look
from latentdyn.reporting.measurements import Comparison, Measurements, unmeasured
from latentdyn.reporting.published import PHASE_4, values_of
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import in_frames
from latentdyn.reporting.views.injection import TITLES, injection_rows, published_beside

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# columns: metric, mode of diagnostics.injection
_VALUES = {
    **{f"{metric}_A": (metric, "A") for metric in ("dnll", "cosine", "magnitude_ratio")},
    **{f"{metric}_D": (metric, "D") for metric in ("dnll", "cosine", "magnitude_ratio", "state_error_normalised")},
    **{metric: (metric, "D") for metric in ("skill", "divergence_horizon")},
    **{f"{metric}_D_sampled": (metric, "D_sampled") for metric in ("dnll", "state_error_normalised")},
}
_DIFFERENCES = ("dnll_D", "cosine_D", "state_error_normalised_D", "dnll_A", "state_error_normalised_D_sampled")
_PUBLISHED = {
    **{column: _VALUES[column] for column in ("dnll_A", "cosine_A", "magnitude_ratio_A", "dnll_D", "cosine_D")},
    "shrinkage": ("shrinkage", "D"),
}
_PANELS = ("cosine", "state_error_normalised", "magnitude_ratio")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Args:
        measured, table: as for the lagged one. plan: corpus; rows; kinds; steps, how long each predictor is trained.

    Raises:
        UserError: nothing was measured for a row, or an arm was measured on other speakers than the control.
    """
    rows = regime_rows(measured, table, plan).dropna(axis="columns", how="all")
    decimals = {str(name): _decimals(str(name)) for name in rows if pd.api.types.is_float_dtype(rows[name])}
    return Sheet(
        rows,
        _notes(rows, table, plan),
        decimals,
        caption=f"Training regimes beside the control, corpus {plan['corpus']}.",
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A row of three panels for each representation and split; a line a predictor, of mode D, with 95 % bands.

    The ceiling, dashed, is the control's: arms that continue one predictor share it. Where a line ends early, its
    values overflowed.
    """
    from matplotlib.figure import Figure

    rows = injection_rows(measured, table, plan)
    rows = rows[rows["step"].notna()]
    ceilings = (rows["mode"] == "ceiling") & (rows["predictor"] == table["against"])
    rows = rows[(rows["mode"] == "D") | ceilings]
    groups = rows.groupby(["representation", "split"], sort=False)
    figure = Figure(figsize=(13, 0.8 + 3.4 * groups.ngroups), layout="constrained")
    grid = figure.subplots(groups.ngroups, len(_PANELS), squeeze=False)
    handles = {}
    for axes, (names, group) in zip(grid, groups, strict=True):
        for axis, metric in zip(axes, _PANELS, strict=True):
            for (mode, predictor), line in group.groupby(["mode", "predictor"], sort=False):
                ceiling = mode == "ceiling"
                dashed = {"color": "0.4", "linestyle": "--", "marker": "o"}
                style = dashed if ceiling else look(table["predictors"].index(predictor))
                steps, values = line["step"].astype(int), line[metric].astype(float)
                handles["ceiling" if ceiling else predictor] = axis.plot(steps, values, markersize=3.5, **style)[0]
                low, high = (line[f"{metric}_ci_{bound}"].astype(float) for bound in ("low", "high"))
                axis.fill_between(steps, low, high, alpha=0.15, linewidth=0, color=style["color"])
            axis.set_title(f"{', '.join(names)}\n{TITLES[metric]}", fontsize=9)
            axis.set_xlabel(in_frames("step of the forecast", rows["ms_per_step"]))
            axis.axhline(0 if metric == "cosine" else 1, color="0.6", linewidth=0.6)
        axes[1].set_yscale("symlog", linthresh=1)  # an explosion must fit beside the rest
        axes[2].set_yscale("log")  # and a collapse
    figure.suptitle("Forecasts in mode D: no step after the first starts from the true state", fontsize=9)
    legend_below(figure, handles)
    return figure


def regime_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor and split; of the control, no differences."""
    against = table["against"]
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                sides = []
                for side in (keys, {**keys, "predictor": against}):
                    sides.append(measured.of_row(**side, seed=table["seeds"]))
                    if sides[-1].where(mode="D").records.empty:
                        raise unmeasured(side)
                rows.append(_row(sides[0], None if predictor == against else sides[1], keys, plan))
    return pd.DataFrame(rows).astype({"steps": "Int64"})


def _row(
    here: Measurements, control: Measurements | None, keys: dict[str, Any], plan: dict[str, Any]
) -> dict[str, Any]:
    forecasts = _pooled(here, "D")
    row: dict[str, Any] = {
        **keys,
        "regime": here.records.regime.iloc[0],
        "steps": plan["steps"].get(keys["predictor"]),
        "n": int(forecasts.records.n[forecasts.records.metric == "dnll"].iloc[0]),
    }
    row |= {column: _pooled(here, mode).over_seeds(metric) for column, (metric, mode) in _VALUES.items()}
    row["nonfinite_D"] = round(forecasts.over_seeds("nonfinite") or 0)
    if control is not None:
        row |= _with_interval("shrinkage", forecasts.ratio(_pooled(control, "D"), "magnitude_ratio"))
        for column in _DIFFERENCES:
            metric, mode = _VALUES[column]
            row |= _with_interval(f"d_{column}", _pooled(here, mode).difference(_pooled(control, mode), metric))
    for column, (metric, mode) in _PUBLISHED.items():
        place = {**keys, "mode": mode, "step": None}
        row[f"published_{column}"] = published_beside(here, place, plan, metric)
    return row


def _decimals(column: str) -> int:
    """The digits of the metric of a column: a value, a difference, a bound of an interval or a published value."""
    column = column.removeprefix("published_").removeprefix("d_").removesuffix("_ci_low").removesuffix("_ci_high")
    return listed(_VALUES[column][0] if column in _VALUES else column).decimals


def _pooled(measured: Measurements, mode: str) -> Measurements:
    """Of a mode, all steps together."""
    return measured.where(mode=mode).at_step(None)


def _with_interval(name: str, compared: Comparison | None) -> dict[str, float]:
    if compared is None:
        return {}
    return {name: compared.value, f"{name}_ci_low": compared.ci_low, f"{name}_ci_high": compared.ci_high}


def _notes(rows: pd.DataFrame, table: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    against = table["against"]
    notes = [
        f"Corpus `{plan['corpus']}`. Each row is a predictor whose training was continued by its `regime`, for at most "
        f"`steps` optimisation steps. `{against}` is the control: it was continued by teacher forcing. `.._A`: every "
        "step starts from truth. `.._D`: forecasts by the mean. `.._D_sampled`: forecasts by draws. All are scored on "
        "the true Δx and pooled over steps. `dnll` is in nats/frame against a diagonal Gaussian (negative is good). "
        "`state_error_normalised` is over the data's spread: above 1 the forecast is lost. `divergence_horizon` is the "
        "first step that is lost. `nonfinite_D` counts frames that are beyond the range of floats; a mean over them is "
        "an `overflow`.",
        "`d_..` is the row less the control, on the same frames. Its interval is a 95 % bootstrap that draws the same "
        "speakers for both. Several seeds are pooled. Everything that is fitted saw training speakers only.",
        "`shrinkage` is `magnitude_ratio_D` of the row over that of the control. A ΔNLL that falls to 0 while steps "
        "shrink is mean collapse: the forecast stays where it is. It is bounded, but not better. Steps by the mean "
        "shrink even with the true model, as much as those of its ceiling do (see the figure).",
        "A cosine in D is bounded by that of the ceiling: the lagged predictor that was fitted to a context as stale "
        "as the step is far. `skill` is the cosine over that of the ceiling. No regime can predict what the start of "
        "the forecast does not tell.",
    ]
    control = plan["steps"].get(against)
    unequal = [
        f"`{name}` ({'no' if steps is None else steps} steps)"
        for name, steps in ((name, plan["steps"].get(name)) for name in table["predictors"])
        if steps != control
    ]
    if unequal:
        notes.append(
            f"**Not at equal steps:** the control was trained for {control}, but {', '.join(unequal)}. Such a "
            "difference may come from longer or shorter training."
        )
    if any(name.startswith("published") for name in rows):
        before, after = (e.value for e in values_of(PHASE_4, mode="D", metric="dnll"))  # in the order of the regimes
        notes.append(
            f"Published, on other speech, splits and runs. Unrolled training: {PHASE_4}; the ΔNLL of its forecasts was "
            f"{before:+g} before, {after:+g} after, and its shrinkage is against the same predictor before, not "
            "against a control. Scheduled sampling: Exp 1B (seed 003 §1.2); its ΔNLL is of direction and length apart "
            "and is left out. Teacher forcing: seed 003, Appendix A."
        )
    return notes
