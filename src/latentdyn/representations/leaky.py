"""Leaky integration: the control that shows what smoothing alone buys."""

import numpy as np
from scipy.signal import lfilter

from latentdyn.representations.base import Source, Transform, Utterance


class Leaky(Transform):
    """y_t = a y_{t-1} + x_t, dimension by dimension; y starts at 0 before each utterance.

    Nothing is lost: x_t = y_t - a y_{t-1}. So what y is more predictable than x is worth nothing. After a frame that is
    not finite, y starts at 0 again.

    Args:
        coefficient: a, at least 0 and below 1.
    """

    inverse = "exact"

    def __init__(self, source: Source, dtype: str, coefficient: float) -> None:
        super().__init__(source, dtype)
        self.coefficient = coefficient

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        latents = utterance.latents
        out = np.full(latents.shape, np.nan, np.float32)
        edges = np.flatnonzero(np.diff(np.isfinite(latents).all(axis=1), prepend=False, append=False))
        for start, end in edges.reshape(-1, 2):
            out[start:end] = lfilter([1.0], [1.0, -self.coefficient], latents[start:end].astype(np.float64), axis=0)
        return out, utterance.energy_db

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        y = latents.astype(np.float64)
        before = np.zeros_like(y)
        before[1:] = np.where(np.isfinite(y[:-1]).all(axis=1, keepdims=True), y[:-1], 0)
        return (y - self.coefficient * before).astype(np.float32)


TRANSFORM = Leaky
