"""Slow features: the directions that change least from frame to frame (Wiskott & Sejnowski 2002, linear)."""

import numpy as np

from latentdyn.representations.readout import LinearReadout, whitening
from latentdyn.stores.lag_sums import WindowMoments


class SlowFeatures(LinearReadout):
    """`dim` uncorrelated directions of variance 1, the slowest first.

    Attributes:
        slowness: (dim,) variance of the step y_t - y_{t-1} of each, ascending: 2 (1 - its autocorrelation at lag 1).
    """

    arrays = ("mean", "weights", "synthesis", "slowness")
    reach = 1
    slowness: np.ndarray

    def directions(self, moments: WindowMoments) -> np.ndarray:
        s = moments.covariance
        steps = s[0, :, 0] + s[1, :, 1] - s[0, :, 1] - s[1, :, 0]
        white = whitening(s[0, :, 0])
        slowness, axes = np.linalg.eigh(white.T @ steps @ white)
        self.slowness = slowness[: self.dim]
        return white @ axes[:, : self.dim]


TRANSFORM = SlowFeatures
