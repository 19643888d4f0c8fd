"""How much of what is heard each direction of a codec's frames moves: M = E[JᵀJ], estimated with random probes.

J is the derivative of what is heard with respect to one frame x_t. What is heard are log-mel frames of the decoded
utterance, in dB. An error δ in a single frame moves them by δᵀMδ on average, in dB² summed over frames and bands, as
long as it is small.

A probe v of independent signs has E[vvᵀ] = I. One vector-Jacobian product gives g_t = J_tᵀv for all frames of an
utterance at once, and E[g_t g_tᵀ] = J_tᵀJ_t (Hutchinson 1990). So M is the mean of g_t g_tᵀ over frames and probes.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdyn.codecs.logmel import LogMel
from latentdyn.codecs.spectra import PowerSpectra
from latentdyn.seeds import numpy_generator

Hear = Callable[[Tensor], Tensor]  # latents (1, D, T) to what is heard, of any shape


@dataclass(frozen=True)
class Sensitivity:
    """matrix: M (D, D) float64. standard_error: of each entry, over speakers and probes. n_frames: that it is the mean
    of."""

    matrix: np.ndarray
    standard_error: np.ndarray
    n_frames: int

    @property
    def relative_error(self) -> float:
        """The standard error of the matrix as a share of it, by Frobenius norms."""
        return float(np.linalg.norm(self.standard_error) / np.linalg.norm(self.matrix))


class MelOfDecoded(torch.nn.Module):
    """Latents (B, D, T) to log-mel frames of their audio (B, n_frames, n_mels) in dB, at the codec's own rate.

    The frames are those of `mel`. A last, incomplete hop is left out.
    """

    bands: Tensor

    def __init__(self, decoder: torch.nn.Module, mel: LogMel) -> None:
        super().__init__()
        spectrum = mel.spectrum
        self.decoder, self.floor_power = decoder, spectrum.floor_power
        self.spectra = PowerSpectra(torch.from_numpy(spectrum.window), mel.hop_samples)
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
