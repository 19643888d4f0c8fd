"""Mean and covariance of frames, read utterance by utterance."""

import numpy as np

from latentdyn.errors import UserError
from latentdyn.representations.base import Utterances


def frame_moments(training: Utterances) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) of the finite frames, float64.

    Raises:
        UserError: there is no finite frame.
    """
    dim = training.store.dim
    n, shift = 0, np.zeros(dim)
    first, second = np.zeros(dim), np.zeros((dim, dim))
    for utterance in training:
        x = utterance.latents[np.isfinite(utterance.latents).all(axis=1)].astype(np.float64)
        if not len(x):
            continue
        if not n:
            shift = x.mean(axis=0)  # about a nearby point nothing cancels
        x -= shift
        n, first, second = n + len(x), first + x.sum(axis=0), second + x.T @ x
    if not n:
        raise UserError(
            "no training speaker has a finite frame to take a mean and a covariance from",
            training.store.path,
            "give splits.train a share of the speakers, and look at how the latents were made",
        )
    return shift + first / n, second / n - np.outer(first / n, first / n)
