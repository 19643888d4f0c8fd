"""Log-mel spectrum: the classical reference that needs no download.

Frame t is the power spectrum of the `fft_samples` samples that *end* with hop t (zeros stand before the
start), Hann-windowed and summed into mel bands: it uses no sample after its hop. The unit is dB re the
power of a full-scale sine (AES17), one scale for all bands: triangles of peak 1 share out the power between
the first and the last band's centre, so the bands' powers add up to that of the windowed signal.
Standardising is left to whoever models the latents.
"""

import warnings
from collections.abc import MutableMapping

import numpy as np
import scipy.fft
import scipy.signal
from librosa.filters import mel

from latentdyn.codecs.tiling import TiledCodec
from latentdyn.errors import UserError
from latentdyn.seeds import seed_for

_TILE_FRAMES = 256  # bounds the memory of a tile's overlapping windows


class LogMel(TiledCodec):
    """Causal log-mel spectrum with D = `n_mels`, in dB.

    Args:
        hop_samples: 1280 at 16 kHz is 12.5 Hz.
        fft_samples: length of the window, at least a hop (a shorter one would skip audio).
        floor_db: level of the noise floor added to every band. (Raising what is below it would heap a share of all
            values onto one number, where a density can grow without limit.)
        device: taken for the sake of one signature; it always runs on the CPU.

    Raises:
        UserError: the window is shorter than the hop, or too short for so many bands.
    """

    def __init__(
        self,
        sample_rate_hz: int = 16000,
        hop_samples: int = 1280,
        fft_samples: int = 1280,
        n_mels: int = 64,
        floor_db: float = -80.0,
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
        self._fft_samples, self._floor_power = fft_samples, 10 ** (floor_db / 10)
        centres_hz = np.arange(fft_samples // 2 + 1) * sample_rate_hz / fft_samples
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about empty bands, which are an error below
            self._filters = mel(sr=sample_rate_hz, n_fft=fft_samples, n_mels=n_mels, norm=None, dtype=np.float32)
        if not (self._filters.max(axis=1) > 0).all():
            raise UserError(
                f"{n_mels} mel bands are too many at a resolution of {centres_hz[1]:.1f} Hz: some are empty",
                "n_mels and fft_samples of the log-mel representation",
                "lower n_mels or raise fft_samples",
            )
        window = scipy.signal.get_window("hann", fft_samples)
        # One-sided powers that add up to the mean square under the window, over a full-scale sine's 1/2.
        one_sided = np.where((centres_hz == 0) | (centres_hz == sample_rate_hz / 2), 1, 2)
        self._power_scale = (2 * one_sided / (fft_samples * np.sum(window**2))).astype(np.float32)
        self._window = window.astype(np.float32)

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode (T, D) to (T * hop,) float32 by Griffin-Lim: rough, for listening; phases are made up.

        The spectrum is interpolated in time to windows that overlap by three quarters, as Griffin-Lim needs.
        """
        import librosa  # here, because encoding needs none of it

        step = max(1, self._fft_samples // 4)
        samples = len(latents) * self.hop_samples
        centres = (np.arange(len(latents)) + 1) * self.hop_samples - self._fft_samples / 2
        wanted = np.arange(samples // step + 1) * step
        levels_db = np.stack([np.interp(wanted, centres, band) for band in np.asarray(latents, np.float64).T])
        bands = np.maximum(10 ** (levels_db / 10) - self._floor_power, 0)
        power = librosa.util.nnls(self._filters, bands) / self._power_scale[:, None]
        return librosa.griffinlim(
            np.sqrt(power),
            hop_length=step,
            n_fft=self._fft_samples,
            length=samples,
            random_state=seed_for("griffin-lim") % 2**32,
        ).astype(np.float32)

    def _start(self, batch: int) -> MutableMapping[str, np.ndarray]:
        return {"past": np.zeros((batch, self._fft_samples - self.hop_samples), np.float32)}

    def _advance(self, audio: np.ndarray, state: MutableMapping[str, np.ndarray]) -> np.ndarray:
        heard = np.concatenate([state["past"], audio], axis=1)
        state["past"] = heard[:, heard.shape[1] - state["past"].shape[1] :].copy()
        frames = np.lib.stride_tricks.sliding_window_view(heard, self._fft_samples, axis=1)[:, :: self.hop_samples]
        spectrum = scipy.fft.rfft(frames * self._window, axis=-1)
        power = (spectrum.real**2 + spectrum.imag**2) * self._power_scale
        bands = power @ self._filters.T
        return 10 * np.log10(bands + np.float32(self._floor_power))
