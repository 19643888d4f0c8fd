"""What a head describes and starts from, and what that does: scores at k = 1, forecasts, free runs.

A row is a representation and a predictor, on held-out speakers, averaged over training seeds. The last rows of each
representation are of frames that no predictor made (see diagnostics.free_runs.lagged_frames).
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.metrics import CLASSIFIER_ACCURACY, DNLL, ENERGY, FRECHET_DELTAS, FRECHET_LATENTS
from latentdyn.metrics import metric as listed
from latentdyn.reporting.cautions import cautions
from latentdyn.reporting.measurements import Measurements, as_columns, unmeasured
from latentdyn.reporting.shares import OF_UNBOUNDED
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title
from latentdyn.reporting.views.free_runs import REAL_BESIDE_REAL
from latentdyn.reporting.views.lagged import lagged_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLIT = "eval"
STAND_INS = ("data", "half", "phase_randomised", "marginal")
STAND_INS_NOTE = (
    "Rows without a `regime` are of no predictor. `data`: frames of the data; their distances and accuracy are "
    "those of as many training frames. `half`: one half of the held-out speakers beside the other half. "
    "`phase_randomised`: training utterances with random phases. `marginal`: training frames drawn one by one. "
    f"{REAL_BESIDE_REAL}"
)
_LAGS = (1, 2, 4, 8)
# columns: the metric, the mode of the measurement, and its step (`last`: the last one of a forecast)
_LAGGED = ("dnll", "cosine")
_FORECASTS: dict[str, tuple[str, str, Any]] = {
    "forecast_dnll": ("dnll", "D", None),
    "forecast_cosine": ("cosine", "D", None),
    "state_error_normalised": ("state_error_normalised", "D", None),
    "skill": ("skill", "D", None),
    "energy_score_1": ("energy_score_state", "D_sampled", 1),
    "energy_score_last": ("energy_score_state", "D_sampled", "last"),
}
_RUNS = ("unbounded", "energy", "step_length", "frechet_latents", "frechet_deltas", "classifier_accuracy")
_WITH_INTERVALS = ("dnll", "cosine", "unbounded", "energy", "frechet_latents", "frechet_deltas", "classifier_accuracy")
_WITH_SPREAD = ("dnll", "cosine", "energy", "frechet_latents", "frechet_deltas", "classifier_accuracy")
_SHOWN = (
    "predictor", "target", "linear_skip", "target_axes", "regime", "parameters", "dnll", "dnll_seed_sd", "context_gain",
    "cosine", "forecast_dnll", "forecast_cosine", "skill", "energy_score_1", "energy_score_last", "unbounded", "energy",
    "energy_seed_sd", "frechet_latents", "frechet_deltas", *(f"autocorrelation_latents_{lag}" for lag in _LAGS),
    "classifier_accuracy", "classifier_accuracy_ci_low", "classifier_accuracy_ci_high",
)  # fmt: skip
_METRICS = {name: metric for name, (metric, *_) in _FORECASTS.items()}
_PANELS = {
    "dnll": title("ΔNLL", DNLL),
    "energy": title("energy of free runs over the data's", ENERGY),
    "frechet_latents": title("Fréchet distance of frames", FRECHET_LATENTS),
    "frechet_deltas": title("Fréchet distance of steps", FRECHET_DELTAS),
    "classifier_accuracy": title("accuracy of the classifier", CLASSIFIER_ACCURACY),
}
_LOGARITHMIC = ("energy", "frechet_latents", "frechet_deltas")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; `plan` also says of each predictor the settings of its head (`arms`).

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = parametrisation_rows(measured, table, plan)
    rows = rows.dropna(axis="columns", how="all")
    decimals = {str(name): arm_decimals(str(name)) for name in rows if pd.api.types.is_float_dtype(rows[name])}
    return Sheet(
        rows,
        [*_notes(rows, plan), *arm_cautions(rows, measured, table, plan)],
        decimals,
        caption=f"What heads describe and start from, corpus {plan['corpus']}.",
        columns=["representation", *(name for name in _SHOWN if name in rows)],
        by=("representation",),
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A row of five panels for each representation, a point for each predictor, with 95 % intervals.

    Dashed is what one half of the held-out speakers scores beside the other half.
    """
    from matplotlib.figure import Figure

    rows = parametrisation_rows(measured, table, plan)
    names = list(table["predictors"])
    figure = Figure(figsize=(13, len(plan["rows"]) * (1.0 + 0.22 * len(names))), layout="constrained")
    grid = figure.subplots(len(plan["rows"]), len(_PANELS), squeeze=False, sharey=True)
    for axes, representation in zip(grid, plan["rows"], strict=True):
        here = rows[rows["representation"] == representation].set_index("predictor")
        for axis, (metric, text) in zip(axes, _PANELS.items(), strict=True):
            for place, name in enumerate(names):
                value, *bounds = (
                    pd.to_numeric(here.loc[name].get(column), errors="coerce")
                    for column in (metric, f"{metric}_ci_low", f"{metric}_ci_high")
                )
                axis.plot([value], [place], "o", color=f"C{place}", markersize=4)
                axis.plot(bounds, [place, place], color=f"C{place}", linewidth=0.9)
            half = here[metric].get("half")
            if half is not None and np.isfinite(half):
                axis.axvline(half, color="0.5", linewidth=0.8, linestyle="--")
            axis.set_title(f"{representation}\n{text}", fontsize=9)
            if metric in _LOGARITHMIC:
                axis.set_xscale("log")
        axes[0].set_yticks(range(len(names)), names, fontsize=8)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
    return figure


def arm_cautions(rows: pd.DataFrame, measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """What the Phase 1 table would warn of, and what arms lose on their own forecasts.

    Args:
        rows: of the table; the others as for `tabulate`.
    """
    asked = {**table, "splits": [_SPLIT], "slices": ["all"], "horizons": [1]}
    return [*cautions(lagged_rows(measured, asked, plan)), *_lost_on_forecasts(rows)]


def _lost_on_forecasts(rows: pd.DataFrame) -> Iterator[str]:
    """Which arms lose on their own forecasts what they gain on true contexts."""
    values = pd.to_numeric(rows["forecast_dnll"])
    said = [
        f"`{predictor}` of `{representation}` (up to {values[mine.index].max():.4g})"
        for (representation, predictor), mine in rows[values > 0].groupby(["representation", "predictor"], sort=False)
    ]
    if said:
        yield (
            f"**Caution:** `forecast_dnll` is above 0 for {', '.join(said)}. On its own forecasts such a model is less "
            "likely than the baseline, which knows no context, however low its `dnll` on true contexts is."
        )


def parametrisation_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation and predictor, and for each kind of frames that no predictor made."""
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            rows.append(arm_row(measured, representation, predictor, table["seeds"], plan))
        rows += stand_in_rows(measured, representation, table)
    return pd.DataFrame(rows).astype({"seeds": "Int64", "n": "Int64"})


def arm_row(
    measured: Measurements, representation: str, predictor: str, seeds: list[int], plan: dict[str, Any]
) -> dict[str, Any]:
    """What a predictor is, and its scores, forecasts and free runs, the mean over these seeds.

    Raises:
        UserError: nothing was measured for it.
    """
    keys = {"representation": representation, "predictor": predictor}
    here = measured.of_row(**keys, split=_SPLIT, seed=seeds)
    lagged = here.where(horizon=1, slice="all")
    runs = here.where(mode="sampled")
    if lagged.records.empty or runs.records.empty:
        raise unmeasured({**keys, "split": _SPLIT})
    twin = measured.of_row(representation, f"{predictor}__unconditional", _SPLIT, seed=seeds)
    counted = lagged.records[lagged.records["metric"] == "nll"]
    row: dict[str, Any] = {
        **keys,
        **plan.get("arms", {}).get(predictor, {}),
        "regime": here.records["regime"].iloc[0],
        "seeds": here.records["seed"].nunique(),
        "n": int(counted["n"].iloc[0]) if len(counted) else None,
        "dim": lagged.over_seeds("dim"),
        "parameters": lagged.over_seeds("parameters"),
    }
    for metric in _LAGGED:
        row |= _values(lagged, metric)
    row["cosine_white_noise"] = lagged.over_seeds("cosine_white_noise")
    gain = lagged.difference(twin.where(slice="all"), "nll")
    if gain is not None:
        row |= as_columns(gain, "context_gain")
    for column, (metric, mode, step) in _FORECASTS.items():
        mine = here.where(mode=mode)
        steps = mine.records["step"].dropna()
        at = steps.max() if step == "last" and len(steps) else step
        row[column] = None if at == "last" else mine.at_step(at).over_seeds(metric)
    ceilings = here.where(mode="ceiling").records["step"]
    if not (ceilings > 1).any():  # step 1 is the predictor itself
        row["skill"] = None
    return row | _of_runs(here, "sampled")


def stand_in_rows(measured: Measurements, representation: str, table: dict[str, Any]) -> list[dict[str, Any]]:
    """A row for each kind of frames that no predictor made, of what the first predictor's runs stand beside."""
    first = measured.of_row(representation, table["predictors"][0], _SPLIT, seed=table["seeds"][:1])
    return [
        {"representation": representation, "predictor": mode, **_of_runs(first, mode)}
        for mode in STAND_INS
        if (first.records["mode"] == mode).any()
    ]


def _of_runs(here: Measurements, mode: str) -> dict[str, Any]:
    """What free runs, or frames in their place, score."""
    mine = here.where(mode=mode)
    pooled = mine.at_step(None)
    row: dict[str, Any] = {}
    for metric in _RUNS:
        row |= _values(pooled, metric)
    for lag, kind in ((lag, kind) for kind in ("latents", "deltas") for lag in _LAGS):
        at_lag, name = mine.at_step(lag), f"autocorrelation_{kind}"
        row[f"{name}_{lag}"] = at_lag.over_seeds(name)
        row |= {f"{name}_{lag}_ci_{bound}": at_lag.over_seeds(name, f"ci_{bound}") for bound in ("low", "high")}
    return row


def _values(mine: Measurements, metric: str) -> dict[str, Any]:
    """A metric, its interval and its deviation between training seeds."""
    found: dict[str, Any] = {metric: mine.over_seeds(metric)}
    if metric in _WITH_INTERVALS:
        found |= {f"{metric}_ci_{bound}": mine.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
    if metric in _WITH_SPREAD and mine.records["seed"].nunique() > 1:
        found[f"{metric}_seed_sd"] = mine.over_seeds(metric, reduce=lambda values: np.std(values, ddof=1))
    return found


def arm_decimals(column: str) -> int:
    """Digits after the point of a column of `arm_row`."""
    for end in ("_ci_low", "_ci_high", "_seed_sd"):
        column = column.removesuffix(end)
    name, _, lag = column.rpartition("_")
    return listed(_METRICS.get(column) or (name if lag.isdigit() else column)).decimals


def _what_holds(rows: pd.DataFrame) -> Iterator[str]:
    """The shares of unbounded runs by what heads describe and start from, where these differ."""
    if "target" not in rows:
        return
    arms = rows[rows["unbounded"].notna() & rows["target"].notna()]
    names = arms["target"].where(arms["linear_skip"] == "none", "from the line")
    if names.nunique() < 2:
        return
    told = []
    for name in names.unique():
        shares = arms.loc[names == name, "unbounded"].astype(float)
        told.append(f"{name} {shares.min():.3f} to {shares.max():.3f} ({len(shares)} of the arms)")
    yield f"Shares of free runs that leave the data behind, by what heads describe: {'; '.join(told)}."


def _notes(rows: pd.DataFrame, plan: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Corpus `{plan['corpus']}`. A row is a predictor, measured on speakers of `eval`, the mean over training "
        "seeds; `.._seed_sd` is the standard deviation between them. The CSV holds more columns and all intervals, "
        "which are 95 % bootstraps over speakers. `parameters` is how many numbers were trained."
    )
    yield (
        "`target` is what the head describes, the step or the next frame; `linear_skip` is the closed-form line that "
        "it adds to. Either way it is a density of the step, so that `dnll` (nats/frame against a diagonal Gaussian of "
        "training deltas) compares. `context_gain` is against the same head over the step, without a context: each "
        "arm has a baseline of its own, so it does not rank arms."
    )
    yield from _what_holds(rows)
    yield (
        "`forecast_..` are of forecasts by the mean without injected truth (mode D), over all their steps; `skill` is "
        "the cosine over that of the ceiling, at the steps that have one; it is blank where only the first has. "
        "`energy_score_..` is of drawn states, after 1 step and after the last, in deviations of the training frames."
    )
    yield (
        "The other columns are of free runs by draws. `energy` and `step_length` are over those of the data: 1 is "
        "right. `frechet_..` are squared Fréchet distances to the data. `classifier_accuracy` is how often a "
        "classifier tells windows of 8 frames from real ones; .5 is chance. The table of kind `free_runs` says more of "
        f"them. {OF_UNBOUNDED}"
    )
    if rows["predictor"].isin(list(STAND_INS)).any():
        yield STAND_INS_NOTE
