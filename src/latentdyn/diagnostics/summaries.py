"""Summaries of per-frame quantities that no handful of frames decides: quantiles, trimmed means, speaker bootstrap."""

import numpy as np

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
_TRIM = 0.05


def robust_summary(values: np.ndarray) -> dict[str, float]:
    """Mean, 5 %-trimmed mean, quantiles, extremes and the count of non-finite values of (n,) values.

    Quantiles order an overflow (+inf) above every finite value; everything else is over the finite values. `mean` is
    +inf if any value is +inf. NaN everywhere if no value is left.
    """
    values = np.asarray(values, np.float64)
    finite = np.sort(values[np.isfinite(values)])
    ordered = np.sort(values[~np.isnan(values)])
    if not len(ordered):
        empty = {"mean": np.nan, "trimmed": np.nan, "min": np.nan, "max": np.nan}
        return {**empty, **{quantile_name(q): np.nan for q in QUANTILES}, "nonfinite": float(len(values))}
    cut = int(_TRIM * len(finite))
    return {
        "mean": float(ordered.mean()),
        "trimmed": float(finite[cut : len(finite) - cut].mean()) if len(finite) else np.nan,
        "min": float(ordered[0]),
        "max": float(ordered[-1]),
        **{quantile_name(q): float(v) for q, v in zip(QUANTILES, _quantiles(ordered), strict=True)},
        "nonfinite": float(len(values) - len(finite)),
    }


def quantile_name(q: float) -> str:
    return "median" if q == 0.5 else f"q{q:g}"


def _quantiles(ordered: np.ndarray) -> np.ndarray:
    """Linear interpolation between order statistics (Hyndman & Fan 1996, type 7), safe where one is infinite."""
    position = np.asarray(QUANTILES) * (len(ordered) - 1)
    low, share = np.floor(position).astype(int), position % 1
    below, above = ordered[low], ordered[np.minimum(low + 1, len(ordered) - 1)]
    step = np.subtract(above, below, out=np.zeros_like(below), where=(share > 0) & (above != below))
    return below + step * share


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


def speaker_weights(n_speakers: int, resamples: int, generator: np.random.Generator) -> np.ndarray:
    """How often each speaker is drawn in each resample, (R, S)."""
    return generator.multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), resamples).astype(np.float64)


def resampled_ratios(numerator: np.ndarray, denominator: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Ratios of sums over resampled speakers: (S, M), (S, M), (R, S) -> (R, M). Of totals and counts, means."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (weights @ numerator) / (weights @ denominator)


def percentile_interval(resampled: np.ndarray, level: float = 0.95) -> np.ndarray:
    """(R, M) resampled statistics -> (M, 2) bounds; NaN where a resample overflowed: it has no interval."""
    tail = (1 - level) / 2
    bounds = np.full((resampled.shape[1], 2), np.nan)
    finite = np.isfinite(resampled).all(axis=0)
    bounds[finite] = np.quantile(resampled[:, finite], [tail, 1 - tail], axis=0).T
    return bounds


def speaker_bootstrap(
    values: np.ndarray, speakers: np.ndarray, resamples: int, generator: np.random.Generator, level: float = 0.95
) -> np.ndarray:
    """Percentile intervals of frame-weighted means, resampling whole speakers (Efron & Tibshirani 1993, §13.3).

    Frames of one speaker are not independent, so speakers are what is drawn again.

    Args:
        values: (n, M) per-frame quantities. NaN leaves a frame out of that quantity.
        speakers: (n,) speaker codes; a speaker without frames is not drawn.

    Returns:
        (M, 2) lower and upper bounds; NaN with fewer than two speakers, or where an overflow has no interval.
    """
    used, codes = np.unique(speakers, return_inverse=True)
    if len(used) < 2:
        return np.full((values.shape[1], 2), np.nan)
    weights = speaker_weights(len(used), resamples, generator)
    return percentile_interval(resampled_ratios(*speaker_totals(values, codes, len(used)), weights), level)
