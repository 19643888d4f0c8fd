"""How a beta-VAE's reconstruction x̂ is compared with the source's frames x.

frames      ½ ‖x - x̂‖² in deviations of the source
mel_metric  ½ (x - x̂)ᵀ G (x - x̂), G by how much of the decoded log-mel each direction moves (models.vae.mel_metric)
waveform    ½ ‖x - x̂‖², and how far the audio that a decoder makes of x̂ is from what the codec's decoder makes of x

Where audio is made of x̂, the decoder is the codec's own, or a copy of it that is trained too.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from latentdyn.codecs.decoder_weights import DecoderWeights
from latentdyn.codecs.spectra import SpectralDistance
from latentdyn.models.vae.adversary import Adversary
from latentdyn.models.vae.objectives import Seen

# numbers (B, T, n) of a latent, in deviations, to audio (B, samples), by other weights than the decoder's where given
Listen = Callable[[Tensor, Mapping[str, Tensor] | None], Tensor]


class FramesReconstruction(nn.Module):
    """-ln N(x; x̂, I) of the source's frames in their own deviations, less its constant.

    Attributes:
        listens: what it asks for depends on the codec's decoder. health_names: what a model's health tells besides.
        root: (n, n), symmetric, of the metric's square; None where all directions count alike.
    """

    listens: ClassVar[bool] = False
    health_names: ClassVar[tuple[str, ...]] = ()
    root: Tensor | None

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("root", None, persistent=False)

    def forward(self, seen: Seen) -> Tensor:
        """½ ‖x - x̂‖², (B, T) in nats."""
        return 0.5 * (seen.frames - seen.rebuilt).square().sum(2)


class MelMetricReconstruction(FramesReconstruction):
    """-ln N(x; x̂, G⁻¹), less its constant: an error counts as much as it moves what is heard.

    All settings say how G is found (models.vae.mel_metric), before the training. It is given by `weigh`.
    """

    listens, health_names = True, ("heard_r2",)

    def __init__(
        self, identity_share: float, sequences: int, probes: int, window_samples: int, hop_samples: int, n_mels: int,
        floor_db: float,
    ) -> None:  # fmt: skip
        super().__init__()

    def weigh(self, metric: Tensor) -> None:
        """Take G (n, n), symmetric and positive definite. It is no part of what is stored: only training needs it."""
        variances, axes = torch.linalg.eigh(metric)
        self.root = (axes * variances.sqrt() @ axes.T).float()

    def forward(self, seen: Seen) -> Tensor:
        """½ (x - x̂)ᵀ G (x - x̂), (B, T) in nats."""
        assert self.root is not None
        return 0.5 * ((seen.frames - seen.rebuilt) @ self.root).square().sum(2)


class WaveformReconstruction(FramesReconstruction):
    """The same and, besides, n `audio_weight` × the distance of decoded audio, of stretches of some sequences.

    n is how many numbers a latent stands for, so that the weight is beside a squared error of each.

    Args:
        audio_weight: of the distance. sequences: of a batch whose audio is compared. latents: in a row, of each; where
            they begin is drawn. window_samples, n_mels: of `SpectralDistance`. decoder: "trained" makes audio of x̂ by
            weights of this model. decoder_learning_rate: of them. adversary: settings of an `Adversary`, which adds its
            loss to the distance while the model is trained.
    """

    listens = True
    distance: SpectralDistance
    listen: Listen

    def __init__(
        self, audio_weight: float, sequences: int, latents: int, window_samples: Sequence[int], n_mels: int,
        decoder: str, decoder_learning_rate: float, adversary: Mapping[str, Any] | None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.audio_weight, self.sequences, self.latents = audio_weight, sequences, latents
        self.window_samples, self.n_mels = window_samples, n_mels
        self.decoder_weights = DecoderWeights(decoder_learning_rate) if decoder == "trained" else None
        self.adversary = Adversary(**adversary, window_samples=window_samples) if adversary else None

    def hear(self, listen: Listen, decoder: nn.Module, sample_rate_hz: int) -> None:
        """Take what makes audio of frames, and the decoder that it does so by. Neither is part of what is stored: only
        training needs them."""
        self.listen = listen
        self.distance = SpectralDistance(sample_rate_hz, self.window_samples, self.n_mels)
        if self.decoder_weights is not None:
            self.decoder_weights.start(decoder)

    def forward(self, seen: Seen) -> Tensor:
        """(B, T) in nats."""
        n, n_latents, numbers = seen.frames.shape
        chosen = torch.arange(min(self.sequences, n), device=seen.frames.device)[:, None]
        first = torch.randint(
            n_latents - self.latents + 1, chosen.shape, generator=seen.draws, device=seen.frames.device
        )
        at = first + torch.arange(self.latents, device=seen.frames.device)
        weights = None if self.decoder_weights is None else self.decoder_weights.by_name()
        true, found = self.listen(seen.frames[chosen, at], None), self.listen(seen.rebuilt[chosen, at], weights)
        distance = self.audio_weight * self.distance(true, found)
        if self.adversary is not None and self.training:
            distance = distance + self.adversary(true, found)
        return super().forward(seen) + numbers * distance


RECONSTRUCTIONS: dict[str, type[FramesReconstruction]] = {
    "frames": FramesReconstruction,
    "mel_metric": MelMetricReconstruction,
    "waveform": WaveformReconstruction,
}
