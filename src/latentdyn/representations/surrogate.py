"""Surrogates keep some properties of a representation and destroy others, to stand beside every number (science §3).

| method           | keeps                                                     | destroys                        |
|------------------|-----------------------------------------------------------|---------------------------------|
| shuffled         | the frames of each utterance                              | their order                     |
| white            | mean and covariance of training frames                    | everything else                 |
| phase_randomised | each utterance's mean, covariance, power, cross-spectra   | what is not linear and Gaussian |
| time_reversed    | what does not tell past from future                       | the direction of time           |
| looked_up        | mean and, about, covariance of training frames            | everything else, and puts there |
|                  |                                                           | what only a lookup can learn    |

A surrogate has a frame for each frame of its source, and a non-finite one for each non-finite one: the counts in the
two handles are equal, unless `dtype` cannot hold a value.
"""

import numpy as np

from latentdyn.processes.code_table import code_cycle, walk
from latentdyn.representations.base import Source, Transform, Utterance, Utterances
from latentdyn.representations.moments import frame_moments
from latentdyn.seeds import numpy_generator

METHODS = ("shuffled", "white", "phase_randomised", "time_reversed", "looked_up")
_OF_MOMENTS = ("white", "looked_up")
_CODES, _NGRAM = 64, 2  # of looked_up: 4096 pairs of codes, each of which tells the next code
_NOISE = 0.2  # of looked_up: the share of the variance that is noise about the anchors


class Surrogate(Transform):
    """The frames of the source with some of their structure destroyed.

    Levels go with their frames where frames move as a whole (shuffled, time_reversed) and stay at their time where
    frames are made anew. There is no inverse: what a surrogate destroys is meant to stay destroyed.

    Args:
        method: one of METHODS. White noise has the mean and covariance of the training frames. `looked_up` is frames
            about 64 anchors, drawn with that mean and covariance; which anchor follows stands in a random table of the
            last two (see processes.code_table): the positive control of a memory. The other methods look at one
            utterance at a time.

    Raises:
        ValueError: there is no such method.
    """

    mean: np.ndarray
    factor: np.ndarray

    def __init__(self, source: Source, dtype: str, method: str) -> None:
        if method not in METHODS:
            raise ValueError(f"{method} is not one of the surrogates {METHODS}")
        super().__init__(source, dtype)
        self.method = method
        self.causal = method in _OF_MOMENTS  # elsewhere a frame depends on later frames
        self.arrays = ("mean", "factor") if method in _OF_MOMENTS else ()
        self.table = None
        if method == "looked_up":
            generator = numpy_generator("surrogate", method, "table")  # one for all utterances
            self.table = code_cycle(_CODES, _NGRAM, generator), generator.standard_normal((_CODES, source.dim))

    def fit(self, training: Utterances) -> None:
        """Take the moments for frames that are drawn.

        Raises:
            UserError: no training speaker has a finite frame.
        """
        if self.method in _OF_MOMENTS:
            self.mean, covariance = frame_moments(training)
            variances, axes = np.linalg.eigh(covariance)
            # the symmetric root: it exists for a singular covariance too, and no sign of an axis changes it
            self.factor = axes * np.sqrt(np.maximum(variances, 0)) @ axes.T

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        latents, energy_db = utterance.latents, utterance.energy_db
        generator = numpy_generator("surrogate", self.method, utterance.utterance_id)
        if self.method == "shuffled":
            latents, order = shuffled(latents, generator)
            return latents, energy_db[order]
        if self.method == "time_reversed":
            return time_reversed(latents), energy_db[::-1]
        if self.method == "phase_randomised":
            return phase_randomised(latents, generator), energy_db
        finite = np.isfinite(latents).all(axis=1, keepdims=True)
        made = white(len(latents), self.mean, self.factor, generator)
        if self.table is not None:
            cycle, anchors = self.table
            about = anchors[walk(cycle, len(latents), generator)] @ self.factor.T
            made = self.mean + np.sqrt(1 - _NOISE) * about + np.sqrt(_NOISE) * (made - self.mean)
        return np.where(finite, made, np.nan), energy_db


TRANSFORM = Surrogate


def shuffled(latents: np.ndarray, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Frames (T, D) in random order, and the permutation (T,): row i of the result is row `order[i]` of `latents`."""
    order = generator.permutation(len(latents))
    return latents[order], order


def time_reversed(latents: np.ndarray) -> np.ndarray:
    """Frames (T, D), last first."""
    return latents[::-1].copy()


def phase_randomised(latents: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Frames (T, D) with random Fourier phases, the same in all dimensions (Prichard & Theiler 1994).

    One phase a frequency leaves every power spectrum and every cross-spectrum as it is, hence the circular auto- and
    cross-covariances (over the ends of the utterance joined), the covariance among them. The mean stays. Non-finite
    frames become NaN, and each run of frames between them is randomised by itself.
    """
    out = np.full(latents.shape, np.nan)
    finite = np.isfinite(latents).all(axis=1)
    edges = np.flatnonzero(np.diff(finite, prepend=False, append=False))
    for start, end in edges.reshape(-1, 2):
        spectrum = np.fft.rfft(latents[start:end].astype(np.float64), axis=0)
        turn = np.exp(2j * np.pi * generator.random(len(spectrum)))
        turn[0] = 1  # the mean
        if (end - start) % 2 == 0:
            turn[-1] = generator.choice([-1, 1])  # the highest frequency of an even length has a sign, not a phase
        out[start:end] = np.fft.irfft(spectrum * turn[:, None], end - start, axis=0)
    return out


def white(n_frames: int, mean: np.ndarray, factor: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Independent frames of N(mean, L Lᵀ), (n_frames, D), with mean (D,) and factor L (D, D)."""
    return mean + generator.standard_normal((n_frames, len(mean))) @ factor.T
