"""Canonical correlations of the next frame with the past: the directions of most predictive information."""

import numpy as np

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Utterances
from latentdyn.representations.readout import LinearReadout, upright, whitening
from latentdyn.stores.lag_sums import WindowMoments


class CanonicalCorrelations(LinearReadout):
    """`dim` uncorrelated directions of variance 1, the one that the past predicts best first (Hotelling 1936).

    The past is the W frames before x_t. For Gaussian latents the information of the past about the direction of
    canonical correlation ρ is -½ ln(1 - ρ²) nats, and no other `dim` directions have more of it.

    Args:
        window_frames: W.

    Attributes:
        correlations: (D,) of the training frames, all of them, descending; 0 where D exceeds their rank. With few
            frames they are too high: what holds for other speakers is for a diagnostic to tell.
        predictions: (W, D, dim) of the past, newest frame first: the least-squares prediction of each direction. Of a
            fit alone; it is not stored.
    """

    arrays = ("mean", "weights", "synthesis", "correlations")
    correlations: np.ndarray
    predictions: np.ndarray

    def __init__(self, source: Source, dtype: str, dim: int, window_frames: int) -> None:
        super().__init__(source, dtype, dim)
        self.reach = window_frames

    def fit(self, training: Utterances) -> None:
        """Find directions and the way back.

        Raises:
            UserError: as of every readout; or there are no more windows than their past has numbers, so that any
                direction would seem predictable.
        """
        super().fit(training)

    def directions(self, moments: WindowMoments) -> np.ndarray:
        size, dim = self.reach * self.source.dim, self.source.dim
        if moments.n <= size + dim:
            raise UserError(
                f"{moments.n} windows of {self.reach + 1} training frames are too few: a past of {size} numbers would "
                "predict any direction of them",
                "window_frames of the derived representation",
                "take fewer window_frames, a source of fewer dimensions (kind pca), or more speakers",
            )
        past = moments.covariance[1:, :, 1:].reshape(size, size)
        white, white_past = whitening(moments.covariance[0, :, 0]), whitening(past)
        with_past = moments.covariance[0, :, 1:].reshape(dim, size)
        axes, found, _ = np.linalg.svd(white.T @ with_past @ white_past, full_matrices=False)
        self.correlations = np.zeros(dim)
        self.correlations[: len(found)] = np.minimum(found, 1)
        weights = upright(white @ axes[:, : self.dim])
        regression = white_past @ (white_past.T @ (with_past.T @ weights))
        self.predictions = regression.reshape(self.reach, dim, self.dim)
        return weights


TRANSFORM = CanonicalCorrelations
