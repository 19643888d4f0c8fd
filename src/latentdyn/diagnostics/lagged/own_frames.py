"""What a predictor makes of frames that it has drawn or predicted itself: rollout gap, energy score, free runs."""

import logging
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.capabilities import missing
from latentdyn.diagnostics.free_runs.growth import free_run_growth
from latentdyn.diagnostics.lagged.settings import EvaluationSettings
from latentdyn.diagnostics.lagged.speaker_sums import SpeakerSums
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import rollout_gap, rollout_reach
from latentdyn.diagnostics.scores import score_energies, score_energies_of_baseline
from latentdyn.diagnostics.summaries import robust_summary
from latentdyn.metrics import (
    ENERGY_SCORE,
    ENERGY_SCORE_BASELINE,
    ROLLOUT_GAP,
    ROLLOUT_GAP_LINEAR,
    ROLLOUT_OVERFLOW,
    SPECTRAL_RADIUS,
    UNBOUNDED,
)
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex, subsample
from latentdyn.stores.windows import Scaling, Windows

log = logging.getLogger(__name__)

_FREE_RUNS, _FREE_STEPS = 32, 256


def late_frames(
    frames: pd.DataFrame, window: int, longest: int, settings: EvaluationSettings, names: tuple[object, ...]
) -> pd.DataFrame:
    """Of `frames`, the subsample whose context can be generated at every k: one set for all k."""
    late = frames[frames["t"] >= rollout_reach(window, longest)]
    if len(late) <= settings.rollout_frames:
        return late
    return late.iloc[subsample(len(late), settings.rollout_frames, (*names, "rollout"))]


def rollout_records(
    predictor: Predictor,
    linear: Predictor,
    latents: Tensor,
    late: pd.DataFrame,
    k: int,
    lacks: set[str],
    settings: EvaluationSettings,
    where: dict[str, Any],
    names: tuple[object, ...],
) -> Iterator[Record]:
    if late.empty:
        yield record(ROLLOUT_GAP, math.nan, 0, **where)
        return
    targets = Windows.of(latents, late, predictor.window_frames)
    of_linear = robust_summary(rollout_gap(linear, targets, k).numpy())
    yield record(ROLLOUT_GAP_LINEAR, of_linear["mean"], len(late), **where)
    yield record(ROLLOUT_GAP_LINEAR.part("median"), of_linear["median"], len(late), **where)
    if lacks & {"mean", "log_prob"}:
        yield missing(ROLLOUT_GAP, len(late), **where)
        return
    gap = rollout_gap(predictor, targets, k).numpy()
    summary = robust_summary(gap)
    speakers = late["speaker_id"].cat.codes.to_numpy()
    generator = numpy_generator(*names, "rollout", "bootstrap")
    low, high = math.nan, math.nan
    if np.isfinite(gap).all():
        ((low, high),) = mean_intervals(gap[:, None], speakers, settings.bootstrap_resamples, generator)
    yield record(ROLLOUT_GAP, summary["mean"], len(gap), ci_low=low, ci_high=high, **where)
    yield record(ROLLOUT_GAP.part("median"), summary["median"], len(gap), **where)
    yield record(ROLLOUT_GAP.part("trimmed"), summary["trimmed"], len(gap), **where)
    yield record(ROLLOUT_OVERFLOW, summary["nonfinite"], len(gap), **where)


def baseline_energies(
    latents: Tensor, late: pd.DataFrame, scaling: Scaling, settings: EvaluationSettings, names: tuple[object, ...]
) -> np.ndarray:
    """Energy scores (n,) of these frames without a context: the same at every k."""
    if late.empty:
        return np.empty(0)
    return score_energies_of_baseline(Windows.of(latents, late, 1), scaling, settings.energy_draws, (*names, "energy"))


def energy_records(
    predictor: Predictor,
    latents: Tensor,
    late: pd.DataFrame,
    k: int,
    baseline: np.ndarray,
    scaling: Scaling,
    settings: EvaluationSettings,
    where: dict[str, Any],
    names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Records of the energy score and its baseline, and their sums over each speaker's frames.

    Args:
        baseline: (n,) of these frames (see baseline_energies).
    """
    where = {**where, "slice": "all"}
    if late.empty:
        return [record(ENERGY_SCORE, math.nan, 0, **where)], pd.DataFrame()
    windows = Windows.of(latents, late, predictor.window_frames)
    scores = score_energies(predictor, windows, k, scaling, settings.energy_draws, (*names, "energy"))
    values = {ENERGY_SCORE.name: scores, ENERGY_SCORE_BASELINE.name: baseline}
    sums = SpeakerSums.of(values, late["speaker_id"], settings.bootstrap_resamples, (*names, "energy"))
    bounds = sums.mean_intervals()
    records = []
    for metric in (ENERGY_SCORE, ENERGY_SCORE_BASELINE):
        summary, (low, high) = robust_summary(values[metric.name]), bounds[metric.name]
        records += [
            record(metric, summary["mean"], len(late), ci_low=low, ci_high=high, **where),
            record(metric.part("median"), summary["median"], len(late), **where),
            record(metric.part("nonfinite"), summary["nonfinite"], len(late), **where),
        ]
    return records, sums.table({name: name for name in values}, where)


def free_run_records(
    predictor: Predictor,
    latents: Tensor,
    usable: FrameIndex,
    train: Windows,
    k: int,
    scaling: Scaling,
    lacks: set[str],
    names: tuple[object, ...],
) -> Iterator[Record]:
    """Free runs from held-out frames, at the predictor's smallest k (science §1, stability of free runs)."""
    history = predictor.window_frames + k - 1
    where = {"split": "eval", "horizon": k, "step": _FREE_STEPS}
    held_out = usable.of_splits("eval").late(history)
    if not len(held_out):
        return
    starts = Windows.of(latents, held_out.draw(_FREE_RUNS, names), predictor.window_frames)
    if "mean" in lacks:
        yield missing(SPECTRAL_RADIUS, len(starts), **where)
        yield missing(UNBOUNDED, len(starts), **where)
        return
    context = predictor.history(starts, slice(None), history, -1)
    mean, std = scaling.frame_mean.to(latents), scaling.frame_std.to(latents)
    farthest = float(
        torch.stack([(train.latents[block] - mean).norm(dim=1).max() for block in train.rows.split(2048)]).max()
    )
    runs = free_run_growth(predictor, context, k, mean=mean, std=std, farthest=farthest, steps=_FREE_STEPS)
    if runs.growth is None:
        yield missing(SPECTRAL_RADIUS, runs.runs, **where)
    else:
        how = "eigenvalues of a linear mean" if runs.linear else "estimated"
        log.info("spectral radius %g (%s)", runs.growth, how)
        yield record(SPECTRAL_RADIUS, runs.growth, runs.runs, **where)
    yield record(UNBOUNDED, runs.unbounded, runs.runs, **where)
