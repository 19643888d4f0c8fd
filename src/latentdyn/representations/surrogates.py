"""Surrogates keep some properties of a representation and destroy others, to stand beside every number (science §3).

| method           | keeps                                                     | destroys                        |
|------------------|-----------------------------------------------------------|---------------------------------|
| shuffled         | the frames of each utterance                              | their order                     |
| white            | mean and covariance of training frames                    | everything else                 |
| phase_randomised | each utterance's mean, covariance, power, cross-spectra   | what is not linear and Gaussian |
| time_reversed    | what does not tell past from future                       | the direction of time           |

A surrogate has a frame for each frame of its source, and a non-finite one for each non-finite one: the counts in the
two handles are equal, unless `dtype` cannot hold a value.
"""

import logging
from pathlib import Path

import numpy as np

from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.latents import LatentsStore, LatentsWriter

log = logging.getLogger(__name__)

METHODS = ("shuffled", "white", "phase_randomised", "time_reversed")


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


def frame_moments(source: LatentsStore, speakers: set[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean (D,) and covariance (D, D) of the finite frames of some speakers, float64, utterance by utterance.

    Raises:
        UserError: these speakers have no finite frame.
    """
    n, shift = 0, np.zeros(source.dim)
    first, second = np.zeros(source.dim), np.zeros((source.dim, source.dim))
    for row, latents, _ in progress(source.iterate(), total=len(source.utterances), unit="utterance", desc="moments"):
        x = latents[np.isfinite(latents).all(axis=1)].astype(np.float64)
        if row.speaker_id not in speakers or not len(x):
            continue
        if not n:
            shift = x.mean(axis=0)  # about a nearby point nothing cancels
        x -= shift
        n, first, second = n + len(x), first + x.sum(axis=0), second + x.T @ x
    if not n:
        raise UserError(
            "no training speaker has a finite frame to take the moments of white noise from",
            source.path,
            "give splits.train a share of the speakers, and look at how the latents were made",
        )
    return shift + first / n, second / n - np.outer(first / n, first / n)


def surrogate_store(source: LatentsStore, handle: Path, method: str, dtype: str, train_speakers: set[str]) -> None:
    """Write a surrogate of a whole store.

    Levels go with their frames where frames move as a whole (shuffled, time_reversed) and stay at their time where
    frames are made anew.

    Args:
        method: one of METHODS.
        train_speakers: whose mean and covariance white noise has; the other methods look at one utterance at a time.

    Raises:
        UserError: white noise, and no finite frame of a training speaker.
    """
    if method not in METHODS:
        raise ValueError(f"{method} is not one of the surrogates {METHODS}")
    if method == "white":
        mean, covariance = frame_moments(source, train_speakers)
        variances, axes = np.linalg.eigh(covariance)
        # the symmetric root: it exists for a singular covariance too, and no sign of an axis changes it
        factor = axes * np.sqrt(np.maximum(variances, 0)) @ axes.T
    causal = source.handle["causal"] and method == "white"  # elsewhere a frame depends on later audio
    writer = LatentsWriter(handle, source.dim, source.frame_rate_hz, dtype, kind=source.handle["kind"], causal=causal)
    for row, latents, energy_db in progress(source.iterate(), total=len(source.utterances), unit="utterance"):
        generator = numpy_generator("surrogate", method, row.utterance_id)
        if method == "shuffled":
            latents, order = shuffled(latents, generator)
            energy_db = energy_db[order]
        elif method == "time_reversed":
            latents, energy_db = time_reversed(latents), energy_db[::-1]
        elif method == "phase_randomised":
            latents = phase_randomised(latents, generator)
        else:
            finite = np.isfinite(latents).all(axis=1, keepdims=True)
            latents = np.where(finite, white(len(latents), mean, factor, generator), np.nan)
        writer.append(row.utterance_id, row.speaker_id, latents, energy_db)
    before, after = source.handle["nonfinite_frames"], writer.close()["nonfinite_frames"]
    if before or after:
        log.info("%d non-finite frames, where the source has %d", after, before)
