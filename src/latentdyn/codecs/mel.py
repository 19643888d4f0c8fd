"""Mel bands as triangles over the bins of a spectrum: librosa's `filters.mel(norm=None)`, number by number.

librosa itself takes longer to import than hundreds of recordings to encode. The scale is Slaney's (Auditory Toolbox,
1998): linear below 1 kHz, logarithmic above.
"""

import numpy as np

_LINEAR_HZ, _BEND_HZ = 200.0 / 3, 1000.0  # width of a mel below the bend, and where the bend is
_BEND = _BEND_HZ / _LINEAR_HZ
_LOG = np.log(6.4) / 27.0  # growth of a mel above it


def mel_filters(sample_rate_hz: int, fft_samples: int, n_mels: int) -> np.ndarray:
    """Weights (n_mels, fft_samples // 2 + 1), float32, of bands from 0 Hz to half the rate, equally wide in mel.

    Band i rises from 0 at point i of n_mels + 2 to 1 at point i + 1, and falls to 0 at point i + 2. It is empty if no
    bin lies within.
    """
    points_hz = _hz(np.linspace(0.0, _mel(sample_rate_hz / 2), n_mels + 2))
    bins_hz = np.fft.rfftfreq(fft_samples, 1.0 / sample_rate_hz)
    after, widths = np.subtract.outer(points_hz, bins_hz), np.diff(points_hz)[:, None]
    rising, falling = -after[:-2] / widths[:-1], after[2:] / widths[1:]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _BEND_HZ else float(_BEND + np.log(hz / _BEND_HZ) / _LOG)


def _hz(mel: np.ndarray) -> np.ndarray:
    hz, above = _LINEAR_HZ * mel, mel >= _BEND
    hz[above] = _BEND_HZ * np.exp(_LOG * (mel[above] - _BEND))
    return hz
