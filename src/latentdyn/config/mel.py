"""How many mel bands a spectrum can fill.

The scale is that of `codecs.mel`, Slaney's: linear below 1 kHz, logarithmic above. Band i is a triangle from point i to
point i + 2 of equally spaced points. It is empty if no bin of the spectrum lies within.
"""

import math

_LINEAR_HZ, _BEND_HZ = 200 / 3, 1000.0  # width of a mel below the bend, and where the bend is
_BEND = _BEND_HZ / _LINEAR_HZ
_LOG = math.log(6.4) / 27  # growth of a mel above it


def check_bands(sample_rate_hz: int, fft_samples: int, n_mels: int, window: str) -> None:
    """Check that none of the bands is empty.

    Args:
        window: the key that says `fft_samples`.

    Raises:
        ValueError: some are.
    """
    most = most_bands(sample_rate_hz, fft_samples, n_mels)
    if most < n_mels:
        raise ValueError(
            f"n_mels: {n_mels} is too many for {window} = {fft_samples}: at a resolution of "
            f"{sample_rate_hz / fft_samples:.1f} Hz some bands would be empty; at most {most} fit"
        )


def most_bands(sample_rate_hz: int, fft_samples: int, wanted: int) -> int:
    """The largest number of bands, at most `wanted`, of which none is empty."""
    low, high = 0, min(wanted, fft_samples + 2)  # each of fft_samples / 2 + 1 bins lies in two bands at most
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _all_filled(sample_rate_hz, fft_samples, middle) else (low, middle - 1)
    return low


def _all_filled(sample_rate_hz: int, fft_samples: int, n_bands: int) -> bool:
    resolution, top = sample_rate_hz / fft_samples, _mel(sample_rate_hz / 2)
    points = [_hz(top * i / (n_bands + 1)) / resolution for i in range(n_bands + 2)]
    return all(math.floor(points[i]) + 1 < points[i + 2] for i in range(n_bands))


def _mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _BEND_HZ else _BEND + math.log(hz / _BEND_HZ) / _LOG


def _hz(mel: float) -> float:
    return mel * _LINEAR_HZ if mel < _BEND else _BEND_HZ * math.exp((mel - _BEND) * _LOG)
