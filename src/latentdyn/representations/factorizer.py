"""The predictable state of frames, z_dyn, by a factorizer that another job has trained on them (models.factorizer).

Row t holds what frames up to t leave: the state of frame t + 1 where timing is strict, of frame t where it is
inclusive. So it knows no more than a frame of its source at the same time. The way back is what the state alone tells:
the innovation is the mean of its prior.
"""

from typing import Any

import numpy as np
import torch

from latentdyn.models.factorizer.network import Factorizer as Model
from latentdyn.models.factorizer.network import build_factorizer
from latentdyn.representations.base import Source, Utterance
from latentdyn.representations.learned import LearnedTransform


class Factorizer(LearnedTransform):
    """States with mean 0 and covariance I over the training frames.

    A frame that is not finite has no state, and states begin anew after it. `dim` is that of the state; the others are
    as the model was trained with them.
    """

    inverse = "approximate"
    model_kind = "factorizer"
    model: Model

    def __init__(
        self, source: Source, dtype: str, dim: int, timing: str, window_frames: int, encoder: dict[str, Any],
        network: dict[str, Any], innovation: dict[str, Any], reconstructor: dict[str, Any], dynamics: dict[str, Any],
        future: dict[str, Any], training: dict[str, Any], seed: int,
    ) -> None:  # fmt: skip
        super().__init__(source, dtype)
        self.dim = dim
        self.trained_with = {
            "dim": dim, "timing": timing, "window_frames": window_frames, "encoder": encoder, "network": network,
            "innovation": innovation, "reconstructor": reconstructor, "dynamics": dynamics, "future": future,
            "training": training,
        }  # fmt: skip
        self.model = build_factorizer(self.trained_with, source.dim).eval()

    @torch.inference_mode()
    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        finite = np.isfinite(utterance.latents).all(axis=1)
        states = np.full((len(finite), self.dim), np.nan, np.float32)
        edges = np.flatnonzero(np.diff(finite, prepend=False, append=False)).reshape(-1, 2)
        for start, end in edges:
            frames = torch.tensor(utterance.latents[start:end], dtype=torch.float32)
            states[start:end] = self.model.stored(self.model.encoder(self.model.deviations(frames)[None])[0]).numpy()
        return states, utterance.energy_db

    @torch.inference_mode()
    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        if not len(latents):
            return np.empty((0, self.source.dim), np.float32)
        return self.model.rebuilt(torch.from_numpy(np.ascontiguousarray(latents, np.float32))).numpy()


TRANSFORM = Factorizer
