"""How a beta-VAE is fitted."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from latentdyn.codecs.makers import open_own_codec
from latentdyn.families import METRICS
from latentdyn.models.base import Part
from latentdyn.models.sequences import (
    SequenceFitting,
    SequenceObjective,
    Sequences,
    check_dimensions,
    training_moments,
)
from latentdyn.models.vae.health import measure_health, warn_of_collapse
from latentdyn.models.vae.network import VAE, Moments, build_vae
from latentdyn.models.vae.objectives import Seen
from latentdyn.models.vae.reconstructions import RECONSTRUCTIONS, MelMetricReconstruction, WaveformReconstruction
from latentdyn.models.vae.static_part import Halves
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore


class VAEFitting(SequenceFitting[VAE]):
    """A beta-VAE."""

    seed_name = "vae"

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: FrameIndex, seed: int, device: torch.device,
        codec: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Choose sequences, and take the moments of the training frames.

        Args:
            codec: section of the config of the codec that made the latents, for an objective that listens.

        Raises:
            UserError: as of `SequenceFitting`; a dimension never changes; an objective that listens has no decoder; it
                has no metric (`mel_metric`).
        """
        reconstruction = RECONSTRUCTIONS[settings["objective"]["reconstruction"]["kind"]]
        self.codec = open_own_codec(codec, store, device) if reconstruction.listens else None
        super().__init__(settings, store, frames, seed, device)
        self._take_moments(store, frames)
        self.metric = self._metric(store) if issubclass(reconstruction, MelMetricReconstruction) else None

    def sequence_frames(self) -> int:
        return int(self.settings["stack"] * self.settings["training"]["sequence_frames"])

    def sequence_words(self) -> tuple[str, str]:
        latents, stack = self.settings["training"]["sequence_frames"], self.settings["stack"]
        return f"{latents} latents of {stack} frames each", "training.sequence_frames and stack"

    def _take_moments(self, store: LatentsStore, frames: FrameIndex) -> None:
        stack = self.settings["stack"]
        moments = training_moments(store, frames, stack - 1)
        mean, variance = moments.mean[::-1], np.einsum("idid->id", moments.covariance)[::-1]
        centre = mean.mean(0)
        std = np.sqrt((variance + (mean - centre) ** 2).mean(0))
        check_dimensions(store, centre, std)
        covariance = moments.covariance[::-1, :, ::-1] / (std[:, None, None] * std)
        numbers = stack * self.dim
        of_stacks = ((mean - centre) / std).reshape(numbers), covariance.reshape(numbers, numbers)
        arrays = (np.ascontiguousarray(array) for array in (centre, std, *of_stacks))
        self.moments = Moments(*(torch.from_numpy(array).to(self.device) for array in arrays))
        self.halves = self._halves() if self.settings.get("static_dim") else None

    def _deviations(self, frames: Tensor) -> Tensor:
        """Frames (B, T stack, D) as stacks in deviations (B, T, stack D), float64."""
        deviations = (frames.double() - self.moments.frame_mean) / self.moments.frame_std
        return deviations.reshape(len(frames), -1, self.settings["stack"] * self.dim)

    def _halves(self) -> Halves:
        """Of training sequences, each half as many latents; with an odd number the middle one is left out."""
        n = self.settings["training"]["sequence_frames"]
        sequences = self._deviations(self.looked_at["train"].batch(slice(None)))
        return Halves(sequences[:, : n // 2].mean(1), sequences[:, n - n // 2 :].mean(1), n // 2 * 2)

    def _metric(self, store: LatentsStore) -> Tensor:
        """Of what is heard of some training sequences."""
        given, moments = self.settings["objective"]["reconstruction"], self.moments
        mean, std = moments.frame_mean.float()[:, None], moments.frame_std.float()[:, None]

        def frames_of(numbers: Tensor) -> Tensor:
            frames = numbers.transpose(1, 2).reshape(1, -1, self.dim).transpose(1, 2)
            return frames * std + mean

        sequences = self.looked_at["train"]
        drawn = numpy_generator(*self.seed_names, "mel metric").permutation(len(sequences))[: given["sequences"]]
        rows = sequences.starts[:].cpu().numpy()[drawn]
        utterances = store.utterances
        of_rows = np.searchsorted(utterances["start"].to_numpy(), rows, side="right") - 1
        speakers = utterances["speaker_id"].to_numpy()[of_rows]
        stacked = self._deviations(sequences.batch(torch.from_numpy(drawn).to(self.device))).float().cpu().numpy()
        found: Tensor = METRICS.load(given["kind"])(
            self.codec, frames_of, zip(map(str, speakers), stacked, strict=True), given, self.device
        )
        return found

    def build(self) -> VAE:
        model = build_vae(self.settings, self.dim)
        if self.metric is not None:
            assert isinstance(model.reconstruction, MelMetricReconstruction)
            model.reconstruction.weigh(self.metric)
        elif self.codec:
            assert isinstance(model.reconstruction, WaveformReconstruction)
            decoder = self.codec.decoder_module().requires_grad_(False)

            def listen(numbers: Tensor, weights: Mapping[str, Tensor] | None) -> Tensor:
                frames = model.unstacked(numbers).transpose(1, 2)
                audio: Tensor = functional_call(decoder, dict(weights or {}), (frames,))
                return audio

            model.reconstruction.hear(listen, decoder, self.codec.sample_rate_hz)
        return model

    def set_moments(self, model: VAE) -> None:
        model.set_start(self.moments, self.settings["objective"]["beta"], self.halves)

    def objective(self, model: VAE, part: Part) -> "Evidence":
        return Evidence(model, self.sequences, self.looked_at, self.settings, self.seed_names)


class Evidence(SequenceObjective):
    """The loss of `VAE.loss` over sequences: less the evidence bound, with what else is asked for."""

    model: VAE

    def __init__(
        self, model: VAE, sequences: Sequences, looked_at: dict[str, Sequences], settings: dict[str, Any],
        seed_names: tuple[object, ...],
    ) -> None:  # fmt: skip
        objective = settings["objective"]
        self.beta, self.warmup = objective["beta"], objective["beta_warmup_steps"]
        self.terms = [term["kind"] for term in objective["terms"]]
        reconstruction = objective["reconstruction"]
        lowered = {
            f"a weight of {' and '.join(self.terms)}": bool(self.terms),
            "objective.reconstruction.decoder_learning_rate": reconstruction.get("decoder") == "trained",
            "objective.reconstruction.adversary.weight": bool(reconstruction.get("adversary")),
        }
        weights = ", or ".join(name for name, used in lowered.items() if used)
        super().__init__(model, sequences, looked_at, settings["training"]["batch_size"], seed_names, weights)

    def loss_of(self, seen: Seen, step: int | None) -> Tensor:
        done = 1.0 if step is None else min(1.0, (step + 1) / max(self.warmup, 1))
        return self.model.loss(seen, self.beta * done)

    def look_after(self) -> None:
        told = self.measure(lambda batches: measure_health(self.model, batches))
        warn_of_collapse(told, self.model.moving_dim, self.terms, self.model.dim - self.model.moving_dim)


FITTING = VAEFitting
