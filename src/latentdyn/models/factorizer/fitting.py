"""How a factorizer is fitted."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from latentdyn.models.base import Part
from latentdyn.models.factorizer.health import measure_health, warn_of_alarms
from latentdyn.models.factorizer.network import Factorizer, build_factorizer
from latentdyn.models.factorizer.objective import Seen
from latentdyn.models.factorizer.start import Windows, frames_ahead, set_start
from latentdyn.models.sequences import (
    SequenceFitting,
    SequenceObjective,
    Sequences,
    check_dimensions,
    training_moments,
)
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore


class FactorizerFitting(SequenceFitting[Factorizer]):
    """A factorizer."""

    seed_name = "factorizer"

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: FrameIndex, seed: int, device: torch.device
    ) -> None:
        """Choose sequences, and take the moments of the training frames.

        Raises:
            UserError: as of `SequenceFitting`, a dimension never changes, or there are too few frames for windows.
        """
        super().__init__(settings, store, frames, seed, device)
        w = settings["window_frames"]
        moments = training_moments(store, frames, w + frames_ahead(settings["dim"], self.dim) - 1)
        if moments.n:
            check_dimensions(store, moments.mean[0], np.sqrt(np.einsum("dd->d", moments.covariance[0, :, 0])))
        self.windows = Windows.of(moments, w, store.path)
        self.whole = [self.latents[rows] for rows in _runs(frames.of_splits("train"), self.device)]

    def sequence_frames(self) -> int:
        return int(self.settings["window_frames"] + self.settings["training"]["sequence_frames"])

    def sequence_words(self) -> tuple[str, str]:
        w, length = self.settings["window_frames"], self.settings["training"]["sequence_frames"]
        return (
            f"the {w} of window_frames and {length} after them",
            "training.sequence_frames and window_frames",
        )

    def build(self) -> Factorizer:
        return build_factorizer(self.settings, self.dim)

    def set_moments(self, model: Factorizer) -> None:
        set_start(model, self.windows)

    def objective(self, model: Factorizer, part: Part) -> "Bound":
        return Bound(model, self.sequences, self.looked_at, self.whole, self.seed_names)


class Bound(SequenceObjective):
    """The loss of `Factorizer.loss` over sequences.

    Args:
        whole: all runs of finite training frames, whose states are whitened.
    """

    model: Factorizer

    def __init__(
        self, model: Factorizer, sequences: Sequences, looked_at: dict[str, Sequences], whole: list[Tensor],
        seed_names: tuple[object, ...],
    ) -> None:  # fmt: skip
        settings = model.settings
        self.whole = whole
        names = [name for name in ("dynamics", "future") if settings[name]["weight"]]
        names += ["dynamics.rollout"] if model.rollout else []
        weights = f"the weight of {' and '.join(names)}" if names else ""
        super().__init__(model, sequences, looked_at, settings["training"]["batch_size"], seed_names, weights)

    def loss_of(self, seen: Seen, step: int | None) -> Tensor:
        return self.model.loss(seen, step)

    def look_after(self) -> None:
        self._whiten()
        training = list(self.look("train"))
        warn_of_alarms(self.measure(lambda batches: measure_health(self.model, batches, training)), self.model)

    @torch.inference_mode()
    def _whiten(self) -> None:
        """Give the model the exact moments of its states over all training frames."""
        dim = self.model.dim
        n, total, square = 0, torch.zeros(dim).double(), torch.zeros(dim, dim).double()
        for frames in self.whole:
            states = self.model.encoder(self.model.deviations(frames)[None])[0].double().cpu()
            n, total, square = n + len(states), total + states.sum(0), square + states.T @ states
        mean = total / n
        self.model.whiten(mean, square / n - torch.outer(mean, mean))


def _runs(frames: FrameIndex, device: torch.device) -> Iterator[Tensor]:
    """The rows of all runs of finite frames."""
    first, _, length = frames.finite().runs()
    for run in np.argsort(first, kind="stable"):
        yield torch.arange(first[run], first[run] + length[run], device=device)


FITTING = FactorizerFitting
