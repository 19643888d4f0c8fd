"""What is heard of a recording every 10 ms: mel bands and pitch; and by how much it changes from frame to frame.

Three sounds: the level (dB), the spectral flux (dB: how far the mel spectrum moves, louder or softer included) and the
pitch (semitones). Level and flux come from log-mel frames (perception.mel), the pitch from pYIN (Mauch and Dixon 2014,
by librosa), where speech is voiced.
"""

from dataclasses import dataclass

import numpy as np

from latentdyn.perception.mel import RATE_HZ, MelSettings, log_mel
from latentdyn.perception.packages import load

SOUNDS = ("level", "flux", "pitch")
POINTS_HZ = 100
_HOP = RATE_HZ // POINTS_HZ
_MEL = MelSettings(n_fft=400, hop=_HOP, n_mels=40, floor_db=-80.0)
_PITCH_WINDOW = 1024  # samples: two periods of the lowest pitch that may be asked for
_VOICED = 0.5  # of a frame's points: in fewer, a frame has no pitch
_HEARD = 0.75  # of a frame's points: with fewer, at an end of a recording, it has no spectrum
_REFERENCE_HZ = 100.0


@dataclass(frozen=True)
class Contour:
    """A quantity over time. times: (P,) seconds. values: (P, Q); NaN where it is not known."""

    times: np.ndarray
    values: np.ndarray

    def of_frames(self, n: int, frame_rate_hz: float, delay_s: float, least: float) -> np.ndarray:
        """The mean of its known points in each of n frames, (n, Q): frame t lasts from t to t + 1 over the frame rate,
        plus the delay. NaN where fewer are known than this share of the points that a frame can have: at an end of the
        recording there may be few."""
        edges = np.searchsorted(self.times, np.arange(n + 1) / frame_rate_hz + delay_s)
        known = ~np.isnan(self.values)
        sums, counts = (_sums(of, edges) for of in (np.where(known, self.values, 0.0), known))
        enough = (counts > 0) & (counts >= least * POINTS_HZ / frame_rate_hz)
        return np.where(enough, sums / np.maximum(counts, 1), np.nan)


def _sums(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Sums (n, Q) of values (P, Q) between edges (n + 1,)."""
    totals = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0, dtype=np.float64)])
    found: np.ndarray = np.diff(totals[edges], axis=0)
    return found


def mel_contour(audio: np.ndarray) -> Contour:
    """Powers of 40 mel bands of audio (n,) at 16 kHz, above a floor at -80 dB of a full sine each."""
    levels_db = log_mel(audio, _MEL).astype(np.float64)
    centres = (np.arange(len(levels_db)) + 1) * _HOP - _MEL.n_fft / 2  # a window ends with its hop
    return Contour(centres / RATE_HZ, 10 ** (levels_db / 10))


def pitch_contour(audio: np.ndarray, lowest_hz: float, highest_hz: float) -> Contour:
    """Pitch of audio (n,) at 16 kHz in semitones above 100 Hz; NaN where it is not voiced.

    Raises:
        UserError: librosa is not installed.
    """
    librosa = load("librosa", "pitch", "archetype_sounds.sounds")
    if len(audio) < _PITCH_WINDOW:
        return Contour(np.zeros(0), np.zeros((0, 1)))
    hertz, voiced, _ = librosa.pyin(
        audio, fmin=lowest_hz, fmax=highest_hz, sr=RATE_HZ, frame_length=_PITCH_WINDOW, hop_length=_HOP
    )
    semitones = 12 * np.log2(np.where(voiced, hertz, np.nan) / _REFERENCE_HZ)
    return Contour(np.arange(len(semitones)) / POINTS_HZ, semitones[:, None])


@dataclass(frozen=True)
class Heard:
    """A recording's contours. mel: as of `mel_contour`. pitch: as of `pitch_contour`; None if it was not asked for."""

    mel: Contour
    pitch: Contour | None

    def changes(self, sound: str, n: int, frame_rate_hz: float, delay_s: float) -> np.ndarray:
        """By how much a sound changes from each of n frames' predecessors to it, (n,); NaN where that is not known."""
        changes = np.full(n, np.nan)
        if sound == "pitch":
            assert self.pitch is not None
            changes[1:] = np.diff(self.pitch.of_frames(n, frame_rate_hz, delay_s, _VOICED)[:, 0])
            return changes
        powers = self.mel.of_frames(n, frame_rate_hz, delay_s, _HEARD)
        if sound == "level":
            changes[1:] = np.diff(10 * np.log10(powers.sum(axis=1)))
        else:
            steps_db = np.diff(10 * np.log10(powers), axis=0)
            changes[1:] = np.sqrt(np.square(steps_db).mean(axis=1))
        return changes
