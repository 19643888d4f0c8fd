"""The injection table (seed 003, Appendix A): all steps of a forecast together, by when truth was injected.

A row is a representation (or a surrogate of one), a predictor, a split and a mode (see diagnostics.injection).
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import COSINE, DNLL, MAGNITUDE_RATIO, STATE_ERROR_NORMALISED
from latentdyn.metrics import metric as listed
from latentdyn.reporting.looks import legend_below
from latentdyn.reporting.measurements import Measurements, as_columns, unmeasured
from latentdyn.reporting.published import EXP_4, published, values_of
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import in_frames, title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MODES = ("A", "B", "C", "D", "D_median", "D_sampled", "ceiling")
_WITH_INTERVALS = ("dnll", "cosine", "magnitude_ratio", "state_error", "state_error_normalised", "skill", "skill_nats",
                   "reset_dnll", "reset_cosine", "divergence_horizon")  # fmt: skip
_MEDIANS = ("dnll_median", "magnitude_ratio_median", "state_error_median")
AT_MEAN = "at_mean"  # the predictor beside which forecasts are set, where a table has it (docs/models.md)
_OVER_STAYING = {"state_error_over_staying": "state_error_normalised", "cosine_over_staying": "cosine"}
_PUBLISHED = ("dnll", "cosine", "magnitude_ratio", "state_error")
TITLES = {
    "cosine": title("direction: cos(Δx̂, Δx), 0 by chance", COSINE),
    "dnll": title("ΔNLL of the true Δx", DNLL),
    "magnitude_ratio": title("magnitude: ||Δx̂|| / ||Δx||", MAGNITUDE_RATIO),
    "magnitude_ratio_median": title("magnitude: median of ||Δx̂|| / ||Δx||", MAGNITUDE_RATIO),
    "state_error_normalised": title("state error over the data's spread", STATE_ERROR_NORMALISED),
}
_PANELS = ("cosine", "dnll", "magnitude_ratio_median", "state_error_normalised")
_WHAT_MODES_ARE = (
    "Forecasts of the same segments. A: every step starts from the true state; B: some steps do; D: no step after the "
    "first does (C is equal to D).\nSteps are taken by the mean; in D_median by the median, in D_sampled by draws. The "
    "ceiling knows what a forecast from the start can know."
)
_SIGNED_LOG = ("dnll", "state_error_normalised")  # an explosion must fit beside the rest


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = injection_rows(measured, table, plan)
    pooled = rows[rows["step"].isna()].drop(columns=["step", "ceiling_dnll", "ceiling_cosine"])
    pooled = pooled.dropna(axis="columns", how="all")
    steps = sorted(rows.loc[rows["mode"] == "ceiling", "step"].dropna().unique())
    told = f"the steps {', '.join(map(str, steps))}" if steps else "no step"
    notes = [
        *injection_notes(pooled, plan),
        f"**Caution:** a row `ceiling` is a mean over {told}, and a row of a mode over all steps. So its numbers are "
        "no bound of theirs here. `skill` compares the two on the same steps.",
        "`skill` is the cosine over that of the ceiling, on the steps that have a ceiling; `skill_nats` is the same of "
        "`dnll`. The ceiling is fitted too: a skill above 1 says that the ceiling falls short. `reset_..` is a step of "
        "mode B with injected truth less the step before. `divergence_horizon` is the first step that is lost: its "
        "mean cosine is within 2 standard errors of chance, or its mean state error exceeds the data's spread. Where "
        "no step is lost, it is one more than the number of steps. The ceiling is lost at some step too, and no "
        "forecast can be expected to have a longer horizon.",
    ]
    return Sheet(
        pooled,
        notes,
        injection_decimals(pooled),
        caption=f"Forecasts with injected truth, all steps together, corpus {plan['corpus']}.",
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A row of four panels for each representation, predictor and split; a line a mode, with 95 % bands.

    C equals D and is not drawn. The ceiling is dashed. Where a line ends early, its values overflowed.
    """
    from matplotlib.figure import Figure

    rows = injection_rows(measured, table, plan)
    rows = rows[rows["step"].notna() & (rows["mode"] != "C")]
    groups = rows.groupby(["representation", "predictor", "split"], sort=False)
    figure = Figure(figsize=(13, 0.8 + 2.9 * groups.ngroups), layout="constrained")
    grid = figure.subplots(groups.ngroups, len(_PANELS), squeeze=False)
    handles = {}
    for axes, (names, group) in zip(grid, groups, strict=True):
        for axis, metric in zip(axes, _PANELS, strict=True):
            for mode, line in group.groupby("mode", sort=False):
                steps, style = line["step"].astype(int), {"color": f"C{MODES.index(mode)}"}
                values = line[metric].astype(float)
                handles[mode] = axis.plot(
                    steps, values, marker="o", markersize=3, linestyle="--" if mode == "ceiling" else "-", **style
                )[0]
                if f"{metric}_ci_low" in line:
                    low, high = (line[f"{metric}_ci_{bound}"].astype(float) for bound in ("low", "high"))
                    axis.fill_between(steps, low, high, alpha=0.15, linewidth=0, **style)
            axis.set_title(f"{', '.join(names)}\n{TITLES[metric]}", fontsize=9)
            axis.set_xlabel(in_frames("step of the forecast", rows["ms_per_step"]))
            axis.axhline(0 if metric in ("cosine", "dnll") else 1, color="0.6", linewidth=0.6)
            if metric in _SIGNED_LOG:
                axis.set_yscale("symlog", linthresh=1)
    figure.suptitle(_WHAT_MODES_ARE, fontsize=9)
    legend_below(figure, handles)
    return figure


def injection_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor, split, mode and step; step None stands for all steps pooled."""
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                here = measured.of_row(**keys, seed=table["seeds"])
                stays = measured.of_row(**{**keys, "predictor": AT_MEAN}) if predictor != AT_MEAN else None
                modes = [mode for mode in MODES if (here.records["mode"] == mode).any()]
                if not modes:
                    raise unmeasured(keys)
                for mode in modes:
                    mine = here.where(mode=mode)
                    steps = mine.records.loc[mine.records.metric == "dnll", "step"].dropna().unique()
                    for step in (None, *sorted(steps)):
                        place = {**keys, "mode": mode, "step": step}
                        rows.append({**_row(here, place, plan), **_over_staying(here, stays, place)})
    return pd.DataFrame(rows).astype({"step": "Int64"})


def _row(here: Measurements, keys: dict[str, Any], plan: dict[str, Any]) -> dict[str, Any]:
    mine, ceiling = (here.where(mode=mode).at_step(keys["step"]) for mode in (keys["mode"], "ceiling"))
    counted = mine.records[mine.records.metric == "dnll"]
    row: dict[str, Any] = {**keys, "n": int(counted.n.iloc[0])}
    for metric in _WITH_INTERVALS:
        row[metric] = mine.over_seeds(metric)
        row |= {f"{metric}_ci_{bound}": mine.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
    row |= {metric: mine.over_seeds(metric) for metric in _MEDIANS}
    row |= {f"ceiling_{metric}": ceiling.over_seeds(metric) for metric in ("dnll", "cosine")}
    row["nonfinite"] = round(mine.over_seeds("nonfinite") or 0)
    frame_rate_hz = here.over_seeds("frame_rate_hz")
    row["ms_per_step"] = 1000 / frame_rate_hz if frame_rate_hz else None
    row |= {f"published_{metric}": published_beside(here, keys, plan, metric) for metric in _PUBLISHED}
    return row


def _over_staying(here: Measurements, stays: Measurements | None, place: dict[str, Any]) -> dict[str, Any]:
    """What a forecast differs by from one that stays at the mean, over the same speakers; blank where there is none."""
    if stays is None or place["mode"] == "ceiling":
        return {}
    mine, its = (of.where(mode=place["mode"]).at_step(place["step"]) for of in (here, stays))
    found: dict[str, Any] = {}
    for column, metric in _OVER_STAYING.items():
        if metric == "cosine" and place["step"] is None:  # it has a direction on its first steps alone
            continue
        found |= as_columns(mine.difference_in_common(its, metric), column)
    return found


def published_beside(here: Measurements, keys: dict[str, Any], plan: dict[str, Any], metric: str) -> float | None:
    """The published value beside the row of these keys (representation, predictor, split, mode, step), or None."""
    lineage = plan["kinds"]["representations"][keys["representation"]]
    kind = plan["kinds"]["predictors"][keys["predictor"]]
    place = {name: keys[name] for name in ("split", "mode", "step")}
    return published(here, metric, lineage=lineage, by=kind, **place)


def injection_decimals(rows: pd.DataFrame) -> dict[str, int]:
    floats = [name for name in rows if pd.api.types.is_float_dtype(rows[name])]
    return {name: listed(name.removeprefix("published_").removeprefix("ceiling_")).decimals for name in floats}


def injection_notes(rows: pd.DataFrame, plan: dict[str, Any]) -> list[str]:
    """What a reader of either table of this diagnostic must know."""
    notes = [
        f"Corpus `{plan['corpus']}`. A step of a forecast lasts `ms_per_step`. The mode says when the true state "
        "replaces the state that a step starts from. A: at every step (teacher forcing). B: at some steps. C: at step "
        "1 only. D: at no step. What is before step 1 is true in every mode. So C equals D, and `state_error`, of the "
        "state that a step starts from, is 0 at step 1. These modes take their steps by the mean, `D_median` by the "
        "median and `D_sampled` by draws.",
        "All are scored on the true Δx. `dnll` (nats/frame, negative is good) is against a diagonal Gaussian of "
        "training deltas. `ceiling` is no forecast. At step h it is the predictor that was fitted to contexts of "
        "staleness k = h, on the same frames: it knows exactly what a forecast from x_0 knows. Pooled, it is over the "
        "h that have such a predictor. A cosine that falls with h is no failure where the ceiling falls too. A state "
        "error beyond the data's spread is a failure: `state_error_normalised` above 1, and above 1.41 for draws.",
        "Intervals are 95 % bootstraps over speakers. Everything that is fitted saw training speakers only. `overflow` "
        "is a mean over frames of which `nonfinite` are beyond the range of floats.",
    ]
    if over := [f"`{name}`" for name in _OVER_STAYING if name in rows]:
        notes.append(
            f"{' and '.join(over)}: less that of `{AT_MEAN}`, a forecast that stays at the mean, in the same mode. The "
            "interval is of this difference over the same speakers."
        )
    if any(name.startswith("published") and rows[name].notna().any() for name in rows):
        second = [f"{e.metric} {e.value:g} ({e.mode})" for e in values_of(EXP_4, horizon=None)]
        notes.append(
            "Published: seed document 003, Appendix A, and 004 §2 for unrolled training (other speech, splits and "
            "runs). The MDN on raw Mimi was run twice: Exp 3 is printed, Exp 4 gave "
            f"{', '.join(second)}. The ΔNLL of the vMF x LogNormal is left out: it was published for direction and "
            "length apart, not for a density on R^D."
        )
    return notes
