"""Latents of a beta-VAE that another job has trained on the source's frames (models.vae).

A latent stands for `stack` consecutive frames, which the decoder gives back. So whatever is done to latents, a forecast
too, can be led back to the source's frames, and through these to audio.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from latentdyn.errors import UserError
from latentdyn.models.checkpoint import WHOLE, read_checkpoint
from latentdyn.models.vae.network import HEALTH, HEALTH_OF, build_vae
from latentdyn.representations.base import Source, Utterance, Utterances
from latentdyn.representations.lower_rate import WholeGroups
from latentdyn.seeds import torch_generator
from latentdyn.stores.latents import LatentsStore

MODEL = "vae"


class VAE(WholeGroups):
    """The encoder's posterior mean for each stack of frames, or a draw from the posterior.

    Args:
        dim: of the latents. stack: consecutive frames that a latent stands for.
        encoder, past_frames, network, objective, training: as the model was trained with them.
        posterior: "mean" or "sample". seed: of the training, and of the draws.
    """

    inverse = "approximate"

    def __init__(
        self, source: Source, dtype: str, dim: int, stack: int, encoder: str, past_frames: int, posterior: str,
        network: dict[str, Any], objective: dict[str, Any], training: dict[str, Any], seed: int,
    ) -> None:  # fmt: skip
        super().__init__(source, dtype, source.frame_rate_hz / stack)
        self.dim, self.posterior, self.seed = dim, posterior, seed
        self.trained_with = {
            "dim": dim, "stack": stack, "encoder": encoder, "past_frames": past_frames, "network": network,
            "objective": objective, "training": training,
        }  # fmt: skip
        self.model = build_vae(self.trained_with, source.dim).eval()

    def fit(self, training: Utterances) -> None:
        """A model is trained by a job of its own, with speakers that it is validated on.

        Raises:
            UserError: always.
        """
        raise UserError(
            "latents of kind vae need a trained model, and none is given",
            "--model",
            f"run rule train_{MODEL} first, and give the checkpoint that it writes",
        )

    def load_model(self, handle: Path, source: LatentsStore) -> None:
        data = {"latents": source.handle["digest"]}
        checkpoint = read_checkpoint(handle, MODEL, self.trained_with, source.dim, data)
        self.model.load_state_dict(checkpoint.weights[WHOLE])

    def fitted(self) -> dict[str, np.ndarray]:
        """The weights by their names, without the health, which is among the facts of the handle."""
        state = self.model.state_dict()
        return {name: value.numpy() for name, value in state.items() if not name.startswith("health_")}

    def restore(self, fitted: Mapping[str, np.ndarray]) -> None:
        state = {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in fitted.items()}
        self.model.load_state_dict(self.model.state_dict() | state)

    def facts(self, utterances: pd.DataFrame) -> dict[str, Any]:
        """`learned`: the step whose weights were kept, and the model's health by split; null where it is unknown."""
        return {
            "learned": {"kept_step": int(self.model.kept_step)} | {split: self._health(split) for split in HEALTH_OF}
        }

    def _health(self, split: str) -> dict[str, float | None]:
        numbers = dict(zip(HEALTH, self.model.get_buffer(f"health_{split}").tolist(), strict=True))
        for name in ("kl", "innovation"):
            numbers[f"{name}_kbit_per_s"] = numbers[f"{name}_nats"] / math.log(2) * self.frame_rate_hz / 1000
        return {name: None if math.isnan(number) else number for name, number in numbers.items()}

    @torch.inference_mode()
    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        groups, energy_db = self.grouped(utterance)
        if not len(groups):
            return np.empty((0, self.dim), np.float32), energy_db
        frames = torch.tensor(groups, dtype=torch.float32).reshape(1, -1, self.source.dim)
        z, log_variance = (of_posterior[0] for of_posterior in self.model.encode(self.model.stacked(frames)))
        if self.posterior == "sample":
            draws = torch_generator(MODEL, self.seed, utterance.utterance_id)
            z = z + (0.5 * log_variance).exp() * torch.randn(z.shape, generator=draws)
        return z.numpy(), energy_db

    @torch.inference_mode()
    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        if not len(latents):
            return np.empty((0, self.source.dim), np.float32)
        z = torch.from_numpy(np.ascontiguousarray(latents, np.float32))
        return self.model.unstacked(self.model.decode(z)[None])[0].numpy()


TRANSFORM = VAE
