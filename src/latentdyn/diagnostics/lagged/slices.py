"""What scores of frames say of a slice of them: means with intervals, robust summaries, and the worst frames."""

import logging
import math
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.capabilities import missing
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
from latentdyn.seeds import numpy_generator

log = logging.getLogger(__name__)

_MOST_CLAMPED = 0.05  # of the frames: a clamp that binds more often is told
_SCORE_OF = {NLL: "nll", DNLL: "nll", COSINE: "cosine", R2_DELTA: "error", R2_MEAN: "log_norm_of_mean",
             R2_HEAD: "mean_log_norm"}  # the column of `score_frames` that a metric needs  # fmt: skip


def tell_clamps(scores: pd.DataFrame, split: str, horizon: int) -> None:
    for name in FACTS:
        share = float(scores[FACT + name].mean()) if FACT + name in scores else 0.0
        if name.endswith("_at_clamp") and share > _MOST_CLAMPED:
            log.warning("%s, k = %d: %s is %.3f; what is measured there is the clamp", split, horizon, name, share)


def slice_records(
    scores: pd.DataFrame,
    speaker_ids: pd.Series,
    resamples: int,
    where: dict[str, Any],
    names: tuple[object, ...],
    dim: int,
    frame_rate_hz: float,
) -> tuple[list[Record], pd.DataFrame]:
    """Records of one slice, and its sums over each speaker's frames."""
    n = len(scores)
    quantities = _quantities(scores, where["horizon"])
    ratios = {name.removeprefix("error"): name for name in scores if str(name).startswith("error")}
    values = pd.DataFrame(
        {metric.name: v for metric, v in quantities.items()}
        | {column: scores[column] for suffix in ratios for column in (f"error{suffix}", f"spread{suffix}")}
    )
    codes, speakers = pd.factorize(speaker_ids, sort=True)
    totals, counts = (
        pd.DataFrame(sums, index=speakers, columns=values.columns)
        for sums in speaker_totals(values.to_numpy(), codes, len(speakers))
    )
    bootstrap = SpeakerBootstrap.draw(len(speakers), resamples, numpy_generator(*names, "bootstrap"))
    means = dict(zip(totals, interval(bootstrap.ratios(totals.to_numpy(), counts.to_numpy())), strict=True))
    records = []
    for metric, v in quantities.items():
        low, high = means[metric.name]
        summary = robust_summary(v.to_numpy())
        records.append(record(metric, summary.pop("mean"), n, ci_low=low, ci_high=high, **where))
        records.append(record(metric.part("nonfinite"), summary.pop("nonfinite"), n, **where))
        records += [record(metric.part(name), value, n, **where) for name, value in summary.items()]
        if metric == DNLL:
            for scaled, factor in (
                (DNLL_PER_DIM, 1 / dim),
                (BITS_PER_FRAME, 1 / math.log(2)),
                (KBIT_PER_S, frame_rate_hz / math.log(2) / 1000),
            ):
                mean = float(v.mean())
                records.append(record(scaled, mean * factor, n, ci_low=low * factor, ci_high=high * factor, **where))
    for suffix, error in ratios.items():
        spread = f"spread{suffix}"
        ((least, most),) = interval(bootstrap.ratios(totals[[error]].to_numpy(), totals[[spread]].to_numpy()))
        value = 1 - totals[error].sum() / totals[spread].sum() if totals[spread].sum() > 0 else math.nan
        low, high = 1 - most, 1 - least
        metric = R2_DELTA.part(suffix.removeprefix("_")) if suffix else R2_DELTA
        records.append(record(metric, value, n, ci_low=low, ci_high=high, **where))
    for metric, column in ((R2_MEAN, "log_norm_of_mean"), (R2_HEAD, "mean_log_norm")):
        if column in scores:
            records.append(record(metric, _r_squared(scores.log_norm, scores[column]), n, **where))
    records += [missing(metric, n, **where) for metric, column in _SCORE_OF.items() if column not in scores]
    records += [
        record(SPEAKERS, float(len(speakers)), n, **where),
        record(DIM, float(dim), n, **where),
        record(FRAME_RATE_HZ, frame_rate_hz, n, **where),
        record(STILL_FRAMES, float(np.isneginf(scores.log_norm).sum()), n, **where),
    ]
    # beside means, the two sums that R² is made of: its differences follow from them
    kept = [metric.name for metric in quantities] + [name for name in ("error", "spread") if name in totals]
    names_of_sums = {"error": f"{R2_DELTA.name}_error", "spread": f"{R2_DELTA.name}_spread"}
    named, counted = (table[kept].rename(columns=names_of_sums) for table in (totals, counts))
    return records, long_totals(named, counted, where)


def _quantities(scores: pd.DataFrame, horizon: int) -> dict[Metric, pd.Series]:
    """What has a mean over frames: the values, by metric."""
    quantities = {NLL_BASELINE: scores.nll_baseline}
    if "nll" in scores:
        nll = scores.nll
        quantities = {NLL: nll, **quantities, DNLL: nll - scores.nll_baseline, DNLL_FULL: nll - scores.nll_full}
    if "cosine" in scores:
        quantities[COSINE] = scores.cosine
    # only at k = 1 does the context hold x_{t-1}, so that Δx_t and x_t differ by a known shift
    if horizon == 1 and "nll" in scores:
        quantities[LEVEL_GAIN] = scores.nll - scores.nll_level
    if "dnll_direction" in scores:
        quantities |= {DNLL_DIRECTION: scores.dnll_direction, DNLL_LENGTH: scores.dnll_length}
        quantities[DNLL_FACTORED] = scores.dnll_direction + scores.dnll_length
    facts = [str(name) for name in scores if str(name).startswith(FACT)]
    return quantities | {FACTS[name.removeprefix(FACT)]: scores[name] for name in facts}


def long_totals(totals: pd.DataFrame, counts: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    """Sums by metric and speaker, a row each."""
    n, metrics = totals.shape
    columns = {"speaker_id": np.tile(totals.index, metrics), "metric": np.repeat(totals.columns, n)}
    sums = {name: table.to_numpy().T.reshape(-1) for name, table in (("total", totals), ("n", counts))}
    return pd.DataFrame({**columns, **sums, **where})


def _r_squared(truth: pd.Series, predicted: pd.Series) -> float:
    """1 - SSE/SST over frames where both are finite (a step of length 0 has no logarithm)."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    y, p = truth[both], predicted[both]
    spread = float(np.square(y - y.mean()).sum()) if len(y) else 0.0
    return 1 - float(np.square(y - p).sum()) / spread if spread > 0 else math.nan


def worst_frames(
    scores: pd.DataFrame, frames: pd.DataFrame, frame_rate_hz: float, n: int, where: dict[str, Any]
) -> list[dict[str, Any]]:
    if "nll" not in scores:
        return []
    nll = scores.nll.to_numpy()
    order = np.argsort(-np.where(np.isfinite(nll), nll, np.inf), kind="stable")[:n]
    chosen = frames.iloc[order]
    return [
        {
            **where,
            "utterance_id": utterance,
            "t": int(t),
            "time_s": round(int(t) / frame_rate_hz, 4),
            "nll": float(nll[i]) if np.isfinite(nll[i]) else None,
            "dnll": float(nll[i] - scores.nll_baseline.iloc[i]) if np.isfinite(nll[i]) else None,
            "delta_norm": float(np.exp(scores.log_norm.iloc[i])),
        }
        for i, utterance, t in zip(order, chosen["utterance_id"], chosen["t"], strict=True)
    ]
