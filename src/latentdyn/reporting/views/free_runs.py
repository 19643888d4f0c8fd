"""Free runs: whether they stay where the data are and move as the data do, not whether they come true.

A row is a representation, a predictor and how a free run takes its steps; the row `data` is what held-out frames score.
Three more rows are of frames that no predictor made (see diagnostics.free_runs.lagged_frames).
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.metrics import AUTOCORRELATION_DELTAS, AUTOCORRELATION_LATENTS, ENERGY, STEP_LENGTH
from latentdyn.metrics import metric as listed
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.shares import OF_UNBOUNDED
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL_BESIDE_REAL = (
    "Of real frames beside real ones, `classifier_accuracy` is .5 on average. In one table it may lie well below .5, "
    "or above: which speakers stand on which side, and which of them teach, is drawn once, and the interval does not "
    "hold that chance."
)
MODES = ("sampled", "mean", "median", "data", "half", "phase_randomised", "marginal")
_POOLED = ("unbounded", "energy", "step_length")
_BY_STEP = ("energy", "step_length", "autocorrelation_latents", "autocorrelation_deltas")  # the last two, by lag
_DISTANCES = ("frechet_latents", "frechet_deltas", "classifier_accuracy")
_STYLES = {"sampled": "-", "mean": "--", "median": "-.", "data": ":"}
_TITLES = {
    "energy": title("E||x̂ - mean||² over that of the data", ENERGY),
    "step_length": title("E||Δx̂|| over that of the data", STEP_LENGTH),
    "autocorrelation_latents": title("autocorrelation of latents", AUTOCORRELATION_LATENTS),
    "autocorrelation_deltas": title("autocorrelation of deltas", AUTOCORRELATION_DELTAS),
}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = free_run_rows(measured, table, plan).dropna(axis="columns", how="all")
    notes = [
        f"Corpus `{plan['corpus']}`. n free runs of the predictor start from held-out contexts. They take their steps "
        "by draws from its densities (`sampled`), by the mean or by the median. `unbounded` is the share of runs that "
        "came 10 times as far from the training mean as any training frame. `energy` (E||x̂ - training mean||²) and "
        "`step_length` (E||Δx̂||) are divided by those of the data: for all steps, and at the step named. A run by the "
        "mean slows down and stops even if its model is the true one: both fall.",
        "Rows without a predictor's runs say what a number is worth. `half`: one half of the held-out speakers beside "
        "the other half. `marginal`: frames of training speakers drawn one by one; their law is right, their order is "
        "lost. `phase_randomised`: utterances of training speakers with random Fourier phases; moments and "
        "autocorrelations are right, all other structure is lost.",
        "`classifier_accuracy` is how often a logistic regression on simple features tells windows of 8 frames from "
        "real ones (Lopez-Paz & Oquab 2017), on speakers that it has not seen. .5 is chance. The row `data` has that "
        f"of training frames. {REAL_BESIDE_REAL}",
        "`autocorrelation_.._l` is at a lag of l frames. `frechet_..` is the squared Fréchet distance of two Gaussians "
        "(Heusel et al. 2017): from the frames of the runs to the data, and in the row `data` from as many training "
        "frames to the data. Two finite samples of one law are not at distance 0: the row `data` is the smallest "
        "distance to expect.",
        f"Intervals are 95 % bootstraps over speakers. {OF_UNBOUNDED} `overflow` says that frames are beyond the "
        "range of floats.",
    ]
    decimals = {name: _decimals(name) for name in rows if pd.api.types.is_float_dtype(rows[name])}
    return Sheet(rows, notes, decimals, caption=f"Free runs beside the data, corpus {plan['corpus']}.")


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Four panels: energy and step length over steps (1 is the data's), autocorrelations over lags.

    A colour and marker for each representation, predictor and split, a dash for how steps are taken; data are dotted.
    """
    from matplotlib.figure import Figure

    rows = free_run_rows(measured, table, plan)
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    rows = rows[rows["mode"].isin(list(_STYLES))]
    for axis, metric in zip(figure.subplots(1, len(_TITLES)), _TITLES, strict=True):
        at = sorted(int(name.removeprefix(f"{metric}_")) for name in rows if name.removeprefix(f"{metric}_").isdigit())
        for number, (names, group) in enumerate(rows.groupby(["representation", "predictor", "split"], sort=False)):
            for _, row in group.iterrows():
                values = [row[f"{metric}_{step}"] for step in at]
                label = ", ".join([*names, row["mode"]])
                style = {**look(number), "linestyle": _STYLES[row["mode"]], "markersize": 3.5}
                axis.plot(at, values, label=label, **style)
        axis.set_title(_TITLES[metric], fontsize=10)
        axis.set_xscale("log", base=2)
        axis.set_xticks(at, [str(step) for step in at])
        axis.set_xlabel("lag (frames)" if "auto" in metric else "step of the run (frames)")
        axis.axhline(0 if "auto" in metric else 1, color="0.6", linewidth=0.6)
        if "auto" not in metric:
            axis.set_yscale("log")
    legend_below(figure, named_in(figure.axes[0], figure.axes[-1]))
    return figure


def free_run_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor, split and mode."""
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                here = measured.of_row(**keys, seed=table["seeds"])
                modes = [mode for mode in MODES if (here.records["mode"] == mode).any()]
                if not modes:
                    raise unmeasured(keys)
                rows += [_row(here.where(mode=mode), {**keys, "mode": mode}) for mode in modes]
    return pd.DataFrame(rows)


def _row(mine: Measurements, keys: dict[str, Any]) -> dict[str, Any]:
    pooled = Measurements(mine.records[mine.records["step"].isna()], mine.speakers, mine.worst_frames)
    row: dict[str, Any] = {**keys, "n": int(mine.records.n.iloc[0])}
    for metric in (*_POOLED, *_DISTANCES):
        row[metric] = pooled.over_seeds(metric)
        row |= {f"{metric}_ci_{bound}": pooled.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
    for metric in _BY_STEP:
        steps = mine.records.loc[mine.records.metric == metric, "step"].dropna().unique()
        row |= {f"{metric}_{step}": mine.where(step=step).over_seeds(metric) for step in sorted(steps)}
    return row


def _decimals(column: str) -> int:
    """The digits of a column's metric; a column may be of one step or lag, or of all together."""
    name, _, step = column.rpartition("_")
    return listed(name if step.isdigit() else column).decimals
