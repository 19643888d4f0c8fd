"""How a beta-VAE's reconstruction x̂ is compared with the source's frames x.

frames      ½ ‖x - x̂‖² in deviations of the source
waveform    the same, and how far the audio that the codec's decoder makes of x̂ is from what it makes of x
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from latentdyn.codecs.spectra import SpectralDistance
from latentdyn.models.vae.objectives import Seen

Listen = Callable[[Tensor], Tensor]  # numbers (B, T, n) of a latent, in deviations, to audio (B, samples)


class FramesReconstruction(nn.Module):
    """-ln N(x; x̂, I) of the source's frames in their own deviations, less its constant."""

    def forward(self, seen: Seen) -> Tensor:
        """½ ‖x - x̂‖², (B, T) in nats."""
        return 0.5 * (seen.frames - seen.rebuilt).square().sum(2)


class WaveformReconstruction(FramesReconstruction):
    """The same and, besides, n `audio_weight` × the distance of decoded audio, of stretches of some sequences.

    n is how many numbers a latent stands for, so that the weight is beside a squared error of each.

    Args:
        audio_weight: of the distance. sequences: of a batch whose audio is compared. latents: in a row, of each; where
            they begin is drawn. window_samples, n_mels: of `SpectralDistance`.
    """

    distance: SpectralDistance
    listen: Listen

    def __init__(
        self, audio_weight: float, sequences: int, latents: int, window_samples: Sequence[int], n_mels: int
    ) -> None:
        super().__init__()
        self.audio_weight, self.sequences, self.latents = audio_weight, sequences, latents
        self.window_samples, self.n_mels = window_samples, n_mels

    def hear(self, listen: Listen, sample_rate_hz: int) -> None:
        """Take what makes audio of frames. It is no part of what is stored: only training needs it."""
        self.listen = listen
        self.distance = SpectralDistance(sample_rate_hz, self.window_samples, self.n_mels)

    def forward(self, seen: Seen) -> Tensor:
        """(B, T) in nats."""
        n, n_latents, numbers = seen.frames.shape
        chosen = torch.arange(min(self.sequences, n), device=seen.frames.device)[:, None]
        first = torch.randint(
            n_latents - self.latents + 1, chosen.shape, generator=seen.draws, device=seen.frames.device
        )
        at = first + torch.arange(self.latents, device=seen.frames.device)
        true, found = (self.listen(of[chosen, at]) for of in (seen.frames, seen.rebuilt))
        return super().forward(seen) + self.audio_weight * numbers * self.distance(true, found)


RECONSTRUCTIONS: dict[str, type[nn.Module]] = {"frames": FramesReconstruction, "waveform": WaveformReconstruction}
