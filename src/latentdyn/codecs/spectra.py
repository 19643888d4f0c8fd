"""Short-time spectra of audio with gradients, and how far two recordings differ in them.

Frame t is the spectrum of the window that *ends* with hop t; zeros stand before the start, as in `codecs.logmel`.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from latentdyn.codecs.logmel import LogMel

_FLOOR = 1e-8  # power that is added to every bin, of that of a full-scale sine: -80 dB


class PowerSpectra(nn.Module):
    """Audio (B, n) to power spectra (B, n // hop, bins); a last, incomplete hop is left out.

    Args:
        window: (w,), at least a hop long.
    """

    window: Tensor

    def __init__(self, window: Tensor, hop: int) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("window", window, persistent=False)

    def forward(self, audio: Tensor) -> Tensor:
        past = nn.functional.pad(audio, (len(self.window) - self.hop, 0))
        spectrum = torch.fft.rfft(past.unfold(1, len(self.window), self.hop) * self.window)
        return spectrum.real.square() + spectrum.imag.square()


class SpectralDistance(nn.Module):
    """How far audio is from other audio (B, n), as their magnitudes at several resolutions say: a number, 0 if equal.

    The mean over windows of (Yamamoto et al. 2020, "Parallel WaveGAN", eq. 4 to 6)

        ‖|S| - |S'|‖ / ‖|S|‖  +  mean |ln |S| - ln |S'||

    with hops of a quarter of a window, and the mean |ln M - ln M'| of mel bands of the longest one, as magnitudes. A
    floor 80 dB below a full-scale sine is added to every power, so that silence counts little.

    Args:
        window_samples: of each window. n_mels: bands.

    Raises:
        UserError: the longest window is too short for so many bands.
    """

    bands: Tensor

    def __init__(self, sample_rate_hz: int, window_samples: Sequence[int], n_mels: int) -> None:
        super().__init__()
        longest = max(window_samples)
        self.spectra = nn.ModuleList(_of_full_scale(n) for n in sorted(window_samples))
        filters = LogMel(sample_rate_hz, longest, longest, n_mels, -80.0).spectrum.filters
        self.register_buffer("bands", torch.from_numpy(filters.T.copy()), persistent=False)

    def forward(self, audio: Tensor, other: Tensor) -> Tensor:
        """audio is the truth, which the first summand is a share of."""
        distances = []
        for spectra in self.spectra:
            power, of_other = spectra(audio), spectra(other)
            true, found = (power + _FLOOR).sqrt(), (of_other + _FLOOR).sqrt()
            share = (true - found).square().sum().sqrt() / true.square().sum().sqrt()
            distances.append(share + (true.log() - found.log()).abs().mean())
        mel, of_other = (0.5 * (p @ self.bands + _FLOOR).log() for p in (power, of_other))  # of the longest window
        return torch.stack(distances).mean() + (mel - of_other).abs().mean()


def _of_full_scale(n: int) -> PowerSpectra:
    """Spectra by a Hann window in which a full-scale sine has power 1."""
    window = torch.hann_window(n)
    return PowerSpectra(2 * window / window.sum(), math.ceil(n / 4))
