"""What linear readouts share: fewer dimensions of each frame, y = (x - mean) weights, and the way back.

Each kind chooses its directions in its own way, from moments of the training speakers' frames. The way back is the same
for all: x = mean + y synthesis, least squares over the training frames. No other linear map of y comes nearer to the
source there. The share of variance that it explains is `explained_variance` in the handle. With all dimensions the way
back is exact.

A readout looks at one frame at a time. So what is predictable of it was predictable of the source.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Transform, Utterance, Utterances
from latentdyn.representations.moments import training_moments
from latentdyn.stores.lag_sums import WindowMoments

_RANK = 1e-12  # of the largest variance: below it a direction is rounding, not data


class LinearReadout(Transform):
    """`dim` linear functions of each frame, each with mean 0 over the training frames.

    Attributes:
        reach: frames before x_t that its directions depend on.
        mean: (D,). weights: (D, dim). synthesis: (dim, D). All float64.

    Args:
        dim: of the readout, at most that of the source.

    Raises:
        UserError: the source has fewer dimensions.
    """

    arrays: Sequence[str] = ("mean", "weights", "synthesis")
    reach = 0

    mean: np.ndarray
    weights: np.ndarray
    synthesis: np.ndarray

    def __init__(self, source: Source, dtype: str, dim: int) -> None:
        super().__init__(source, dtype)
        if dim > source.dim:
            raise UserError(
                f"a readout of {dim} dimensions cannot be made of {source.dim}",
                "dim of the derived representation",
                f"set it to {source.dim} or less",
            )
        self.dim = dim
        self.inverse = "exact" if dim == source.dim else "approximate"

    def directions(self, moments: WindowMoments) -> np.ndarray:
        """The weights, (D, dim), by the moments of training frames. A subclass may keep more of what it has found."""
        raise NotImplementedError  # abstract

    def fit(self, training: Utterances) -> None:
        """Find directions and the way back.

        Raises:
            UserError: there are too few training frames, or they vary in fewer directions than `dim`.
        """
        moments = training_moments(training, self.reach)
        covariance = moments.covariance[0, :, 0]
        self._check_rank(covariance, moments.n)
        self.mean = moments.mean[0]
        self.weights = upright(self.directions(moments))
        if self.dim == self.source.dim:
            self.synthesis, self.explained_variance = np.linalg.inv(self.weights), 1.0
            return
        cross = covariance @ self.weights
        self.synthesis = np.linalg.solve(self.weights.T @ cross, cross.T)
        residual = np.eye(self.source.dim) - self.weights @ self.synthesis
        self.explained_variance = float(1 - np.sum(residual * (covariance @ residual)) / np.trace(covariance))

    def _check_rank(self, covariance: np.ndarray, n: int) -> None:
        correlations, _ = _correlations(covariance)
        rank = _spanning(np.linalg.eigvalsh(correlations)).sum()
        if rank < self.dim:
            raise UserError(
                f"the {n} training frames vary in {rank} of {self.source.dim} dimensions, too few for a readout of "
                f"{self.dim}",
                "dim of the derived representation",
                f"set it to {rank} or less, or give splits.train more speakers" if rank else
                "look at how the latents were made: they do not vary at all",
            )  # fmt: skip

    def facts(self, utterances: pd.DataFrame) -> dict[str, Any]:
        """The share of the training frames' variance that the way back explains."""
        return {"explained_variance": self.explained_variance}

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        with np.errstate(invalid="ignore", over="ignore"):  # frames that are not finite
            latents = (utterance.latents - self.mean) @ self.weights
            return latents.astype(np.float32), utterance.energy_db

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return (self.mean + latents.astype(np.float64) @ self.synthesis).astype(np.float32)


def whitening(covariance: np.ndarray) -> np.ndarray:
    """A map (D, rank) to uncorrelated coordinates of variance 1, as many as the covariance (D, D) has directions.

    Directions are told from rounding by their correlations: the units of the dimensions play no part.
    """
    correlations, scale = _correlations(covariance)
    variances, axes = np.linalg.eigh(correlations)
    kept = _spanning(variances)
    return scale[:, None] * axes[:, kept] / np.sqrt(variances[kept])


def _correlations(covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations (D, D), and the scale (D,) by which they follow; 0 of a dimension that is still."""
    deviations = np.sqrt(np.diag(covariance))
    scale = np.divide(1, deviations, out=np.zeros_like(deviations), where=deviations > 0)
    return covariance * scale[:, None] * scale, scale


def _spanning(variances: np.ndarray) -> np.ndarray:
    """Which eigenvalues of the correlations, smallest first, are of directions of the data and not rounding."""
    kept: np.ndarray = variances > _RANK * variances[-1]
    return kept


def upright(weights: np.ndarray) -> np.ndarray:
    """The same directions, each with the sign that makes its largest weight positive."""
    largest = np.take_along_axis(weights, np.abs(weights).argmax(axis=0)[None], axis=0)
    return weights * np.where(largest < 0, -1.0, 1.0)
