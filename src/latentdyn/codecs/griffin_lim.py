"""Audio from magnitudes of its short-time spectrum, by Griffin and Lim (1984) with momentum (Perraudin et al. 2013).

The number of iterations is fixed and each one mixes only spectra whose windows overlap, so a sample depends on
the spectra within `reach` of it and on nothing else. The phases to start from belong to the index of a spectrum
in its utterance. A part of an utterance with `reach` spectra on both sides therefore gives what the whole gives.
"""

import numpy as np
import scipy.fft

from latentdyn.seeds import seed_for

_ITERATIONS = 32
_MOMENTUM = 0.99


def reach(fft_samples: int, step_samples: int) -> int:
    """Spectra on each side that the audio around one spectrum depends on."""
    return (_ITERATIONS + 1) * (-(-fft_samples // step_samples) - 1)


def starting_phases(first: int, count: int, bins: int) -> np.ndarray:
    """Random phases in turns, (count, bins), of the spectra `first` to first + count - 1 of any utterance."""
    drawn_at_once = 4  # Philox draws four numbers for each value of its counter
    counters = -(-bins // drawn_at_once)
    philox = np.random.Philox(seed_for("griffin-lim")).advance(first * counters)
    return np.random.Generator(philox).random((count, counters * drawn_at_once))[:, :bins]


def griffin_lim(
    magnitudes: np.ndarray, phases: np.ndarray, window: np.ndarray, step_samples: int, samples: int
) -> np.ndarray:
    """Audio (samples,) float64 whose spectra have nearly these magnitudes.

    Args:
        magnitudes: (M, bins), of windows centred at 0, step, 2 step, ...; M = samples // step + 1. Zeros stand
            before the start and after the end.
        phases: (M, bins) to start from, in turns.
        window: (fft_samples,).
    """
    directions = np.exp(2j * np.pi * phases)
    last = np.zeros_like(directions)
    for _ in range(_ITERATIONS):
        audio = _overlap_add(magnitudes * directions, window, step_samples, samples)
        spectra = _spectra(audio, window, step_samples)
        directions = spectra - _MOMENTUM / (1 + _MOMENTUM) * last
        directions /= np.maximum(np.abs(directions), np.finfo(np.float64).tiny)
        last = spectra
    return _overlap_add(magnitudes * directions, window, step_samples, samples)


def _spectra(audio: np.ndarray, window: np.ndarray, step: int) -> np.ndarray:
    """(samples,) to (samples // step + 1, bins)."""
    padded = np.pad(audio, len(window) // 2 + 1)
    frames = np.lib.stride_tricks.sliding_window_view(padded[1:], len(window))[::step]
    spectra: np.ndarray = scipy.fft.rfft(frames[: len(audio) // step + 1] * window, axis=1)
    return spectra


def _overlap_add(spectra: np.ndarray, window: np.ndarray, step: int, samples: int) -> np.ndarray:
    """The audio (samples,) whose windowed frames are nearest to the spectra's, by least squares."""
    frames = scipy.fft.irfft(spectra, len(window), axis=1) * window
    parts = -(-len(window) // step)
    sums = np.zeros((len(frames) + parts, step))
    weights = np.zeros_like(sums)
    for part in range(parts):
        piece = frames[:, part * step : (part + 1) * step]
        sums[part : part + len(frames), : piece.shape[1]] += piece
        weights[part : part + len(frames), : piece.shape[1]] += window[part * step : (part + 1) * step] ** 2
    heard = slice(len(window) // 2, len(window) // 2 + samples)
    audio: np.ndarray = sums.ravel()[heard] / np.maximum(weights.ravel()[heard], np.finfo(np.float64).tiny)
    return audio
