"""The Phase 1 table (seed 001): how predictability falls with the staleness of the context, beside its controls.

A row is a representation (or a surrogate of one), a predictor, a split, a slice and a horizon. `dnll_seed_sd` is the
standard deviation between training seeds, `kept_step` the lowest of them.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from latentdyn.metrics import (
    COSINE,
    DNLL_PER_DIM,
    LAGGED_COLUMNS,
    LEVEL_GAIN,
    LEVEL_GAIN_OVER_SHUFFLED,
    R2_DELTA,
    R2_HEAD,
    ROLLOUT_GAP,
)
from latentdyn.metrics import metric as listed
from latentdyn.reporting.cautions import cautions
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, as_columns, unmeasured
from latentdyn.reporting.published import any_published, published
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import known_durations, title
from latentdyn.reporting.transfer import corpus_named, notes_on_transfer, with_origin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BLOCKS = ("representation", "predictor", "split", "slice")
_KEYS = ["representation", "predictor", "split", "slice", "k"]
_METRICS = {"nonfinite": "nll_nonfinite"}  # column -> metric, where the two names differ
_PUBLISHED = {"published_dnll": "dnll", "published_cosine": "cosine", "published_r2": "r2_mean",
              "published_rollout_gap": "rollout_gap", "published_dnll_factored": "dnll_factored",
              "published_readout_variance": "readout_variance"}  # fmt: skip
_LINES = {  # by whether it is of a surrogate, and of eval
    (False, True): "-",
    (False, False): ":",
    (True, True): "--",
    (True, False): "-.",
}
_SURROGATES = {
    "shuffled": "the frames of an utterance in random order",
    "white": "Gaussian noise of equal covariance",
    "phase_randomised": "Gaussian, with equal spectrum and cross-spectrum",
    "time_reversed": "the frames in reverse order",
    "looked_up": "frames about anchors, of which a random table of the last two tells the next",
}
_OTHERS = (*_KEYS, "n", "seeds")  # columns that are no metric
# column -> metric, of all columns that show one
METRICS = {name: listed({**_METRICS, **_PUBLISHED}.get(name, name)) for name in LAGGED_COLUMNS if name not in _OTHERS}


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Args:
        measured: what its rows were measured with. table: its section of the config.
        plan: what the config plans for the table: corpus; rows, the representations in order; kinds, those of its
            predictors and the whole lineage of each row's representation.

    Raises:
        UserError: nothing was measured for a row that the table asks for.
    """
    rows = lagged_rows(measured, table, plan)
    columns = _shown(rows, table)
    return Sheet(
        with_origin(rows, table),
        [*notes_on_transfer(measured, table, plan), *_notes(rows, columns, table, plan)],
        {name: m.decimals for name, m in METRICS.items()},
        caption="Predictability of the next step by the staleness k of the context, corpus "
        f"{corpus_named(table, plan)}.",
        columns=columns,
        by=_BLOCKS,
        heads={"n": "n =", "speakers": "speakers =", "level_gain": "level_gain at k = 1:"},
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """Six panels over staleness k; a line for each representation, predictor, split and slice of the table.

    Bands are 95 % bootstrap intervals over speakers, of `eval` only. The dash tells surrogates and
    splits apart where the table has several kinds of them.
    The cosine that white noise reaches is grey.
    """
    from matplotlib.figure import Figure

    rows = lagged_rows(measured, table, plan)
    figure = Figure(figsize=(13, 6.6), layout="constrained")
    titles = {
        "dnll": title("ΔNLL a dimension", DNLL_PER_DIM),
        "context_gain": title("context gain a dimension", DNLL_PER_DIM),
        "rollout_gap_median": title("rollout-context gap, median", ROLLOUT_GAP),
        "cosine": title("direction: cos(E[Δx|c], Δx); grey: of white noise", COSINE),
        "r2_delta": title("share of the variance of Δx that the mean explains", R2_DELTA),
        "r2_head": title("magnitude: R² of E[ln||Δx|| | c]", R2_HEAD),
    }
    panels = dict(zip(titles, figure.subplots(2, 3).flat, strict=True))
    kinds = zip(rows["representation"].str.contains("__"), rows["split"].eq("eval"), strict=True)
    several_kinds = len(set(kinds)) > 1
    several_slices = rows["slice"].nunique() > 1
    for number, ((representation, predictor), group) in enumerate(
        rows.groupby(["representation", "predictor"], sort=False)
    ):
        for (split, slice_), line in group.groupby(["split", "slice"], sort=False):
            name = f"{representation}, {predictor}, {split}" + (f", {slice_}" if several_slices else "")
            style: dict[str, Any] = {
                **look(number),
                "markersize": 4 if split == "eval" else 2,
            }
            if several_kinds:
                style["linestyle"] = _LINES["__" in representation, split == "eval"]
            for metric, axis in panels.items():
                scale = 1 / line["dim"] if metric in ("dnll", "context_gain") else 1.0
                axis.plot(line["k"], line[metric].astype(float) * scale, label=name, **style)
                if f"{metric}_ci_low" in line and split == "eval":
                    low, high = (line[f"{metric}_ci_{bound}"].astype(float) * scale for bound in ("low", "high"))
                    axis.fill_between(line["k"], low, high, color=style["color"], alpha=0.15, linewidth=0)
    for _, line in rows.groupby(["representation", "predictor"], sort=False):
        reference = line.drop_duplicates("k")
        panels["cosine"].plot(reference["k"], reference["cosine_white_noise"].astype(float), color="0.5", linewidth=0.9)
    panels["rollout_gap_median"].set_yscale("symlog")
    durations = known_durations(rows["ms_per_step"])
    for metric, axis in panels.items():
        axis.set_title(titles[metric], fontsize=10)
        axis.set_xlabel("k: staleness of the context (frames" + ("; below, in ms)" if len(durations) == 1 else ")"))
        axis.set_xscale("log", base=2)
        axis.set_xlim(table["horizons"][0] / 1.2, table["horizons"][-1] * 1.2)  # a panel without a point has none
        axis.set_xticks(
            table["horizons"],
            [f"{k}\n{k * durations[0]:.4g}" if len(durations) == 1 else str(k) for k in table["horizons"]],
        )
        axis.axhline(0, color="0.6", linewidth=0.6)
    legend_below(figure, named_in(panels["dnll"]))
    return figure


def lagged_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """Every column of every row."""
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            mine = measured.where(representation=representation, seed=table["seeds"])
            own = mine.where(by=predictor)
            twin = mine.where(by=f"{predictor}__unconditional")
            shuffled = measured.of_row(f"{representation}__shuffled", predictor, None, seed=table["seeds"])
            rows += [
                _row(
                    own,
                    twin,
                    shuffled,
                    dict(zip(_KEYS, (representation, predictor, split, slice_, k), strict=True)),
                    plan,
                    lineage="" if table.get("fitted_on") else plan["kinds"]["representations"].get(representation, ""),
                )  # nothing was published of what another corpus was fitted to
                for split in table["splits"]
                for slice_ in table["slices"]
                for k in table["horizons"]
            ]
    return pd.DataFrame(rows)


def _row(
    own: Measurements,
    twin: Measurements,
    shuffled: Measurements,
    keys: dict[str, Any],
    plan: dict[str, Any],
    lineage: str,
) -> dict[str, Any]:
    here = own.where(split=keys["split"], horizon=keys["k"])
    chosen = here.where(slice=keys["slice"])
    if chosen.records.empty:
        raise unmeasured(keys)
    whole = here.where(slice="all")
    counted = chosen.records[chosen.records.metric == "nll"]
    row: dict[str, Any] = {**keys, "n": int(counted.n.iloc[0]), "seeds": chosen.records.seed.nunique()}
    frame_rate_hz = chosen.over_seeds("frame_rate_hz")
    kind = plan["kinds"]["predictors"][keys["predictor"]]
    for column, metric in METRICS.items():
        if column in _PUBLISHED:
            place = {"split": keys["split"], "slice": keys["slice"], "horizon": keys["k"]}
            row[column] = published(chosen, metric.name, lineage=lineage, by=kind, **place)
        elif column.endswith(("_ci_low", "_ci_high")):
            quantity, bound = column.rsplit("_ci_", 1)
            row[column] = chosen.over_seeds(quantity, f"ci_{bound}")
        else:
            value = (whole if metric.whole_split else chosen).over_seeds(metric.name)
            row[column] = round(value) if value is not None and metric.decimals == 0 else value
    # the density without a context was scored on the same frames, at the one horizon it has
    gain = chosen.difference(twin.where(split=keys["split"], slice=keys["slice"]), "nll")
    row |= as_columns(gain, "context_gain")
    unordered = shuffled.where(
        split=keys["split"], slice=keys["slice"], horizon=keys["k"]
    )  # nothing, without such rows
    row |= as_columns(chosen.difference(unordered, LEVEL_GAIN.name), LEVEL_GAIN_OVER_SHUFFLED.name)
    row["kept_step"] = whole.over_seeds("kept_step", reduce=np.min)
    row["ms_per_step"] = 1000 / frame_rate_hz if frame_rate_hz else None
    row["dnll_seed_sd"] = chosen.over_seeds("dnll", reduce=lambda v: np.std(v, ddof=1)) if row["seeds"] > 1 else None
    return row


def _shown(rows: pd.DataFrame, table: dict[str, Any]) -> list[str]:
    """The columns for people: those that the config names, without those that are blank in all rows only because
    nothing was published or there is one seed; and the slice, where there are several."""
    columns = [
        name
        for name in table["columns"]
        if rows[name].notna().any() or not (name in _PUBLISHED or name == "dnll_seed_sd")
    ]
    hidden_slice = "slice" not in columns and rows["slice"].nunique() > 1
    return ["slice", *columns] if hidden_slice else columns


def _notes(rows: pd.DataFrame, columns: list[str], table: dict[str, Any], plan: dict[str, Any]) -> list[str]:
    """What a reader must know to read the table, one sentence or two a note."""
    lasts = ", ".join(f"{ms:g}" for ms in known_durations(rows["ms_per_step"]))
    notes = [
        f"Corpus `{plan['corpus']}`. Targets are the one-step deltas Δx_t. k is the staleness of the context, which "
        f"ends k frames before t; a frame lasts {lasts or '`ms_per_step`'} ms. All k of a representation and split are "
        "scored on the same n frames. The CSV holds more columns.",
        *cautions(rows),
        "`dnll` is ΔNLL in nats/frame: the NLL less that of a baseline. Negative is good. The baseline of `dnll` is a "
        "diagonal Gaussian of training deltas, that of `dnll_full` a Gaussian of training deltas with full covariance. "
        "The baseline of `context_gain` is the same density, fitted without any context: only `context_gain` measures "
        "the context. It does not compare predictors, since each has a baseline of its own. Intervals are 95 % "
        "bootstraps over speakers. Everything that is fitted saw training speakers only.",
        "`level_gain` is NLL[x_t|c] - NLL[x_t] (k = 1 only); NLL[x_t] is that of a diagonal Gaussian of frames. The "
        "`level_gain` of white noise is what its covariance is worth: 0 if its dimensions are uncorrelated. But its "
        "`dnll` is -.347 nats/dim, and its cosine, `cosine_white_noise`, is up to .707 at k = 1; from k = 2 on it is "
        "0. `r2_head` scores E[ln||Δx|| | c] as a prediction of ln||Δx||; `r2_mean` scores ln||E[Δx|c]||. `r2_delta` "
        "is the share of the variance of Δx that the mean explains.",
    ]
    if {"rollout_gap", "rollout_gap_median", "published_rollout_gap"} & set(columns):
        notes.append(
            "For `rollout_gap`, the W frames of context are the model's own. It is the NLL of the true Δx_t in this "
            "context less that in the true context. `overflow` says that `rollout_overflow` of its frames are beyond "
            "the range of floats. `rollout_gap_linear` is the gap of the best linear map of one stale frame. Where it "
            "explodes too, the stale recursion explodes by itself: that is no failure of the predictor."
        )
    if {"dnll_direction", "dnll_length", "dnll_factored", "published_dnll_factored"} & set(table["columns"]):
        notes.append(
            "Some densities are of the direction d and the length m of Δx = m d. `dnll_direction` is -ln p(d|c) less "
            "that of the uniform law on the sphere. `dnll_length` is -ln p(m|c) less that of one log-normal of "
            "training lengths. `dnll_factored` is their sum; seed document 003 calls it the ΔNLL of its vMF x "
            "LogNormal. Steps of length 0 are left out. None of them compares with `dnll`, which is in R^D and "
            "against a Gaussian."
        )
    if "published_dnll_factored" in table["columns"]:
        notes.append(
            "`published_dnll_factored` is against a baseline that its source does not give. It hardly changes with k, "
            "while the cosines published with it fall from .732 to .058. At D = 512 these cosines are worth -196, -56, "
            "-5.9 and -.9 nats (k = 1, 2, 4, 8) in `dnll_direction`, if κ is that of the mean cosine."
        )
    if table["surrogates"]:
        methods = " ".join(f"`..__{method}`: {_SURROGATES[method]}." for method in table["surrogates"])
        notes.append(
            "Rows with `__` in their name are surrogates: latents that lack some structure of the representation. "
            f"{methods} What a surrogate scores is not due to the structure that it lacks."
        )
    if table.get("fitted_on"):
        notes.append("No value has been published of predictors that were fitted to another corpus.")
    elif any_published(plan["kinds"]["representations"][name] for name in plan["rows"]):
        notes.append(
            "Published values: seed documents 000, 001, 003 (LibriSpeech train-clean-100; other runs and splits)."
        )
    else:
        notes.append("No value has been published for these representations, so no column shows one.")
    return notes
