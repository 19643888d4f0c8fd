"""Frames in coordinates of mean 0 and covariance 1 over training frames. Up to a rotation, no invertible linear map of
frames changes these coordinates: what is computed of them, and no rotation changes, belongs to the frames as such."""

from dataclasses import dataclass

import numpy as np

_LEAST_VARIANCE = 1e-9  # of the largest: below this, a direction holds rounding


@dataclass(frozen=True)
class Whitening:
    """(x - mean) @ weights has covariance 1 on training frames. weights: (D, D'), of the D' directions that vary."""

    mean: np.ndarray
    weights: np.ndarray

    @classmethod
    def fit(cls, training: np.ndarray) -> "Whitening":
        """Of (n, D) frames."""
        mean = training.mean(axis=0, dtype=np.float64)
        x = training - mean
        values, vectors = np.linalg.eigh(x.T @ x / len(x))
        vary = values > _LEAST_VARIANCE * max(values[-1], np.finfo(np.float64).tiny)
        return cls(mean, vectors[:, vary] / np.sqrt(values[vary]))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Frames (n, D) -> (n, D') float64."""
        white: np.ndarray = (x - self.mean) @ self.weights
        return white

    def undone(self, white: np.ndarray) -> np.ndarray:
        """The frames (..., D) of whitened ones (..., D')."""
        scale = np.square(self.weights).sum(axis=0)  # its columns are orthogonal
        frames: np.ndarray = self.mean + (white / scale) @ self.weights.T
        return frames
