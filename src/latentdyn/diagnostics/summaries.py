"""Summaries of per-frame quantities that no handful of frames decides: quantiles and trimmed means."""

import numpy as np

QUANTILES = (0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
_TRIM = 0.05


def robust_summary(values: np.ndarray) -> dict[str, float]:
    """Mean, 5 %-trimmed mean, quantiles, extremes and the count of non-finite values of (n,) values.

    Quantiles order an overflow (+inf) above every finite value; everything else is over the finite values. `mean` is
    +inf if any value is +inf. NaN everywhere if no value is left.
    """
    values = np.asarray(values, np.float64)
    ordered = np.sort(values[~np.isnan(values)])
    finite = ordered[np.isfinite(ordered)]
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
