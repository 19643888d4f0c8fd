"""What representations share whose model another job has trained: the weights come from its checkpoint."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from latentdyn.errors import UserError
from latentdyn.models.checkpoint import WHOLE, read_checkpoint
from latentdyn.models.sequences import HEALTH_OF, RepresentationModel
from latentdyn.representations.base import Transform, Utterances


class LearnedTransform(Transform):
    """A transform that applies a trained model.

    Attributes:
        model_kind: of the model. model: built by the settings in `trained_with`, which it must have been trained with.
    """

    model_kind: ClassVar[str]
    model: RepresentationModel
    trained_with: dict[str, Any]

    def fit(self, training: Utterances) -> None:
        """A model is trained by a job of its own, with speakers that it is validated on.

        Raises:
            UserError: always.
        """
        raise UserError(
            f"latents of kind {self.model_kind} need a trained model, and none is given",
            "--model",
            f"run rule train_{self.model_kind} first, and give the checkpoint that it writes",
        )

    def load_model(self, handle: Path, training: Utterances) -> None:
        source = training.store
        data = {"latents": source.handle["digest"]}
        checkpoint = read_checkpoint(handle, self.model_kind, self.trained_with, source.dim, data)
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
        numbers = self.model.health(split)
        for name in self.model.rate_names:
            numbers[f"{name}_kbit_per_s"] = numbers[f"{name}_nats"] / math.log(2) * self.frame_rate_hz / 1000
        return {name: None if math.isnan(number) else number for name, number in numbers.items()}
