"""What scores of frames say of a slice of them: means with intervals, robust summaries, and the worst frames."""

import logging
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.capabilities import missing
from latentdyn.diagnostics.lagged.speaker_sums import SpeakerSums
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.scores import FACT
from latentdyn.diagnostics.summaries import robust_summary
from latentdyn.metrics import (
    BITS_PER_FRAME,
    COSINE,
    DIM,
    DNLL,
    DNLL_DIRECTION,
    DNLL_FACTORED,
    DNLL_FULL,
    DNLL_LENGTH,
    DNLL_PER_DIM,
    FACTS,
    FRAME_RATE_HZ,
    KBIT_PER_S,
    LEVEL_GAIN,
    NLL,
    NLL_BASELINE,
    R2_DELTA,
    R2_HEAD,
    R2_MEAN,
    SPEAKERS,
    STILL_FRAMES,
    Metric,
)

Scores = Mapping[str, np.ndarray]  # columns of `score_frames`, (n,) of so many frames

log = logging.getLogger(__name__)

_MOST_CLAMPED = 0.05  # of the frames: a clamp that binds more often is told
_SCORE_OF = {NLL: "nll", DNLL: "nll", COSINE: "cosine", R2_DELTA: "error", R2_MEAN: "log_norm_of_mean",
             R2_HEAD: "mean_log_norm"}  # the column of `score_frames` that a metric needs  # fmt: skip


def tell_clamps(scores: Scores, split: str, horizon: int) -> None:
    for name in FACTS:
        share = float(scores[FACT + name].mean()) if FACT + name in scores else 0.0
        if name.endswith("_at_clamp") and share > _MOST_CLAMPED:
            log.warning("%s, k = %d: %s is %.3f; what is measured there is the clamp", split, horizon, name, share)


def slice_records(
    scores: Scores,
    speaker_ids: pd.Series,
    resamples: int,
    where: dict[str, Any],
    names: tuple[object, ...],
    dim: int,
    frame_rate_hz: float,
) -> tuple[list[Record], pd.DataFrame]:
    """Records of one slice, and its sums over each speaker's frames."""
    n = len(speaker_ids)
    quantities = _quantities(scores, where["horizon"])
    suffixes = [name.removeprefix("error") for name in scores if name.startswith("error")]
    values = {metric.name: v for metric, v in quantities.items()}
    parts: dict[str, np.ndarray] = {}
    for suffix in suffixes:  # a frame whose prediction is NaN is left out of both sums
        error, spread = scores[f"error{suffix}"], scores[f"spread{suffix}"]
        parts |= {f"error{suffix}": error, f"spread{suffix}": np.where(np.isnan(error), np.nan, spread)}
    sums = SpeakerSums.of(values | parts, speaker_ids, resamples, names)
    bounds = sums.mean_intervals()
    records = []
    for metric, v in quantities.items():
        low, high = bounds[metric.name]
        summary = robust_summary(v)
        mean = summary.pop("mean")
        records.append(record(metric, mean, n, ci_low=low, ci_high=high, **where))
        records.append(record(metric.part("nonfinite"), summary.pop("nonfinite"), n, **where))
        records += [record(metric.part(name), value, n, **where) for name, value in summary.items()]
        if metric == DNLL:
            for scaled, factor in (
                (DNLL_PER_DIM, 1 / dim),
                (BITS_PER_FRAME, 1 / math.log(2)),
                (KBIT_PER_S, frame_rate_hz / math.log(2) / 1000),
            ):
                records.append(record(scaled, mean * factor, n, ci_low=low * factor, ci_high=high * factor, **where))
    for suffix in suffixes:
        left, (least, most) = sums.ratio(f"error{suffix}", f"spread{suffix}")
        metric = R2_DELTA.part(suffix.removeprefix("_")) if suffix else R2_DELTA
        records.append(record(metric, 1 - left, n, ci_low=1 - most, ci_high=1 - least, **where))
    for metric, column in ((R2_MEAN, "log_norm_of_mean"), (R2_HEAD, "mean_log_norm")):
        if column in scores:
            records.append(record(metric, _r_squared(scores["log_norm"], scores[column]), n, **where))
    records += [missing(metric, n, **where) for metric, column in _SCORE_OF.items() if column not in scores]
    records += [
        record(SPEAKERS, float(len(sums.speakers)), n, **where),
        record(DIM, float(dim), n, **where),
        record(FRAME_RATE_HZ, frame_rate_hz, n, **where),
        record(STILL_FRAMES, float(np.isneginf(scores["log_norm"]).sum()), n, **where),
    ]
    kept = {name: name for name in values}
    if "error" in scores:  # the two sums that R² is made of: its differences follow from them
        kept |= {"error": f"{R2_DELTA.name}_error", "spread": f"{R2_DELTA.name}_spread"}
    return records, sums.table(kept, where)


def _quantities(scores: Scores, horizon: int) -> dict[Metric, np.ndarray]:
    """What has a mean over frames: the values, by metric."""
    quantities = {NLL_BASELINE: scores["nll_baseline"]}
    if "nll" in scores:
        nll = scores["nll"]
        over = {DNLL: nll - scores["nll_baseline"], DNLL_FULL: nll - scores["nll_full"]}
        quantities = {NLL: nll, **quantities, **over}
    if "cosine" in scores:
        quantities[COSINE] = scores["cosine"]
    # only at k = 1 does the context hold x_{t-1}, so that Δx_t and x_t differ by a known shift
    if horizon == 1 and "nll" in scores:
        quantities[LEVEL_GAIN] = scores["nll"] - scores["nll_level"]
    if "dnll_direction" in scores:
        direction, length = scores["dnll_direction"], scores["dnll_length"]
        quantities |= {DNLL_DIRECTION: direction, DNLL_LENGTH: length, DNLL_FACTORED: direction + length}
    facts = [name for name in scores if name.startswith(FACT)]
    return quantities | {FACTS[name.removeprefix(FACT)]: scores[name] for name in facts}


def _r_squared(truth: np.ndarray, predicted: np.ndarray) -> float:
    """1 - SSE/SST over frames where both are finite (a step of length 0 has no logarithm)."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    y, p = truth[both], predicted[both]
    spread = float(np.square(y - y.mean()).sum()) if len(y) else 0.0
    return 1 - float(np.square(y - p).sum()) / spread if spread > 0 else math.nan


def worst_frames(
    scores: Scores, frames: pd.DataFrame, frame_rate_hz: float, n: int, where: dict[str, Any]
) -> list[dict[str, Any]]:
    if "nll" not in scores:
        return []
    nll, baseline, log_norm = scores["nll"], scores["nll_baseline"], scores["log_norm"]
    order = np.argsort(-np.where(np.isfinite(nll), nll, np.inf), kind="stable")[:n]
    chosen = frames.iloc[order]
    return [
        {
            **where,
            "utterance_id": utterance,
            "t": int(t),
            "time_s": round(int(t) / frame_rate_hz, 4),
            "nll": float(nll[i]) if np.isfinite(nll[i]) else None,
            "dnll": float(nll[i] - baseline[i]) if np.isfinite(nll[i]) else None,
            "delta_norm": float(np.exp(log_norm[i])),
        }
        for i, utterance, t in zip(order, chosen["utterance_id"], chosen["t"], strict=True)
    ]
