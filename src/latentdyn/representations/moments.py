"""Moments of training frames, or a message that says why there are none."""

import numpy as np

from latentdyn.errors import UserError
from latentdyn.representations.base import Utterances
from latentdyn.stores.lag_sums import WindowMoments
from latentdyn.stores.window_moments import window_moments


def training_moments(training: Utterances, reach: int) -> WindowMoments:
    """Moments of windows of reach + 1 frames (see stores.window_moments).

    Raises:
        UserError: there is no window of finite frames.
    """
    moments = window_moments(training.store, training.table, reach)
    if not moments.n:
        what = f"{reach + 1} finite frames in a row" if reach else "a finite frame"
        raise UserError(
            f"no training speaker has {what} to take a mean and a covariance from",
            training.store.path,
            "give splits.train a share of the speakers, and look at how the latents were made",
        )
    return moments


def frame_moments(training: Utterances) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) of the finite frames, float64.

    Raises:
        UserError: there is no finite frame.
    """
    moments = training_moments(training, 0)
    return moments.mean[0], moments.covariance[0, :, 0]
