"""95 % intervals that resample whole speakers (Efron & Tibshirani 1993, §13.3).

Frames of one speaker are not independent of each other, so a resample draws speakers, not frames. It needs no frames,
only sums over the frames of each speaker. Quantities that are compared take the same resamples: their difference or
ratio is computed in each resample, and the interval of the results is its interval.
"""

from dataclasses import dataclass

import numpy as np

_TAIL = (1 - 0.95) / 2


@dataclass(frozen=True)
class SpeakerBootstrap:
    """R resamples of S speakers.

    weights: (R, S), how often each speaker is drawn. R is 0 with fewer than two speakers: then nothing has an interval.
    """

    weights: np.ndarray

    @classmethod
    def draw(cls, n_speakers: int, resamples: int, generator: np.random.Generator) -> "SpeakerBootstrap":
        if n_speakers < 2:
            return cls(np.empty((0, n_speakers)))
        drawn = generator.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), resamples)
        return cls(drawn.astype(np.float64))

    def ratios(self, numerators: np.ndarray, denominators: np.ndarray) -> np.ndarray:
        """Ratios of sums over the resampled speakers: (S, ...), (S, ...) -> (R, ...). Of totals and counts, means."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self._sums(numerators) / self._sums(denominators)

    def _sums(self, totals: np.ndarray) -> np.ndarray:
        flat = totals.reshape(len(totals), int(np.prod(totals.shape[1:])))
        return (self.weights @ flat).reshape(len(self.weights), *totals.shape[1:])


def interval(resampled: np.ndarray) -> np.ndarray:
    """95 % percentile intervals (..., 2) of resampled statistics (R, ...); NaN without resamples, and where one of them
    overflowed."""
    bounds = np.full((int(np.prod(resampled.shape[1:])), 2), np.nan)
    if len(resampled):
        flat = resampled.reshape(len(resampled), -1)
        finite = np.isfinite(flat).all(axis=0)
        bounds[finite] = np.quantile(flat[:, finite], [_TAIL, 1 - _TAIL], axis=0).T
    return bounds.reshape(*resampled.shape[1:], 2)


def speaker_totals(values: np.ndarray, codes: np.ndarray, n_speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of (n, M) per-frame quantities over each speaker's frames: all that a bootstrap of means needs.

    Args:
        codes: (n,) speaker numbers, 0 .. n_speakers - 1. A NaN leaves its frame out of that quantity.

    Returns:
        (S, M) totals and (S, M) counts.
    """
    known = ~np.isnan(values)
    columns = list(zip(values.T, known.T, strict=True))
    totals = np.stack([np.bincount(codes, np.where(k, v, 0), n_speakers) for v, k in columns], 1)
    return totals, np.stack([np.bincount(codes, k, n_speakers) for _, k in columns], 1)


def mean_intervals(
    values: np.ndarray, speakers: np.ndarray, resamples: int, generator: np.random.Generator
) -> np.ndarray:
    """Intervals (M, 2) of the means over frames of (n, M) quantities; NaN with fewer than two speakers.

    Args:
        values: a NaN leaves its frame out of that quantity. speakers: (n,) codes; one without frames is not drawn.
    """
    used, codes = np.unique(speakers, return_inverse=True)
    bootstrap = SpeakerBootstrap.draw(len(used), resamples, generator)
    return interval(bootstrap.ratios(*speaker_totals(values, codes, len(used))))
