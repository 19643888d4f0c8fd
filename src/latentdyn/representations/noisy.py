"""Frames with white noise: what a channel of limited precision would pass on, as a representation of its own.

y = x + σ ε. To send y with the help of a predictor costs its NLL less the entropy of the noise (see diagnostics.rate).
So every predictor of y has a rate in bits, beside how y sounds. Neither units nor smoothing change it.
"""

from typing import Any

import numpy as np
import pandas as pd

from latentdyn.representations.base import Source, Transform, Utterance, Utterances
from latentdyn.representations.moments import frame_moments
from latentdyn.seeds import numpy_generator


class Noisy(Transform):
    """The frames of the source plus independent Gaussian noise in each dimension.

    The inverse leaves the noise in: nothing tells it from the frames.

    Args:
        sigma: deviation of the noise, in deviations of each dimension of the training frames.

    Attributes:
        std: (D,) float64, the deviations of the training frames.
    """

    inverse = "approximate"
    arrays = ("std",)
    std: np.ndarray

    def __init__(self, source: Source, dtype: str, sigma: float) -> None:
        super().__init__(source, dtype)
        self.sigma = sigma

    def fit(self, training: Utterances) -> None:
        """Take the deviations.

        Raises:
            UserError: no training speaker has a finite frame.
        """
        self.std = np.sqrt(np.diag(frame_moments(training)[1]))

    def facts(self, utterances: pd.DataFrame) -> dict[str, Any]:
        """The geometric mean of the noise's deviations, on which its entropy depends; 0 if a dimension never varies."""
        deviations = self.sigma * self.std
        return {"noise_deviation": float(np.exp(np.log(deviations).mean())) if (deviations > 0).all() else 0.0}

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        noise = numpy_generator("noisy", utterance.utterance_id).standard_normal(utterance.latents.shape)
        return (utterance.latents + self.sigma * self.std * noise).astype(np.float32), utterance.energy_db

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return latents


TRANSFORM = Noisy
