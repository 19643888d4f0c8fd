"""Means of scores over frames, with intervals that resample speakers, and the records that follow from them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.capabilities import missing
from latentdyn.diagnostics.injection.energies import ENERGIES
from latentdyn.diagnostics.injection.scores import QUANTITIES, Scores
from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import (
    COSINE,
    DIVERGENCE_HORIZON,
    DNLL,
    NONFINITE,
    RESET_COSINE,
    RESET_DNLL,
    SKILL,
    SKILL_NATS,
    STATE_ERROR_NORMALISED,
    Metric,
)

_DNLL, _COSINE, _ERROR = map(QUANTITIES.index, (DNLL, COSINE, STATE_ERROR_NORMALISED))


@dataclass(frozen=True)
class Means:
    """Means of one mode: index 0 of steps is all of them pooled.

    totals, counts: (P, S + 1, Q), of each of P speakers. resampled: (R, S + 1, Q), means over resampled speakers; no
    resamples where there is one speaker.
    """

    totals: np.ndarray
    counts: np.ndarray
    resampled: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, codes: np.ndarray, n_speakers: int, bootstrap: SpeakerBootstrap) -> "Means":
        """From scores (B, S, Q) and codes of the segments' speakers; B may be several draws of each segment."""
        codes = codes.repeat(len(scores) // len(codes))
        flat = speaker_totals(scores.reshape(len(scores), -1), codes, n_speakers)
        by_step = [sums.reshape(n_speakers, *scores.shape[1:]) for sums in flat]
        totals, counts = (np.concatenate([sums.sum(axis=1, keepdims=True), sums], axis=1) for sums in by_step)
        return cls(totals, counts, bootstrap.ratios(totals, counts))

    @property
    def value(self) -> np.ndarray:
        """(S + 1, Q)."""
        with np.errstate(invalid="ignore"):
            return self.totals.sum(axis=0) / self.counts.sum(axis=0)

    @property
    def n(self) -> np.ndarray:
        """Frames, (S + 1, Q)."""
        return self.counts.sum(axis=0).astype(int)

    def long(self, speaker_ids: Sequence[str], metrics: Sequence[Metric]) -> pd.DataFrame:
        """A row for each step (None: pooled), metric (of Q) and speaker with a frame."""
        steps = [None, *range(1, self.totals.shape[1])]
        index = pd.MultiIndex.from_product(
            [speaker_ids, steps, [m.name for m in metrics]], names=["speaker_id", "step", "metric"]
        )
        long = pd.DataFrame({"total": self.totals.ravel(), "n": self.counts.ravel().astype(int)}, index).reset_index()
        return long[long["n"] > 0].astype({"step": "Int64"})


def _bounds(resampled: np.ndarray) -> dict[str, float]:
    """The interval of one number, (R,), as a record's fields."""
    low, high = interval(resampled)
    return {"ci_low": low, "ci_high": high}


def mode_records(scores: Scores, means: Means, dim: int, where: dict[str, Any]) -> Iterator[Record]:
    value, n, bounds = means.value, means.n.tolist(), interval(means.resampled)
    overflowed = np.isinf(scores.values).any(axis=2)
    frames = [len(scores.values) * int(scored) for scored in (scores.scored.sum(), *scores.scored)]
    for i, n_frames in enumerate(frames):
        here = {**where, "step": i or None}
        some = slice(None) if i == 0 else slice(i - 1, i)
        for q, metric in enumerate(QUANTITIES):
            if n[i][q]:
                low, high = bounds[i, q]
                yield record(metric, value[i, q], n[i][q], ci_low=low, ci_high=high, **here)
                yield record(metric.part("median"), np.nanmedian(scores.values[:, some, q]), n[i][q], **here)
            elif n_frames and metric in scores.lacks:
                yield missing(metric, n_frames, **here)
        if n_frames:
            yield record(NONFINITE, overflowed[:, some].sum(), n_frames, **here)
    if n[0][_ERROR]:
        chance = 1 / np.sqrt(dim * means.n[1:, _COSINE].clip(1))
        with np.errstate(invalid="ignore"):
            least = 2 * np.fmax(chance, means.resampled[:, 1:, _COSINE].std(axis=0) if len(means.resampled) else 0)
        horizons = [_divergence_horizon(of, least) for of in (value[None], means.resampled)]
        yield record(DIVERGENCE_HORIZON, horizons[0][0], frames[1], **_bounds(horizons[1]), **where)


def energy_records(energies: np.ndarray, means: Means, where: dict[str, Any]) -> Iterator[Record]:
    """Means and medians over segments of energies (B, S, E), by step and pooled."""
    value, n, bounds = means.value, means.n.tolist(), interval(means.resampled)
    for i in range(energies.shape[1] + 1):
        here = {**where, "step": i or None}
        some = slice(None) if i == 0 else slice(i - 1, i)
        for q, metric in enumerate(ENERGIES):
            if n[i][q]:
                low, high = bounds[i, q]
                yield record(metric, value[i, q], n[i][q], ci_low=low, ci_high=high, **here)
                yield record(metric.part("median"), np.nanmedian(energies[:, some, q]), n[i][q], **here)


def _divergence_horizon(means: np.ndarray, least_cosine: np.ndarray) -> np.ndarray:
    """(R,) from means (R, S + 1, Q) and the least cosine (S,) that is above chance."""
    cosine, error = means[:, 1:, _COSINE], means[:, 1:, _ERROR]
    going = np.isfinite(cosine) & (cosine >= least_cosine) & (error <= 1)
    return 1.0 + np.cumprod(going, axis=1).sum(axis=1)


def skill_records(
    means: Means, ceiling: Means, known: np.ndarray, lacks: frozenset[Metric], where: dict[str, Any]
) -> Iterator[Record]:
    """Skill at the steps `known` that the ceiling has, and over all of them, but for the quantities in `lacks`."""
    steps: list[tuple[int | None, np.ndarray]] = [(None, known), *((int(h), np.array([h])) for h in known)]
    for metric, q in ((SKILL, _COSINE), (SKILL_NATS, _DNLL)):
        if QUANTITIES[q] in lacks:
            continue
        for step, some in steps:
            mine, best = means.resampled[:, some, q].sum(axis=1), ceiling.resampled[:, some, q].sum(axis=1)
            low, high = interval(best)
            value = math.nan
            if not low <= 0 <= high:
                value = means.value[some, q].sum() / ceiling.value[some, q].sum()
            bounds = {} if math.isnan(value) else _bounds(mine / best)
            yield record(metric, value, int(means.n[some, q].sum()), **bounds, step=step, **where)


def reset_records(means: Means, injected_steps: Sequence[int], where: dict[str, Any]) -> Iterator[Record]:
    at = np.array([s for s in injected_steps if s > 1], int)
    for metric, q in ((RESET_DNLL, _DNLL), (RESET_COSINE, _COSINE)):
        with np.errstate(invalid="ignore"):
            value, resampled = (m[..., at, q] - m[..., at - 1, q] for m in (means.value, means.resampled))
        effects: list[tuple[int | None, Any, Any]] = [(int(s), value[i], resampled[:, i]) for i, s in enumerate(at)]
        if effects:
            effects.append((None, value.mean(), resampled.mean(axis=1)))
        for step, effect, drawn in effects:
            n = int(means.n[at if step is None else step, q].sum())
            yield record(metric, effect, n, **_bounds(drawn), step=step, **where)
