"""Latents of a beta-VAE that another job has trained on the source's frames (models.vae).

A latent stands for `stack` consecutive frames, which the decoder gives back. So whatever is done to latents, a forecast
too, can be led back to the source's frames, and through these to audio.

With `static_dim` the last dimensions of each latent are what its utterance's frames so far tell of a vector that stays:
a running mean, so no latent knows later frames. They are stored in every frame, not once for the utterance: a forecast
is decoded with what was known when it was made. Whoever measures this representation sees all dimensions.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch

from latentdyn.models.vae.network import VAE as Model
from latentdyn.models.vae.network import build_vae
from latentdyn.representations.base import Source, Utterance
from latentdyn.representations.learned import LearnedTransform
from latentdyn.representations.lower_rate import WholeGroups
from latentdyn.seeds import torch_generator

_ADVERSARY = "reconstruction.adversary."


class VAE(LearnedTransform, WholeGroups):
    """The encoder's posterior mean for each stack of frames, or a draw from the posterior.

    Args:
        dim: of the latents. stack: consecutive frames that a latent stands for.
        encoder, past_frames, network, objective, training: as the model was trained with them.
        posterior: "mean" or "sample". seed: of the training, and of the draws. static_dim: of the latents' dimensions
            those that stay, the last ones.
    """

    left_out: ClassVar[Mapping[str, Any]] = {"static_dim": 0}
    inverse = "approximate"
    model_kind = "vae"
    model: Model

    def __init__(
        self, source: Source, dtype: str, dim: int, stack: int, encoder: str, past_frames: int, posterior: str,
        network: dict[str, Any], objective: dict[str, Any], training: dict[str, Any], seed: int,
        static_dim: int,
    ) -> None:  # fmt: skip
        super().__init__(source, dtype, source.frame_rate_hz / stack)
        self.dim, self.posterior, self.seed = dim, posterior, seed
        self.trained_with = {
            "dim": dim, "stack": stack, "encoder": encoder, "past_frames": past_frames, "network": network,
            "objective": objective, "training": training,
        }  # fmt: skip
        if static_dim:
            self.trained_with["static_dim"] = static_dim
        self.model = build_vae(self.trained_with, source.dim).eval()

    def fitted(self) -> dict[str, np.ndarray]:
        """Without an adversary, which only training needs."""
        return {name: array for name, array in super().fitted().items() if not name.startswith(_ADVERSARY)}

    @torch.inference_mode()
    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        groups, energy_db = self.grouped(utterance)
        if not len(groups):
            return np.empty((0, self.dim), np.float32), energy_db
        frames = torch.tensor(groups, dtype=torch.float32).reshape(1, -1, self.source.dim)
        drawn = self.posterior == "sample"
        noise = torch_generator("vae", self.seed, utterance.utterance_id) if drawn else None
        return self.model.latents(self.model.stacked(frames), noise)[0].numpy(), energy_db

    @torch.inference_mode()
    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        if not len(latents):
            return np.empty((0, self.source.dim), np.float32)
        z = torch.from_numpy(np.ascontiguousarray(latents, np.float32))
        return self.model.unstacked(self.model.decode(z)[None])[0].numpy()

    def decoder_weights(self) -> dict[str, np.ndarray] | None:
        own = self.model.decoder_weights()
        return None if own is None else {name: value.numpy() for name, value in own.items()}


TRANSFORM = VAE
