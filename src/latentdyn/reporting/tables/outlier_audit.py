"""The outlier audit: whether a mean stands for its frames, or for a handful of them.

In the seed documents a handful of frames made the mean training ΔNLL +2028 and +11857 nats. So beside each mean stand
the trimmed mean, the quantiles, the mean without the worst frames, and where these frames are.
"""

import math
from typing import Any

import pandas as pd

from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.sheet import Sheet

_SUMMARY = ("trimmed", "min", *(quantile_name(q) for q in QUANTILES), "max", "nonfinite")
_DECIMALS = {
    "dnll": 2, "without_worst": 2, "path_difference": 6, "time_s": 2, "nll": 1, "delta_norm": 2,
    **{name: 2 for name in _SUMMARY if name != "nonfinite"},
}  # fmt: skip


def tabulate(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Sheet:
    """The sheet of one table, the worst frames below it; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    notes = [
        f"Corpus `{about['corpus']}`. ΔNLL (nats/frame, against the diagonal Gaussian of training deltas) of single "
        "frames: its mean `dnll`, the mean without the lowest and highest 5 % (`trimmed`), quantiles, and the mean "
        "without the frames of highest NLL that are listed below (`without_worst`).",
        "`path_difference` is the mean difference between the training loss and the score of the very same frames "
        "(networks only): where train and eval rows differ, it is the data.",
        "Below: the frames of highest NLL on each representation, predictor and split, at the smallest k.",
    ]
    return Sheet(outlier_rows(found, table, about), notes, _DECIMALS, below=_worst(found, table, about))


def outlier_rows(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor, split and horizon."""
    rows = []
    for representation in about["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                for k in table["horizons"]:
                    keys = {"representation": representation, "predictor": predictor, "split": split}
                    here = found.where(**keys, horizon=k, slice="all", seed=table["seeds"])
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
    """Mean ΔNLL over the frames that are not among the worst, seeds pooled; None where an overflow hides it."""
    sums, worst = here.speakers[here.speakers.metric == "dnll"], here.worst_frames.dnll.astype(float)
    total, n = sums.total.sum() - worst.sum(), sums.n.sum() - worst.count()
    return float(total / n) if n and math.isfinite(total) else None


def _worst(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> pd.DataFrame:
    """The worst frames at the smallest horizon and the first seed, in the rows' order."""
    frames = found.where(horizon=table["horizons"][0], seed=table["seeds"][0]).worst_frames
    order = [
        frames[(frames.representation == r) & (frames.predictor == p) & (frames.split == s)]
        for r in about["rows"]
        for p in table["predictors"]
        for s in table["splits"]
    ]
    return pd.concat(order, ignore_index=True).drop(columns=["seed", "horizon"])
