"""A recurrent network with random weights: the control that shows what looking back alone buys."""

import numpy as np
from scipy.special import expit

from latentdyn.representations.base import Source, Transform, Utterance, Utterances
from latentdyn.representations.moments import frame_moments
from latentdyn.seeds import numpy_generator


class RandomGRU(Transform):
    """States of a gated recurrent unit (Cho et al. 2014) whose weights are drawn by name and never trained.

    Its inputs are the source's frames, each dimension with mean 0 and deviation 1 over the training frames. The state
    is 0 before each utterance, and again after a frame that is not finite. States remember the past, so that they are
    smooth and easy to predict. Nothing leads from a state back to the frame.

    Args:
        dim: of the state; it may be above that of the source. seed: another one draws other weights.

    Attributes:
        mean, std: (D,) float64, of the training frames. A dimension that never varies is left at 0.
    """

    arrays = ("mean", "std")
    mean: np.ndarray
    std: np.ndarray

    def __init__(self, source: Source, dtype: str, dim: int, seed: int) -> None:
        super().__init__(source, dtype)
        self.dim = dim
        generator = numpy_generator("random_gru", seed, source.dim, dim)
        # of each sum over inputs or states the deviation is about 1, so that gates neither stick nor are all alike
        self._of_input = generator.standard_normal((source.dim, 3 * dim)) / np.sqrt(source.dim)
        self._of_state = generator.standard_normal((dim, 3 * dim)) / np.sqrt(dim)

    def fit(self, training: Utterances) -> None:
        """Take means and deviations.

        Raises:
            UserError: no training speaker has a finite frame.
        """
        self.mean, covariance = frame_moments(training)
        self.std = np.sqrt(np.diag(covariance))

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        finite = np.isfinite(utterance.latents).all(axis=1)
        centred = np.where(finite[:, None], utterance.latents, self.mean) - self.mean
        scaled = np.divide(centred, self.std, out=np.zeros_like(centred), where=self.std > 0)
        driven, dim = scaled @ self._of_input, self.dim
        states, state = np.full((len(scaled), dim), np.nan, np.float32), np.zeros(dim)
        for t in range(len(scaled)):
            if not finite[t]:
                state = np.zeros(dim)
                continue
            recurrent = state @ self._of_state
            update, reset = expit(driven[t, : 2 * dim] + recurrent[: 2 * dim]).reshape(2, dim)
            candidate = np.tanh(driven[t, 2 * dim :] + reset * recurrent[2 * dim :])
            state = update * state + (1 - update) * candidate
            states[t] = state
        return states, utterance.energy_db


TRANSFORM = RandomGRU
