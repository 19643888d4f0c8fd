"""Log-mel frames of audio at 16 kHz: how far two recordings differ, and what recordings are like on average.

The frames are those of the codec `logmel` (see codecs.logmel): decibels, with a noise floor added to every band.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from latentdyn.codecs.logmel import LogMel

RATE_HZ = 16_000  # of all audio that is scored


@dataclass(frozen=True)
class MelSettings:
    """n_fft: samples of a window. hop: between windows. n_mels: bands. floor_db: of every band, dB re a full sine."""

    n_fft: int
    hop: int
    n_mels: int
    floor_db: float


def log_mel(audio: np.ndarray, settings: MelSettings) -> np.ndarray:
    """(n,) to (n // hop, n_mels) float32 in dB; a last, incomplete hop is left out."""
    whole = len(audio) // settings.hop * settings.hop
    return mel_codec(settings, RATE_HZ).encode(np.asarray(audio[None, :whole], np.float32))[0]


def mel_distance(a: np.ndarray, b: np.ndarray, settings: MelSettings) -> float:
    """Mean |difference| of the log-mel frames of two recordings of equal length, in dB; at least a hop long."""
    return float(np.abs(log_mel(a, settings) - log_mel(b, settings)).mean(dtype=np.float64))


@lru_cache(4)
def mel_codec(settings: MelSettings, sample_rate_hz: int) -> LogMel:
    """What makes these frames of audio at another rate than 16 kHz too; window and hop are then as many samples."""
    return LogMel(sample_rate_hz, settings.hop, settings.n_fft, settings.n_mels, settings.floor_db)
