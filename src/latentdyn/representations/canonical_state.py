"""The canonical state: the straight combinations of the past that tell most of the frames to come."""

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Transform, Utterance, Utterances
from latentdyn.representations.moments import training_moments
from latentdyn.representations.readout import upright, whitening


class CanonicalState(Transform):
    """The state of canonical variate analysis (Larimore 1983): canonical variates of past and future.

    The past of frame t is x_t, x_{t-1}, ..., x_{t-W+1}, the future x_{t+1}, ..., x_{t+F}. The state holds the `dim`
    uncorrelated combinations of the past, of variance 1, that correlate most with the future. For Gaussian latents a
    combination of correlation ρ has -½ ln(1 - ρ²) nats of information about the future, and no other `dim` straight
    combinations have more. So a trained state that looks back has to beat this one.

    Frames before an utterance, or before one that is not finite, count as the mean. The way back, to x_t alone, is
    least squares over the training frames.

    Args:
        dim: of the state. window_frames: W. ahead_frames: F.

    Attributes:
        mean: (D,). weights: (W, D, dim), of the newest frame first. synthesis: (dim, D). correlations: (dim,) of the
            training frames, descending. All float64.

    Raises:
        UserError: past or future have fewer than `dim` numbers.
    """

    arrays = ("mean", "weights", "synthesis", "correlations")
    inverse = "approximate"
    mean: np.ndarray
    weights: np.ndarray
    synthesis: np.ndarray
    correlations: np.ndarray

    def __init__(self, source: Source, dtype: str, dim: int, window_frames: int, ahead_frames: int) -> None:
        super().__init__(source, dtype)
        most = min(window_frames, ahead_frames) * source.dim
        if dim > most:
            raise UserError(
                f"a state of {dim} dimensions: {window_frames} past frames and {ahead_frames} future ones of "
                f"{source.dim} dimensions have at most {most} canonical variates",
                "dim of the derived representation",
                f"set it to {most} or less, or take more window_frames and ahead_frames",
            )
        self.dim, self.past, self.ahead = dim, window_frames, ahead_frames

    def fit(self, training: Utterances) -> None:
        """Find the combinations and the way back.

        Raises:
            UserError: no training utterance is long enough; there are no more windows than past and future have
                numbers, so that any past would seem to tell the future; or both vary in too few directions.
        """
        moments = training_moments(training, self.past + self.ahead - 1)
        width = self.source.dim
        past, future = self.past * width, self.ahead * width
        if moments.n <= past + future:
            raise UserError(
                f"{moments.n} windows of {self.past + self.ahead} training frames are too few: a past of {past} "
                f"numbers would tell any future of {future}",
                "window_frames and ahead_frames of the derived representation",
                "take fewer of them, a source of fewer dimensions (kind pca), or more speakers",
            )
        covariance = moments.covariance[self.ahead :, :, self.ahead :].reshape(past, past)
        white = whitening(covariance)
        white_future = whitening(moments.covariance[: self.ahead, :, : self.ahead].reshape(future, future))
        across = moments.covariance[self.ahead :, :, : self.ahead].reshape(past, future)
        axes, found, _ = np.linalg.svd(white.T @ across @ white_future, full_matrices=False)
        if len(found) < self.dim:
            raise UserError(
                f"past and future of the training frames vary together in {len(found)} directions at most, too few for "
                f"a state of {self.dim}",
                "dim of the derived representation",
                f"set it to {len(found)} or less",
            )
        self.mean, self.correlations = moments.mean[self.ahead], np.minimum(found[: self.dim], 1)
        weights = upright(white @ axes[:, : self.dim])
        self.weights = weights.reshape(self.past, width, self.dim)
        self.synthesis = (covariance[:width] @ weights).T
        newest = covariance[:width, :width]
        self.explained_variance = float(np.square(self.synthesis).sum() / np.trace(newest))

    def facts(self, utterances: pd.DataFrame) -> dict[str, float]:
        """The share of the training frames' variance that the way back explains."""
        return {"explained_variance": self.explained_variance}

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        latents = utterance.latents
        finite = np.isfinite(latents).all(axis=1)
        states = np.full((len(latents), self.dim), np.nan, np.float32)
        edges = np.flatnonzero(np.diff(finite, prepend=False, append=False)).reshape(-1, 2)
        for start, end in edges:
            states[start:end] = self._states(latents[start:end] - self.mean)
        return states, utterance.energy_db

    def _states(self, centred: np.ndarray) -> np.ndarray:
        """States (n, dim) of consecutive frames (n, D) about the mean, after nothing but the mean."""
        states = centred @ self.weights[0]
        for back in range(1, min(self.past, len(centred))):
            states[back:] += centred[:-back] @ self.weights[back]
        return states

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return (self.mean + latents.astype(np.float64) @ self.synthesis).astype(np.float32)


TRANSFORM = CanonicalState
