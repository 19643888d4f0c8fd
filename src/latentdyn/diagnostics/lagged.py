"""Phase 1, the lagged-context diagnostic (seed 001 §2): how much a stale context tells about the next step.

ΔNLL(k) = NLL[p(Δx_t | x_{t-k-W+1 .. t-k})] - NLL[diagonal Gaussian of Δx], nats a frame; negative is good. Train and
eval go through this one path. Beside it stand what would fool it: the level gain, both forms of the log-magnitude R²,
robust summaries, the worst frames, and the gap when the context is the model's own.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.summaries import robust_summary, speaker_bootstrap
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.predictors.base import Predictor
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frames import SLICES
from latentdyn.stores.windows import Scaling, Windows, common_frames

_BATCH = 2048


@dataclass(frozen=True)
class EvaluationSettings:
    """The `evaluation` section of the config."""

    max_frames: int
    rollout_frames: int
    bootstrap_resamples: int
    worst_frames: int


def evaluate_lagged(
    predictors: dict[int, Predictor],
    latents: Tensor,
    frames: pd.DataFrame,
    frame_rate_hz: float,
    settings: EvaluationSettings,
    seed_names: tuple[object, ...],
) -> tuple[list[Record], list[dict[str, Any]]]:
    """Score predictors at every horizon on every split.

    Args:
        predictors: one for each horizon k, fitted. latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names the subsample and the bootstrap (not the predictor: rows of a table share both).

    Returns:
        Records, and the worst frames of each split and horizon by NLL.
    """
    window = next(iter(predictors.values())).window_frames
    usable = common_frames(frames, len(latents), window, list(predictors))
    scaling = Scaling.fit(Windows.of(latents, usable[usable["split"] == "train"], window))
    records: list[Record] = []
    worst: list[dict[str, Any]] = []
    for split, chosen in usable.groupby("split", observed=True):
        chosen = _subsample(chosen, settings.max_frames, (*seed_names, split))
        for k, predictor in progress(predictors.items(), desc=f"{split}", unit="horizon", leave=False):
            scores = score_frames(predictor, Windows.of(latents, chosen, window), k, scaling)
            where = {"split": split, "horizon": k}
            for name in SLICES:
                inside = chosen[name].to_numpy()
                if inside.any():
                    records += _slice_records(
                        scores[inside],
                        chosen[inside],
                        settings,
                        {**where, "slice": name},
                        (*seed_names, split),
                        latents.shape[1],
                        frame_rate_hz,
                    )
            worst += _worst_frames(scores, chosen, frame_rate_hz, settings.worst_frames, where)
            records += _rollout_records(
                predictor, latents, chosen, max(predictors), k, settings, where, (*seed_names, split)
            )
    return records, worst


@torch.inference_mode()
def score_frames(predictor: Predictor, windows: Windows, k: int, scaling: Scaling) -> pd.DataFrame:
    """Per-frame scores, float64, in the order of `windows`.

    Columns: nll, nll_baseline (diagonal Gaussian of training deltas), nll_level (diagonal Gaussian of training frames,
    scored on x_t), cosine (of E[Δx|c] with Δx), log_norm (ln ||Δx||), log_norm_of_mean (ln ||E[Δx|c]||) and
    mean_log_norm (E[ln ||Δx|| | c]).
    """
    moments = {
        name: getattr(scaling, name).to(windows.latents)
        for name in ("delta_mean", "delta_std", "frame_mean", "frame_std")
    }
    step_baseline = diagonal_gaussian(moments["delta_mean"][None], moments["delta_std"].log()[None])
    level_baseline = diagonal_gaussian(moments["frame_mean"][None], moments["frame_std"].log()[None])
    blocks = []
    for start in range(0, len(windows), _BATCH):
        index = slice(start, start + _BATCH)
        context, delta = windows.batch(index, k)
        density = predictor.density(context)
        mean = density.mean()
        blocks.append(
            torch.stack(
                [
                    -density.log_prob(delta).double(),
                    -step_baseline.log_prob(delta).double(),
                    -level_baseline.log_prob(windows.latents[windows.rows[index]]).double(),
                    _cosine(mean.double(), delta.double()),
                    delta.double().norm(dim=1).log(),
                    mean.double().norm(dim=1).log(),
                    density.mean_log_norm().double(),
                ],
                dim=1,
            ).cpu()
        )
    names = ["nll", "nll_baseline", "nll_level", "cosine", "log_norm", "log_norm_of_mean", "mean_log_norm"]
    return pd.DataFrame(torch.cat(blocks).numpy(), columns=names)


@torch.inference_mode()
def rollout_gap(predictor: Predictor, latents: Tensor, rows: Tensor, k: int) -> Tensor:
    """NLL of the true Δx_t under a context that the model generated, less the teacher-forced NLL; (n,) float64.

    From true frames up to t-k-W the model runs freely, by its mean, for the W frames up to t-k: just the context of
    Δx_t. A frame whose generated context or likelihood overflowed is +inf.
    """
    window = predictor.window_frames
    history = k + window - 1  # what the first generated frame's own stale context reaches back to
    gaps = []
    for block in rows.split(_BATCH):
        first = block - k - window - history + 1
        states = latents[first[:, None] + torch.arange(history, device=rows.device)]
        states = torch.cat([states, states.new_empty(len(block), window, states.shape[2])], dim=1)
        for now in range(history, history + window):
            context = states[:, now - k - window + 1 : now - k + 1]
            states[:, now] = states[:, now - 1] + predictor.density(context).mean()
        delta = latents[block] - latents[block - 1]
        true_context = latents[block[:, None] + torch.arange(1 - window, 1, device=rows.device) - k]
        own = -predictor.density(states[:, history:]).log_prob(delta).double()
        forced = -predictor.density(true_context).log_prob(delta).double()
        gap = own - forced
        gaps.append(torch.where(torch.isfinite(gap), gap, torch.inf).cpu())
    return torch.cat(gaps)


def rollout_reach(window_frames: int, k: int) -> int:
    """The first frame number t whose generated context has enough true frames before it: 2 (W + k) - 2."""
    return 2 * (window_frames + k) - 2


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Row-wise cosine; NaN where either vector is zero, since it has no direction."""
    return (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1))


def _subsample(frames: pd.DataFrame, limit: int, names: tuple[object, ...]) -> pd.DataFrame:
    if len(frames) <= limit:
        return frames
    chosen = numpy_generator(*names, "subsample").choice(len(frames), limit, replace=False)
    return frames.iloc[np.sort(chosen)]


def _slice_records(
    scores: pd.DataFrame,
    frames: pd.DataFrame,
    settings: EvaluationSettings,
    where: dict[str, Any],
    names: tuple[object, ...],
    dim: int,
    frame_rate_hz: float,
) -> Iterator[Record]:
    n = len(scores)
    dnll = (scores.nll - scores.nll_baseline).to_numpy()
    level = (scores.nll - scores.nll_level).to_numpy()
    quantities = {
        "nll": ("nats/frame", scores.nll.to_numpy()),
        "nll_baseline": ("nats/frame", scores.nll_baseline.to_numpy()),
        "dnll": ("nats/frame", dnll),
        "cosine": ("1", scores.cosine.to_numpy()),
    }
    if where["horizon"] == 1:  # only there does the context hold x_{t-1}, so that Δx_t and x_t differ by a known shift
        quantities["level_gain"] = ("nats/frame", level)
    values = np.column_stack([v for _, v in quantities.values()])
    speakers = frames["speaker_id"].cat.codes.to_numpy()
    bounds = speaker_bootstrap(values, speakers, settings.bootstrap_resamples, numpy_generator(*names, "bootstrap"))
    for (metric, (unit, v)), (low, high) in zip(quantities.items(), bounds, strict=True):
        summary = robust_summary(v)
        yield record(metric, unit, summary.pop("mean"), n, ci_low=low, ci_high=high, **where)
        nonfinite = summary.pop("nonfinite")
        yield record(f"{metric}_nonfinite", "frames", nonfinite, n, **where)
        for name, value in summary.items():
            yield record(f"{metric}_{name}", unit, value, n, **where)
        if metric == "dnll":
            for name, unit, factor in (
                ("dnll_per_dim", "nats/frame/dim", 1 / dim),
                ("bits_per_frame", "bit/frame", 1 / math.log(2)),
                ("kbit_per_s", "kbit/s", frame_rate_hz / math.log(2) / 1000),
            ):
                mean = float(np.mean(v))
                yield record(name, unit, mean * factor, n, ci_low=low * factor, ci_high=high * factor, **where)
    yield record("r2_mean", "1", _r_squared(scores.log_norm, scores.log_norm_of_mean), n, **where)
    yield record("r2_head", "1", _r_squared(scores.log_norm, scores.mean_log_norm), n, **where)
    yield record("speakers", "speakers", float(len(np.unique(speakers))), n, **where)
    yield record("dim", "dimensions", float(dim), n, **where)
    yield record("frame_rate_hz", "Hz", frame_rate_hz, n, **where)


def _r_squared(truth: pd.Series, predicted: pd.Series) -> float:
    """1 - SSE/SST over frames where both are finite (a step of length 0 has no logarithm)."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    y, p = truth[both], predicted[both]
    spread = float(np.square(y - y.mean()).sum()) if len(y) else 0.0
    return 1 - float(np.square(y - p).sum()) / spread if spread > 0 else math.nan


def _worst_frames(
    scores: pd.DataFrame, frames: pd.DataFrame, frame_rate_hz: float, n: int, where: dict[str, Any]
) -> list[dict[str, Any]]:
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


def _rollout_records(
    predictor: Predictor,
    latents: Tensor,
    frames: pd.DataFrame,
    longest: int,
    k: int,
    settings: EvaluationSettings,
    where: dict[str, Any],
    names: tuple[object, ...],
) -> Iterator[Record]:
    # one set of frames for all k, here too
    late = frames[frames["t"] >= rollout_reach(predictor.window_frames, longest)]
    late = _subsample(late, settings.rollout_frames, (*names, "rollout"))
    if late.empty:
        yield record("rollout_gap", "nats/frame", math.nan, 0, **where)
        return
    rows = torch.from_numpy(late["row"].to_numpy(np.int64, copy=True)).to(latents.device)
    gap = rollout_gap(predictor, latents, rows, k).numpy()
    summary = robust_summary(gap)
    speakers = late["speaker_id"].cat.codes.to_numpy()
    generator = numpy_generator(*names, "rollout", "bootstrap")
    low, high = math.nan, math.nan
    if np.isfinite(gap).all():
        ((low, high),) = speaker_bootstrap(gap[:, None], speakers, settings.bootstrap_resamples, generator)
    yield record("rollout_gap", "nats/frame", summary["mean"], len(gap), ci_low=low, ci_high=high, **where)
    yield record("rollout_gap_median", "nats/frame", summary["median"], len(gap), **where)
    yield record("rollout_gap_trimmed", "nats/frame", summary["trimmed"], len(gap), **where)
    yield record("rollout_overflow", "frames", summary["nonfinite"], len(gap), **where)
