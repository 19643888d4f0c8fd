"""CALM's parts, arm by arm: what a frame costs and gives, and which tricks keep free runs bounded (seed 002 §9).

A row is a representation, a predictor and a training seed, on held-out speakers at k = 1. Beside the columns of a table
of parametrisations it has:

- parameters_ratio: over those of the table's first predictor that has any.
- innovation_kbit_per_s: (D ln 10 + level gain) as bits a second. White Gaussian frames at a resolution of a tenth of
  their deviation take D ln 10 nats a frame; the level gain (below 0) is what the context saves of it.
- the tricks of its training and of its draws, from the config, and whether every free run stayed bounded.
"""

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.rate import kbit_per_s
from latentdyn.metrics import (
    CLASSIFIER_ACCURACY,
    ENERGY_SCORE_STATE,
    FRECHET_DELTAS,
    FRECHET_LATENTS,
    GENERATION_MS,
)
from latentdyn.metrics import metric as listed
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, as_columns, combined
from latentdyn.reporting.published import CALM
from latentdyn.reporting.shares import OF_UNBOUNDED
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title
from latentdyn.reporting.views.parametrisation import (
    STAND_INS,
    STAND_INS_NOTE,
    arm_cautions,
    arm_decimals,
    arm_row,
    stand_in_rows,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLIT = "eval"
_RESOLUTION = 0.1  # deviations of the frames: noise of this size is hardly heard
_MOST_APART = 0.05  # of the parameters, above which arms do not compare as equals
_LAGS = (1, 2, 4, 8)
_COSTS = ("flops_per_frame", "generation_ms")
# columns: the metric, the mode of the forecasts, and their step
_ENERGIES: dict[str, tuple[str, str, Any]] = {
    "energy_score_1": ("energy_score_state", "D_sampled", 1),
    "energy_score_last": ("energy_score_state", "D_sampled", "last"),
    "energy_score_last_marginal": ("energy_score_state_baseline", "D_sampled", "last"),
    "energy_score_step_last": ("energy_score", "D_sampled", "last"),
    "energy_score_step_ceiling": ("energy_score", "ceiling", "last"),
}
_BEYOND: dict[str, Any] = {"energy_score_1_over_marginal": 1, "energy_score_last_over_marginal": "last"}  # at a step
_DECIMALS = {column: metric for column, (metric, *_) in _ENERGIES.items()} | dict.fromkeys(
    _BEYOND, "energy_score_state"
)
_SHOWN = (
    "predictor", "seed", "reads", "nfe", "parameters", "parameters_ratio", *_COSTS, "dnll", "dnll_ci_low",
    "dnll_ci_high", "innovation_kbit_per_s", "innovation_kbit_per_s_ci_low", "innovation_kbit_per_s_ci_high",
    *(f"{name}{end}" for name in ("energy_score_1", "energy_score_last") for end in ("", "_ci_low", "_ci_high")),
    "energy_score_last_marginal", "energy_score_step_last", "energy_score_step_ceiling", "energy", "energy_ci_low",
    "energy_ci_high", "frechet_latents", "frechet_latents_ci_low", "frechet_latents_ci_high", "frechet_deltas",
    "frechet_deltas_ci_low", "frechet_deltas_ci_high", *(f"autocorrelation_latents_{lag}" for lag in _LAGS),
    "classifier_accuracy", "classifier_accuracy_ci_low", "classifier_accuracy_ci_high", "context_noise",
    "clean_frames", "temperature", "rollout_training", "unbounded", "bounded", *(f"published_{v.metric}" for v in CALM),
)  # fmt: skip
_PANELS = {
    "energy_score_1": title("energy score after 1 step", ENERGY_SCORE_STATE),
    "energy_score_last": title("energy score after the last", ENERGY_SCORE_STATE),
    "frechet_latents": title("Fréchet distance of frames", FRECHET_LATENTS),
    "frechet_deltas": title("Fréchet distance of steps", FRECHET_DELTAS),
    "classifier_accuracy": title("accuracy of the classifier", CLASSIFIER_ACCURACY),
}
_LOGARITHMIC = ("frechet_latents", "frechet_deltas")


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; `plan` also says what each predictor is (`arms`).

    Raises:
        UserError: nothing was measured for a row.
    """
    arms = calm_arm_rows(measured, table, plan)
    rows = pd.concat([arms, pd.DataFrame([_published_row()])], ignore_index=True).dropna(axis="columns", how="all")
    rows = rows.astype({name: "Int64" for name in ("seed", "n", "nfe", "clean_frames") if name in rows})
    decimals = {str(name): _decimals(str(name)) for name in rows if pd.api.types.is_float_dtype(rows[name])}
    notes = [
        *_notes(arms, plan), *_on_tricks(arms), *_on_parameters(arms), *arm_cautions(arms, measured, table, plan)
    ]  # fmt: skip
    return Sheet(
        rows,
        notes,
        decimals,
        caption=f"CALM's parts by what a frame costs and gives, corpus {plan['corpus']}.",
        columns=["representation", *(name for name in _SHOWN if name in rows)],
        by=("representation",),
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """A row of panels for each representation: what a frame is worth over the time that it takes, a point an arm."""
    from matplotlib.figure import Figure

    rows = calm_arm_rows(measured, table, plan)
    figure = Figure(figsize=(13, 3.3 * len(plan["rows"])), layout="constrained")
    grid = figure.subplots(len(plan["rows"]), len(_PANELS), squeeze=False)
    for axes, representation in zip(grid, plan["rows"], strict=True):
        here = rows[rows["representation"] == representation]
        for axis, (metric, text) in zip(axes, _PANELS.items(), strict=True):
            for number, predictor in enumerate(table["predictors"]):
                mine = here[here["predictor"] == predictor]
                values = (pd.to_numeric(mine[name], errors="coerce") for name in ("generation_ms", metric))
                axis.plot(*values, **{**look(number), "linestyle": ""}, markersize=4.5, label=predictor)
            # symlog where log fails: of values that all overflowed, none is left to choose ticks from
            axis.set_xscale("symlog", linthresh=1e-3)
            axis.set_xlabel(title("time of a frame", GENERATION_MS), fontsize=8)
            axis.set_title(f"{representation}\n{text}", fontsize=9)
            if metric in _LOGARITHMIC:
                axis.set_yscale("symlog", linthresh=1)
    legend_below(figure, named_in(grid[0, 0]))
    return figure


def calm_arm_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor and seed, and for each kind of frames that no predictor made."""
    rows: list[dict[str, Any]] = []
    for representation in plan["rows"]:
        arms = [
            _row(measured, representation, predictor, seed, plan)
            for predictor in table["predictors"]
            for seed in _seeds(measured, representation, predictor, table)
        ]
        first = next((row["parameters"] for row in arms if row["parameters"]), None)
        for row in arms:
            row["parameters_ratio"] = row["parameters"] / first if first and row["parameters"] else None
        rows += [*arms, *stand_in_rows(measured, representation, table)]
    return pd.DataFrame(rows)


def _seeds(measured: Measurements, representation: str, predictor: str, table: dict[str, Any]) -> list[int]:
    """Those of the table that were measured: a closed form has the first alone."""
    found = set(measured.of_row(representation, predictor, _SPLIT).records["seed"])
    return [seed for seed in table["seeds"] if seed in found] or table["seeds"][:1]


def _row(
    measured: Measurements, representation: str, predictor: str, seed: int, plan: dict[str, Any]
) -> dict[str, Any]:
    row = arm_row(measured, representation, predictor, [seed], plan) | {"seed": seed}
    del row["seeds"]  # it is one
    here = measured.of_row(representation, predictor, _SPLIT, seed=[seed])
    row |= {name: here.over_seeds(name) for name in _COSTS}
    forecasts = here.where(measurement="injection")
    last = forecasts.records["step"].max()
    for column, (metric, mode, step) in _ENERGIES.items():
        at = forecasts.where(mode=mode).at_step(last if step == "last" else step)
        row[column] = at.over_seeds(metric)
        row |= {f"{column}_ci_{bound}": at.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
    for column, step in _BEYOND.items():
        at = forecasts.where(mode="D_sampled").at_step(last if step == "last" else step)
        beyond = combined([(at, "energy_score_state"), (at, "energy_score_state_baseline")], np.subtract)
        row |= as_columns(beyond, column)
    row |= _innovation(here.where(horizon=1, slice="all"))
    row["bounded"] = {True: "yes", False: "no"}[row["unbounded"] == 0]
    return row


def _innovation(lagged: Measurements) -> dict[str, float]:
    """The rate with its interval; nothing of what has no likelihood."""
    dim, frame_rate_hz = lagged.over_seeds("dim"), lagged.over_seeds("frame_rate_hz")
    found = {}
    for end, column in {"": "value", "_ci_low": "ci_low", "_ci_high": "ci_high"}.items():
        gain = lagged.over_seeds("level_gain", column)
        if dim is not None and frame_rate_hz is not None and gain is not None:
            nats = gain - dim * math.log(_RESOLUTION)
            found[f"innovation_kbit_per_s{end}"] = kbit_per_s(nats, frame_rate_hz)
    return found


def _published_row() -> dict[str, Any]:
    values = {f"published_{value.metric}": value.value for value in CALM}
    return {"representation": "another setting", "predictor": "CALM, published", **values}


def _decimals(column: str) -> int:
    bare = column.removesuffix("_ci_low").removesuffix("_ci_high")
    if bare in ("parameters_ratio", "context_noise", "temperature"):
        return 2
    if bare.startswith(("innovation_kbit_per_s", "published_")):
        return listed(bare.removeprefix("published_")).decimals
    return arm_decimals(_DECIMALS.get(bare, column))


def _notes(rows: pd.DataFrame, plan: dict[str, Any]) -> Iterator[str]:
    yield (
        f"Corpus `{plan['corpus']}`. A row is a predictor and a training seed, on speakers of `eval`, at k = 1. The "
        "CSV holds more columns and all intervals, which are 95 % bootstraps over speakers. `parameters` is how many "
        "numbers were trained, `parameters_ratio` that over the first predictor that has any. `reads`: the newest "
        "frames, or the whole past. `nfe`: evaluations of the head for a draw."
    )
    yield (
        "`flops_per_frame` and `generation_ms` are of one frame drawn after 256 frames of a stream, which are read "
        "once: operations of matrix products (a multiplication and an addition are two), and the median time by one "
        "thread of the CPU that measured, one utterance at a time. Times depend on the machine and on what else it "
        "did; operations do not."
    )
    yield (
        f"`innovation_kbit_per_s`: bits to send a frame whose past is known, at a resolution of {_RESOLUTION:g} "
        f"deviations. It is D ln {1 / _RESOLUTION:g} (white Gaussian frames) plus the level gain, in kbit/s. It is "
        "empty for heads without a likelihood."
    )
    yield (
        "`energy_score_1` and `energy_score_last` are of states drawn 1 step ahead and at the last step of a forecast, "
        "in deviations of the training frames. A direct density of that state is not known. Beside the last stands "
        "`.._marginal`, of a diagonal Gaussian of training frames, which knows nothing of the past; "
        "`.._over_marginal`, in the CSV, is the score less that one's, over the same resampled speakers. "
        "`energy_score_step_last` is of the last step, and `energy_score_step_ceiling` of the same predictor fitted "
        "so far ahead, where it is."
    )
    yield (
        "The tricks of each arm (seed 002 §9) are read from the config: `context_noise` is the largest share of the "
        "variance of context frames that was noise in training (also of the training that the weights come from), "
        "`clean_frames` how many of the newest frames had none, `temperature` that of the draws of free runs, "
        "`rollout_training` whether it learned from its own runs. `bounded`: no free run left the data behind "
        "(`unbounded` is the share that did). The other columns are of free runs by draws; 1 is right for `energy`, .5 "
        f"for `classifier_accuracy`. {OF_UNBOUNDED}"
    )
    if rows["predictor"].isin(list(STAND_INS)).any():
        yield STAND_INS_NOTE
    told = ", ".join(f"{value.metric} {value.value:g}" for value in CALM)
    yield f"Published, of another setting: {told}, {CALM[0].of} ({CALM[0].source}). No row of ours compares with it."


def _on_tricks(rows: pd.DataFrame) -> Iterator[str]:
    """For each representation, which arms stay bounded, by whether they use a trick; an arm is all of its seeds."""
    arms = rows[~rows["predictor"].isin(list(STAND_INS))]
    for representation, here in arms.groupby("representation", sort=False):
        found: dict[str, list[str]] = {}
        for predictor, mine in here.groupby("predictor", sort=False):
            bounded = (mine["bounded"] == "yes").all()
            tricks = _tricks(mine.iloc[0])
            end = ("without any trick" if not tricks else "with tricks") if bounded else None
            said = f"`{predictor}`" + (f" ({', '.join(tricks)})" if tricks else "")
            found.setdefault(f"bounded {end}" if end else "not bounded in every run", []).append(said)
        listing = "; ".join(f"{what}: {', '.join(names)}" for what, names in sorted(found.items()))
        yield f"Free runs of `{representation}`: {listing}."


def _tricks(row: pd.Series) -> list[str]:
    """In words, those that an arm uses."""
    words = []
    if row.get("context_noise", 0) > 0:
        words.append(f"context noise {row['context_noise']:g}")
    if row.get("clean_frames", 0) > 0:
        words.append(f"{int(row['clean_frames'])} clean frames")
    if row.get("temperature", 1) != 1:
        words.append(f"temperature {row['temperature']:g}")
    if row.get("rollout_training") == "yes":
        words.append("rollout training")
    return words


def _on_parameters(rows: pd.DataFrame) -> Iterator[str]:
    """Which arms have so many more or fewer parameters than the first that they do not compare as equals."""
    apart = rows[(rows["parameters_ratio"].astype(float) - 1).abs() > _MOST_APART]
    for representation, here in apart.groupby("representation", sort=False):
        ratios = here.groupby("predictor", sort=False)["parameters_ratio"].first()
        said = ", ".join(f"`{name}` {ratio:.2f}" for name, ratio in ratios.items())
        yield (
            f"**Caution:** arms of `{representation}` do not have equally many parameters. Over those of the first: "
            f"{said}. That differs by more than {100 * _MOST_APART:g} %; `match_parameters_of` of a predictor chooses "
            "its width so that they are equal."
        )
