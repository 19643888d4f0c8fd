"""How much of what is heard each direction of a codec's frames moves: M = E[JᵀJ], estimated with random probes.

J is the derivative of what is heard with respect to one frame x_t. What is heard are log-mel frames of the decoded
utterance, in dB. An error δ in a single frame moves them by δᵀMδ on average, in dB² summed over frames and bands, as
long as it is small.

A probe v of independent signs has E[vvᵀ] = I. One vector-Jacobian product gives g_t = J_tᵀv for all frames of an
utterance at once, and E[g_t g_tᵀ] = J_tᵀJ_t (Hutchinson 1990). So M is the mean of g_t g_tᵀ over frames and probes.

Noise of covariance Σ moves what is heard by tr(MΣ). At a given log-determinant, hence at a given entropy of the noise,
this is least for Σ proportional to M⁻¹.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.linalg
import torch
from torch import Tensor

from latentdyn.codecs.spectra import PowerSpectra
from latentdyn.errors import UserError
from latentdyn.perception.mel import MelSettings, mel_codec
from latentdyn.perception.source import Source, draw_utterances
from latentdyn.seeds import numpy_generator
from latentdyn.stores.lineage import handle_lineage_name

log = logging.getLogger(__name__)

Hear = Callable[[Tensor], Tensor]  # latents (1, D, T) to what is heard, of any shape


@dataclass(frozen=True)
class Sensitivity:
    """matrix: M (D, D) float64. standard_error: of each entry, over speakers and probes. n_frames: that it is the mean
    of."""

    matrix: np.ndarray
    standard_error: np.ndarray
    n_frames: int


class MelOfDecoded(torch.nn.Module):
    """Latents (B, D, T) to log-mel frames of their audio (B, n_frames, n_mels) in dB, at the codec's own rate.

    The frames are those of `perception.mel.log_mel`. A last, incomplete hop is left out.
    """

    bands: Tensor

    def __init__(self, decoder: torch.nn.Module, sample_rate_hz: int, settings: MelSettings) -> None:
        super().__init__()
        spectrum = mel_codec(settings, sample_rate_hz).spectrum
        self.decoder, self.floor_power = decoder, spectrum.floor_power
        self.spectra = PowerSpectra(torch.from_numpy(spectrum.window), settings.hop)
        self.register_buffer("bands", torch.from_numpy(spectrum.power_scale[:, None] * spectrum.filters.T))

    def forward(self, latents: Tensor) -> Tensor:
        return 10 * torch.log10(self.spectra(self.decoder(latents)) @ self.bands + self.floor_power)


def sensitivity(
    hear: Hear, utterances: Iterable[tuple[str, np.ndarray]], probes: int, device: torch.device
) -> Sensitivity:
    """M over the frames of utterances.

    The standard error is that of a ratio of sums over speakers, whose probes are independent of each other's.

    Args:
        hear: what is heard of latents, with gradients. utterances: speaker and latents (T, D) of each; of one speaker
            in any places. probes: of each utterance.

    Raises:
        ValueError: there are fewer than two speakers.
    """
    sums: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for number, (speaker, latents) in enumerate(utterances):
        generator = numpy_generator("sensitivity", speaker, number)
        outer = np.mean([_outer_products(hear, latents, generator, device) for _ in range(probes)], axis=0)
        sums[speaker] = sums.get(speaker, 0) + outer
        counts[speaker] = counts.get(speaker, 0) + len(latents)
    if len(sums) < 2:
        raise ValueError("a standard error needs two speakers")
    total, n = np.stack(list(sums.values())), np.array(list(counts.values()))[:, None, None]
    matrix = total.sum(axis=0) / n.sum()
    spread = np.square(total - n * matrix).sum(axis=0) * len(n) / (len(n) - 1)
    return Sensitivity(matrix, np.sqrt(spread) / n.sum(), int(n.sum()))


def decoder_sensitivity(
    source: Source, frames: pd.DataFrame, settings: Mapping[str, Any], mel: MelSettings, device: torch.device
) -> Sensitivity:
    """M of a codec's decoder at the frames of training speakers.

    Args:
        source: of the codec's own frames. frames: their index. settings: utterances, max_duration_s and probes.

    Raises:
        UserError: the frames are not the codec's own, its decoder is no network of torch, or there are too few
            utterances of two speakers.
    """
    if source.transforms:
        raise UserError(
            f"noise is shaped by the decoder for the codec's own frames only, and these are "
            f"{handle_lineage_name(source.store.handle)}",
            "noises of the section rate_quality",
            "leave out `shaped`, or ask for the codec's own representation",
        )
    where = "shaping of the section rate_quality"
    drawn = draw_utterances(frames, "train", settings["utterances"], 2, ("sensitivity",), where)
    if drawn["speaker_id"].nunique() < 2:
        raise UserError("the utterances are of one speaker, which tells no error", where, "ask for more utterances")
    most, array = int(settings["max_duration_s"] * source.store.frame_rate_hz), source.store.array()
    utterances = (
        (str(one.speaker_id), np.asarray(array[one.row : one.row + min(one.n, most)], np.float32))
        for one in drawn.itertuples()
    )
    hear = MelOfDecoded(source.decoder.module(), source.decoder.sample_rate_hz, mel).to(device)
    found = sensitivity(hear, utterances, settings["probes"], device)
    error = float(np.linalg.norm(found.standard_error) / np.linalg.norm(found.matrix))
    log.info("sensitivity of the decoder: %d frames, relative standard error %.2g", found.n_frames, error)
    return found


def _outer_products(
    hear: Hear, latents: np.ndarray, generator: np.random.Generator, device: torch.device
) -> np.ndarray:
    """Σ_t g_t g_tᵀ (D, D) float64 of one probe."""
    x = torch.from_numpy(np.ascontiguousarray(latents.T)).to(device)[None].requires_grad_()
    heard = hear(x)
    probe = torch.from_numpy(generator.choice([-1.0, 1.0], tuple(heard.shape))).to(heard)
    (gradient,) = torch.autograd.grad(heard, x, probe)
    g = gradient[0].double().cpu().numpy()
    return g @ g.T


def noise_shape(matrix: np.ndarray, std: np.ndarray, ridge: float) -> np.ndarray:
    """L (D, D) of noise L ε whose covariance L Lᵀ is proportional to M⁻¹, with the entropy of white noise.

    Args:
        matrix: M. std: (D,) deviations of the white noise; log det L Lᵀ = Σ ln std². ridge: added to the eigenvalues of
            M in units of `std`, as a share of their mean. It bounds the noise where M says that nothing is heard.
    """
    scaled = std[:, None] * matrix * std
    scaled += ridge * np.trace(scaled) / len(std) * np.eye(len(std))
    lower = scipy.linalg.cholesky(scaled, lower=True)
    inverse = scipy.linalg.solve_triangular(lower, np.eye(len(std)), lower=True, trans="T")
    return std[:, None] * inverse * np.exp(np.log(np.diag(lower)).mean())
