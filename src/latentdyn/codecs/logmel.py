"""Log-mel spectrum: the classical reference that needs no download.

Frame t is the power spectrum of the `fft_samples` samples that *end* with hop t (zeros stand before the
start), Hann-windowed and summed into mel bands: it uses no sample after its hop. The unit is dB re the
power of a full-scale sine (AES17), one scale for all bands: triangles of peak 1 share out the power between
the first and the last band's centre, so the bands' powers add up to that of the windowed signal.
Standardising is left to whoever models the latents.

Decoding is rough, for listening: the phases are made up by Griffin-Lim. It is not causal; every tile brings the
latents on both sides that its audio depends on, about 2 s each.
"""

from collections.abc import MutableMapping
from dataclasses import dataclass

import numpy as np
import scipy.fft

from latentdyn.codecs.griffin_lim import griffin_lim, reach, starting_phases
from latentdyn.codecs.mel import mel_filters
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError

_TILE_FRAMES = 256  # bounds the memory of a tile's overlapping windows
_BINS_ITERATIONS = 50


@dataclass(frozen=True)
class Spectrum:
    """What makes bands of a windowed signal: 10 log10(power of its spectrum · power_scale @ filters.T + floor_power).

    window: (fft_samples,). power_scale: (bins,). filters: (n_mels, bins). All float32.
    """

    window: np.ndarray
    power_scale: np.ndarray
    filters: np.ndarray
    floor_power: float


class LogMel(TiledCodec):
    """Causal log-mel spectrum with D = `n_mels`, in dB.

    Args:
        hop_samples: 1280 at 16 kHz is 12.5 Hz.
        fft_samples: length of the window, at least a hop (a shorter one would skip audio).
        floor_db: level of the noise floor added to every band. (Clipping at the floor instead would give many
            values the same number, and there a density can grow without limit.)
        device: accepted because every codec takes it; this one always runs on the CPU.

    Attributes:
        spectrum: how a window's samples become bands.

    Raises:
        UserError: the window is shorter than the hop, or too short for so many bands.
    """

    def __init__(
        self,
        sample_rate_hz: int,
        hop_samples: int,
        fft_samples: int,
        n_mels: int,
        floor_db: float,
        device: str = "cpu",
    ) -> None:
        if fft_samples < hop_samples:
            raise UserError(
                f"a window of {fft_samples} samples skips audio between hops of {hop_samples}",
                "fft_samples of the log-mel representation",
                "set fft_samples to hop_samples or more",
            )
        self.sample_rate_hz, self.hop_samples, self.dim = sample_rate_hz, hop_samples, n_mels
        self.tile_frames = _TILE_FRAMES
        self._fft_samples = fft_samples
        centres_hz = np.arange(fft_samples // 2 + 1) * sample_rate_hz / fft_samples
        filters = mel_filters(sample_rate_hz, fft_samples, n_mels)
        if not (filters.max(axis=1) > 0).all():
            raise UserError(
                f"{n_mels} mel bands are too many at a resolution of {centres_hz[1]:.1f} Hz: some are empty",
                "n_mels and the window (fft_samples, n_fft, window_samples) of the log-mel spectrum",
                "lower n_mels, or take a longer window",
            )
        window = hann(fft_samples)
        # One-sided powers that add up to the mean square under the window, over a full-scale sine's 1/2.
        one_sided = np.where((centres_hz == 0) | (centres_hz == sample_rate_hz / 2), 1, 2)
        power_scale = (2 * one_sided / (fft_samples * np.sum(window**2))).astype(np.float32)
        self.spectrum = Spectrum(window.astype(np.float32), power_scale, filters, 10 ** (floor_db / 10))
        self._step_samples = max(1, fft_samples // 4)  # Griffin-Lim needs windows that overlap by three quarters
        self._reach = reach(fft_samples, self._step_samples)
        # the reach, the rounding to a step, and half a window, because a frame's window is centred before its end
        margin = (self._reach + 1) * self._step_samples + (fft_samples + 1) // 2
        self.decode_look_ahead_frames = -(-margin // hop_samples)

    def _start(self, batch: int) -> MutableMapping[str, np.ndarray]:
        return {"past": np.zeros((batch, self._fft_samples - self.hop_samples), np.float32)}

    def _advance(self, audio: np.ndarray, state: MutableMapping[str, np.ndarray]) -> np.ndarray:
        heard = np.concatenate([state["past"], audio], axis=1)
        state["past"] = heard[:, heard.shape[1] - state["past"].shape[1] :].copy()
        frames = np.lib.stride_tricks.sliding_window_view(heard, self._fft_samples, axis=1)[:, :: self.hop_samples]
        of = self.spectrum
        spectrum = scipy.fft.rfft(frames * of.window, axis=-1)
        power = (spectrum.real**2 + spectrum.imag**2) * of.power_scale
        bands = power @ of.filters.T
        return np.asarray(10 * np.log10(bands + np.float32(of.floor_power)))

    def _start_decoding(self) -> None:
        return None

    def _decode_tile(self, tile: Tile, state: None) -> np.ndarray:
        hop, step = self.hop_samples, self._step_samples
        start, stop = tile.start * hop, tile.stop * hop
        first, last = max(0, start // step - self._reach), -(-stop // step) + self._reach
        magnitudes = self._magnitudes(tile, np.arange(first, last + 1) * step)
        phases = starting_phases(first, *magnitudes.shape)
        audio = griffin_lim(magnitudes, phases, self.spectrum.window, step, (last - first) * step)
        return np.asarray(audio[start - first * step : stop - first * step], np.float32)

    def _magnitudes(self, tile: Tile, centres: np.ndarray) -> np.ndarray:
        """The spectra, (M, bins), of windows centred at these samples of the utterance, by interpolation in time.

        The first and the last latent stand for what is before and after the utterance.
        """
        ends = (tile.first + np.arange(len(tile.latents)) + 1) * self.hop_samples
        known = ends - self._fft_samples / 2
        levels_db = np.stack([np.interp(centres, known, band) for band in tile.latents.T.astype(np.float64)], axis=1)
        of = self.spectrum
        bands = np.maximum(10 ** (levels_db / 10) - of.floor_power, 0)
        return np.asarray(np.sqrt(_bins(bands, of.filters.astype(np.float64)) / of.power_scale))


def hann(n: int) -> np.ndarray:
    """The periodic Hann window (n,), number by number that of scipy.signal, which takes half a second to import."""
    return 0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, n + 1)[:-1])


def _bins(bands: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Powers of bins (M, bins), not negative, whose bands are nearly `bands` (M, n_mels), by Lee and Seung (2001).

    Each band's power starts out spread evenly over its filter. The multiplicative updates never touch another row.
    """
    power = bands / filters.sum(axis=1) @ filters
    for _ in range(_BINS_ITERATIONS):
        power *= bands @ filters / np.maximum(power @ filters.T @ filters, np.finfo(np.float64).tiny)
    return np.asarray(power)


CODEC = LogMel
