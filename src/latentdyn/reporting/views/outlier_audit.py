"""The outlier audit: whether a mean is typical of its frames, or made by a few of them.

In the seed documents a few frames made the mean training ΔNLL +2028 and +11857 nats. So each mean is shown with the
trimmed mean, the quantiles, the mean without the worst frames, and a list of these frames.
"""

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.metrics import DNLL
from latentdyn.reporting.looks import legend_below, look, named_in
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.titles import title
from latentdyn.reporting.transfer import corpus_named, notes_on_transfer, with_origin

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SUMMARY = ("trimmed", "min", *(quantile_name(q) for q in QUANTILES), "max", "nonfinite")
_DECIMALS = {
    "dnll": 2, "without_worst": 2, "path_difference": 6, "time_s": 2, "nll": 1, "delta_norm": 2,
    **{name: 2 for name in _SUMMARY if name != "nonfinite"},
}  # fmt: skip


def tabulate(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> Sheet:
    """The sheet of one table, the worst frames below it; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    notes = [
        f"Corpus `{plan['corpus']}`. ΔNLL of single frames, in nats/frame against a diagonal Gaussian of training "
        "deltas: its mean `dnll`, the mean without the lowest and the highest 5 % (`trimmed`), quantiles, and the mean "
        "without the frames of highest NLL, which are listed below (`without_worst`).",
        "`path_difference` is the mean difference between the training loss and the score of the same frames (networks "
        "only). Where it is about 0, rows of train and eval differ because the data do, not because they are scored "
        "in another way.",
        "Below: the frames of highest NLL of each representation, predictor and split, at the smallest k.",
    ]
    rows = outlier_rows(measured, table, plan)
    return Sheet(
        with_origin(rows, table),
        [*notes_on_transfer(measured, table, plan), *notes],
        _DECIMALS,
        columns=list(rows),
        below=_worst(measured, table, plan),
        caption=f"The law of single frames: means beside quantiles, corpus {corpus_named(table, plan)}.",
    )


def draw(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> "Figure":
    """At the smallest k: quantiles of ΔNLL with the mean as a cross; the worst frames' ΔNLL by ||Δx||."""
    from matplotlib.figure import Figure

    rows = outlier_rows(measured, table, plan)
    rows = rows[rows["k"] == table["horizons"][0]]
    figure = Figure(figsize=(13, 4.6), layout="constrained")
    quantiles, worst = figure.subplots(1, 2)
    frames = measured.where(horizon=table["horizons"][0], seed=table["seeds"][0])
    for number, row in enumerate(rows.to_dict("records")):
        who = {name: row[name] for name in ("representation", "predictor", "split")}
        values = [row[quantile_name(q)] for q in QUANTILES]
        style = look(number)
        quantiles.plot(QUANTILES, values, markersize=3.5, label=", ".join(who.values()), **style)
        quantiles.plot(0.5, row["dnll"], marker="x", color=style["color"])
        mine = frames.of_row(**who).worst_frames
        worst.scatter(mine.delta_norm, mine.dnll.astype(float), s=12, color=style["color"], marker=style["marker"])
    quantiles.set_xscale("logit")
    quantiles.set_xlabel("share of frames below (cross: the mean)")
    quantiles.set_ylabel(title("ΔNLL", DNLL))
    worst.set_xlabel("||Δx|| of the frames of highest NLL")
    worst.set_ylabel(title("ΔNLL", DNLL))
    for axis in (quantiles, worst):
        axis.set_yscale("symlog", linthresh=10)
    if frames.worst_frames.dnll.notna().any():  # a logarithmic axis needs a point
        worst.set_xscale("log")
    legend_below(figure, named_in(quantiles))
    return figure


def outlier_rows(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor, split and horizon."""
    rows = []
    for representation in plan["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                for k in table["horizons"]:
                    keys = {"representation": representation, "predictor": predictor, "split": split}
                    here = measured.of_row(**keys, horizon=k, slice="all", seed=table["seeds"])
                    if here.records.empty:
                        raise unmeasured({**keys, "k": k})
                    n = int(here.records.n[here.records.metric == "dnll"].iloc[0])
                    row = {**keys, "k": k, "n": n, "dnll": here.over_seeds("dnll")}
                    row["without_worst"] = _without_worst(here)
                    row |= {name: here.over_seeds(f"dnll_{name}") for name in _SUMMARY}
                    row["nonfinite"] = round(row["nonfinite"])
                    rows.append(row | {"path_difference": here.over_seeds("path_difference")})
    return pd.DataFrame(rows)


def _without_worst(here: Measurements) -> float | None:
    """Mean ΔNLL over the frames that are not among the worst, seeds pooled; None if it overflowed."""
    sums, worst = here.speakers[here.speakers.metric == "dnll"], here.worst_frames.dnll.astype(float)
    total, n = sums.total.sum() - worst.sum(), sums.n.sum() - worst.count()
    return float(total / n) if n and math.isfinite(total) else None


def _worst(measured: Measurements, table: dict[str, Any], plan: dict[str, Any]) -> pd.DataFrame:
    """The worst frames at the smallest horizon and the first seed, in the rows' order."""
    frames = measured.where(horizon=table["horizons"][0], seed=table["seeds"][0]).worst_frames
    order = [
        frames[(frames.representation == r) & (frames.by == p) & (frames.split == s)]
        for r in plan["rows"]
        for p in table["predictors"]
        for s in table["splits"]
    ]
    worst = pd.concat(order, ignore_index=True).rename(columns={"by": "predictor"})
    return worst[["representation", "predictor", "split", "utterance_id", "t", "time_s", "nll", "dnll", "delta_norm"]]
