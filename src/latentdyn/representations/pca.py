"""Principal components: the directions of most variance."""

import numpy as np

from latentdyn.representations.base import Source
from latentdyn.representations.readout import LinearReadout
from latentdyn.stores.lag_sums import WindowMoments


class PCA(LinearReadout):
    """The first `dim` eigenvectors of the training frames' covariance, largest variance first.

    Args:
        whiten: every component is divided by its deviation.

    Attributes:
        variances: (D,) eigenvalues of the covariance, all of them, largest first.
    """

    arrays = ("mean", "weights", "synthesis", "variances")
    variances: np.ndarray

    def __init__(self, source: Source, dtype: str, dim: int, whiten: bool) -> None:
        super().__init__(source, dtype, dim)
        self.whiten = whiten

    def directions(self, moments: WindowMoments) -> np.ndarray:
        variances, axes = np.linalg.eigh(moments.covariance[0, :, 0])
        self.variances, axes = variances[::-1].copy(), axes[:, ::-1][:, : self.dim]
        return axes / np.sqrt(self.variances[: self.dim]) if self.whiten else axes


TRANSFORM = PCA
