"""Random orthonormal directions: what a number of dimensions alone keeps."""

import numpy as np

from latentdyn.representations.base import Source
from latentdyn.representations.readout import LinearReadout
from latentdyn.seeds import numpy_generator
from latentdyn.stores.lag_sums import WindowMoments


class RandomProjection(LinearReadout):
    """`dim` orthonormal directions, uniform over all such. They follow from the seed and D alone.

    Fewer dimensions are the first ones of more.

    Args:
        seed: another one gives other directions.
    """

    def __init__(self, source: Source, dtype: str, dim: int, seed: int) -> None:
        super().__init__(source, dtype, dim)
        self.seed = seed

    def directions(self, moments: WindowMoments) -> np.ndarray:
        draws = numpy_generator("random_projection", self.seed, self.source.dim)
        axes, triangle = np.linalg.qr(draws.standard_normal((self.dim, self.source.dim)).T)
        return axes * np.sign(np.diag(triangle))  # Mezzadri 2007: so no axis is preferred


TRANSFORM = RandomProjection
