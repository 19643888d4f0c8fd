"""What a kind of model says of itself, so that fitting, resuming and storing are written once, for all kinds.

A kind is a package `latentdyn.models.{kind}`. Its module `fitting` names a subclass of `Fitting` in `FITTING`. Whoever
only applies the model imports none of that: its module `loading` reads a checkpoint.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic

import torch

from latentdyn.models.checkpoint import WHOLE, Model
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore
from latentdyn.training.updates import Objective


@dataclass(frozen=True)
class Part:
    """What is fitted by itself, and never twice: a whole model, or the model of one horizon.

    name: in checkpoints and of files. facts: what tells it from the other parts, such as its k. They are columns of its
    curve, and among the names of its random numbers.
    """

    name: str = WHOLE
    facts: Mapping[str, int] = field(default_factory=dict)


class Fitting(Generic[Model]):
    """One model with the data it is fitted to. A subclass is a kind of model; its constructor prepares the data.

    seed_name: the first of the names of all its random numbers. parts: in the order in which they are fitted.
    n_frames: how many frames are trained on, and how many are held out. facts: of the model, for its handle.
    """

    seed_name: ClassVar[str]
    parts: Sequence[Part]
    n_frames: tuple[int, int]
    facts: Mapping[str, int] = {}

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: FrameIndex, seed: int, device: torch.device
    ) -> None:
        """Load the latents.

        Args:
            settings: of the model, as JSON has them. frames: the frame index of `store`; training and validation
                speakers are taken from it. device: where latents and model are.
        """
        self.settings, self.dim, self.device = settings, store.dim, device
        self.seed_names: tuple[object, ...] = (self.seed_name, seed)
        self.latents = torch.from_numpy(store.load()).to(device)

    def build(self) -> Model:
        """A fresh model of one part; torch's global generator draws its weights."""
        raise NotImplementedError  # abstract

    def set_moments(self, model: Model) -> None:
        """Give a fresh model the moments of the training frames that it works with."""
        raise NotImplementedError  # abstract

    def set_start(self, model: Model, part: Part) -> None:
        """Give a fresh model of this part all that it takes from the training frames before it is fitted."""
        self.set_moments(model)

    def solve(self, model: Model, part: Part) -> Iterable[dict[str, float]] | None:
        """Fit a part in closed form and return a record for each candidate; None where gradient descent fits it."""
        return None

    def objective(self, model: Model, part: Part) -> Objective:
        """What gradient descent makes small; `settings["training"]` says how."""
        raise NotImplementedError  # abstract
