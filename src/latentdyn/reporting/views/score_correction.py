"""The score correction table (seed 003 §6.2): forecasts whose states a score model corrects, beside their controls.

A row is a representation (or a surrogate of one), a predictor, a split, a forecast (D: by the mean, D_sampled: by
draws) and a variant of the correction, all steps pooled; the ceiling follows the forecasts.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.correction.variants import FORECASTS, KINDS, SamplingSettings
from latentdyn.metrics import metric as listed
from latentdyn.reporting.criteria import gate
from latentdyn.reporting.gates import Judgement, compare, every
from latentdyn.reporting.looks import legend_below
from latentdyn.reporting.measurements import Measurements, as_columns, unmeasured
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import in_frames
from latentdyn.reporting.views.injection import TITLES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SCORED = ("langevin", "score_only")  # the variants that the gate is about; the others are controls
_WITH_INTERVALS = ("dnll", "cosine", "magnitude_ratio", "state_error_normalised", "skill", "divergence_horizon",
                   "correction_cosine", "correction_ratio")  # fmt: skip
_ERROR = "state_error_normalised"
_CONTROLS = {"noise_only": "noise", "gaussian_only": "gaussian", "shrink_only": "shrink"}  # and how columns name them
_BY = ("representation", "predictor", "split", "forecast")
_SHOWN = (  # in the forms for people; the CSV has all
    *_BY, "variant", "n_steps", "sigma", "n",
    *(f"{name}{end}"
      for name in (_ERROR, "state_error_change", "skill", "cosine", "cosine_change", "divergence_horizon")
      for end in ("", "_ci_low", "_ci_high")), "nonfinite", "denoising_loss", "denoising_loss_gaussian",
)  # fmt: skip
_GATE = "horizon_extended"  # of gates.yaml
_DENOISING = ("denoising_loss", "denoising_loss_gaussian")
_PANELS = ("cosine", _ERROR)
_LINES = ("-", ":", "-.", (0, (1, 4)), (0, (5, 4)))  # of levels, in their order


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; `plan` holds the correction's `sampling`, other arguments are as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    every = correction_rows(measured, table, plan, by_step=False)
    rows = every.drop(columns="step").dropna(axis="columns", how="all")
    if "n_steps" in rows:
        rows["n_steps"] = rows["n_steps"].astype(object).where(rows["n_steps"].notna(), None)  # blank, not <NA>
    notes = [
        f"Corpus `{plan['corpus']}`. Forecasts without injected truth, on the segments of the injection diagnostic. A "
        "step lasts `ms_per_step` and is taken by the mean (D) or by a draw (D_sampled). After every step the state z, "
        "in deviations of the training frames, is corrected `n_steps` times by z ← z + η s(z, σ) + sqrt(2η) ξ, with "
        f"η = {plan['sampling']['step_size']:g} σ². s is the score of latents with noise of level `sigma`; ξ is "
        "Gaussian noise. `langevin` adds both terms, `noise_only` leaves out s, `score_only` leaves out ξ, and `none` "
        "does not correct. `gaussian_only` and `shrink_only` are `score_only` without a network: with the score of a "
        "Gaussian of the training frames, and with -z / (1 + σ²), which only shrinks a state towards the mean. The "
        "step that is scored leads from one corrected state to the next.",
        "`dnll` (nats/frame, negative is good), `cosine` and `magnitude_ratio` are of the true Δx. "
        "`state_error_normalised` is of the state that a step starts from, over the data's spread. `skill` is the "
        "cosine over that of the ceiling. `divergence_horizon` is the first step that is lost: its mean cosine is "
        "within 2 standard errors of chance, or its mean state error exceeds the data's spread. Where no step is lost, "
        "it is one more than the number of steps. `correction_cosine` and `correction_ratio` compare what was added to "
        "a state with the way from there to the true state: 0 is no help. `cosine_change` and "
        "`state_error_change` are the cosine and the state error less those of `none`, over the same resampled "
        "speakers; `state_error_over_..`, in the CSV, is the state error less that of a control with as many steps at "
        "the same level.",
        "`denoising_loss` is the mean squared error, a dimension, with which the score model predicts the noise in "
        "frames of the split at that level; it is 1 without any model. `denoising_loss_gaussian` is that of a Gaussian "
        "with the covariance of training frames. Intervals are 95 % bootstraps over speakers. Everything that is "
        "fitted saw training speakers only. `overflow` is a mean over frames of which `nonfinite` are beyond the range "
        "of floats.",
        *_verdicts(every),
        "Published: nothing. The seeds planned this experiment. Their probability that it improves rollout stability "
        "was .40 (seed 003 §4; .35 before its experiments) and .30 (seed 004 §6).",
    ]
    decimals = {
        name: listed(name).decimals for name in rows if pd.api.types.is_float_dtype(rows[name]) and name != "sigma"
    }
    return Sheet(
        rows,
        notes,
        decimals,
        caption=f"Forecasts with corrected states, corpus {plan['corpus']}.",
        columns=[name for name in _SHOWN if name in rows],
        by=_BY,
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Two panels for each representation, predictor, split and forecast; a line a variant and level, at the largest
    number of Langevin steps, with 95 % bands. The ceiling is dashed. Where a line ends early, its values overflowed.
    """
    from matplotlib.figure import Figure

    most, sigmas = max(plan["sampling"]["n_steps"]), plan["sampling"]["sigmas"]
    drawn = {**plan, "sampling": {**plan["sampling"], "n_steps": [most]}}
    rows = correction_rows(measured, table, drawn, by_step=True)
    names = ["representation", "predictor", "split"]
    groups = rows[rows["forecast"].notna()].groupby([*names, "forecast"], sort=False)
    ceilings = dict(list(rows[rows["variant"] == "ceiling"].groupby(names, sort=False)))
    figure = Figure(figsize=(11, 1.2 + 3.0 * groups.ngroups), layout="constrained")
    grid = figure.subplots(groups.ngroups, len(_PANELS), squeeze=False)
    handles = {}
    for axes, (name, group) in zip(grid, groups, strict=True):
        for axis, metric in zip(axes, _PANELS, strict=True):
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
            axis.set_title(f"{', '.join(name)}\n{TITLES[metric]}", fontsize=9)
            axis.set_xlabel(in_frames("step of the forecast", rows["ms_per_step"]))
            axis.axhline(0 if metric == "cosine" else 1, color="0.6", linewidth=0.6)
            if metric != "cosine":
                axis.set_yscale("symlog", linthresh=1)
    caption = f"Langevin steps after each step of the forecast: {most}"
    legend_below(figure, handles, title=caption)
    return figure


def correction_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any], by_step: bool) -> pd.DataFrame:
    """A row for each representation, predictor, split, forecast and variant, with all steps pooled (step None), or a
    row for each step, without what changes, if `by_step`. The ceiling is a variant without a forecast."""
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                here = measured.of_row(**keys, seed=table["seeds"])
                found = []
                for described, place in _places(table, plan):
                    who, mine = {**keys, **described}, here.where(**place)
                    if not mine.records.empty:
                        found += [_row(here, mine.at_step(step), who, step) for step in _steps(mine, by_step)]
                if not any(row["forecast"] for row in found):
                    raise unmeasured({**keys, "variant": " or ".join(table["variants"])})
                rows += found
    return pd.DataFrame(rows).astype({"step": "Int64", "n_steps": "Int64"})


def _places(table: dict[str, Any], plan: dict[str, Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Of the rows, the ceiling's last: the columns that name a forecast and its correction, and those of records."""
    variants = [v for v in SamplingSettings(**plan["sampling"]).variants() if v.kind in table["variants"]]
    for forecast in FORECASTS:
        for v in variants:
            described = {"forecast": forecast, "variant": v.kind, "n_steps": v.n_steps, "sigma": v.sigma}
            yield described, {"mode": forecast, **v.place()}
    yield {"forecast": None, "variant": "ceiling", "n_steps": None, "sigma": None}, {"mode": "ceiling"}


def _steps(mine: Measurements, by_step: bool) -> list[int | None]:
    if not by_step:
        return [None]
    steps = mine.records.loc[mine.records.metric == "dnll", "step"]
    return [int(step) for step in sorted(steps.dropna().unique())]


def _row(here: Measurements, mine: Measurements, who: dict[str, Any], step: int | None) -> dict[str, Any]:
    frame_rate_hz = here.over_seeds("frame_rate_hz")
    counted = mine.records[mine.records.metric == "dnll"]
    row: dict[str, Any] = {**who, "step": step, "n": int(counted.n.iloc[0])}
    for metric in _WITH_INTERVALS:
        row[metric] = mine.over_seeds(metric)
        row |= {f"{metric}_ci_{bound}": mine.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
    if step is None:
        row |= _changes(here.where(mode=who["forecast"]).at_step(step), mine, who)
    if who["sigma"] is not None:
        of_the_model = here.where(sigma=who["sigma"])
        row |= {metric: of_the_model.over_seeds(metric) for metric in _DENOISING}
    row["nonfinite"] = round(mine.over_seeds("nonfinite") or 0)
    row["ms_per_step"] = 1000 / frame_rate_hz if frame_rate_hz else None
    return row


def _changes(forecasts: Measurements, mine: Measurements, who: dict[str, Any]) -> dict[str, Any]:
    """What a variant with a score changes of the same forecast without correction, and with a control."""
    none = forecasts.where(correction="none")
    compared = {"cosine_change": (none, "cosine"), "state_error_change": (none, _ERROR)}
    for control, name in _CONTROLS.items():
        alike = forecasts.where(correction=control, sigma=who["sigma"], langevin_steps=who["n_steps"])
        compared[f"state_error_over_{name}"] = alike, _ERROR
    found: dict[str, Any] = {}
    for column, (other, metric) in compared.items():
        asked = who["variant"] not in ("none", "ceiling") and (other is none or who["variant"] in _SCORED)
        found |= as_columns(mine.difference(other, metric) if asked else None, column, blank=math.nan)
    return found


def _verdicts(rows: pd.DataFrame) -> Iterator[str]:
    """The gate of each representation, predictor, split and forecast. It is judged by one variant with a score: the one
    with the longest horizon among those that keep the cosine, or among all if none keeps it. The horizon is far enough,
    or is not, where its interval lies on one side of the threshold."""
    forecasts = rows[rows["forecast"].notna()]
    for names, group in forecasts.groupby(["representation", "predictor", "split", "forecast"], sort=False):
        none = group[group["variant"] == "none"]
        scored = group[group["variant"].isin(_SCORED)]
        if none.empty or scored.empty:
            continue
        before, keeps = _far_enough(none.iloc[0]), scored.apply(_keeps_the_cosine, axis=1)
        among = scored[keeps] if keeps.any() else scored
        best = among.sort_values("divergence_horizon", kind="stable", na_position="first").iloc[-1]
        after, change = _far_enough(best), best["cosine_change"]
        bounds = [best[f"cosine_change_ci_{bound}"] for bound in ("low", "high")]
        interval = "" if any(map(math.isnan, bounds)) else f" [{bounds[0]:.3f}, {bounds[1]:.3f}]"
        verdict = every([after, Judgement("met" if keeps[best.name] else "not met")]).verdict
        needless = before.verdict == "met"
        told = " Without correction it is above, too: there is nothing to extend." if needless else ""
        yield (
            f"Gate (seed 003 §6.2: a divergence horizon above {gate(_GATE).threshold:g}, the cosine not lower "
            f"than without correction), `{'`, `'.join(names)}`: **{verdict}**. "
            f"Horizon {_horizon(best)}, without correction {_horizon(none.iloc[0])}; cosine changed by {change:.3f}"
            f"{interval}. Best: {best['variant']}, {best['n_steps']} steps at sigma {best['sigma']:g}.{told}"
        )


def _far_enough(row: pd.Series) -> Judgement:
    asked = gate(_GATE)
    value, low, high = (row[f"divergence_horizon{end}"] for end in ("", "_ci_low", "_ci_high"))
    return compare(value, low, high, asked.comparison, asked.threshold)


def _horizon(row: pd.Series) -> str:
    low, high = (row[f"divergence_horizon_ci_{bound}"] for bound in ("low", "high"))
    return f"{row['divergence_horizon']:g}" + ("" if pd.isna(low) or pd.isna(high) else f" [{low:g}, {high:g}]")


def _keeps_the_cosine(row: pd.Series) -> bool:
    """Whether the cosine is not lower than without correction: by its value, or within the interval of the change."""
    return bool(row["cosine_change"] >= 0 or row["cosine_change_ci_high"] >= 0)
