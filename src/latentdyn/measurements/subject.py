"""What is measured: a representation's latents and frames, and the fitted models that measure them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.records import Record
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.predictors.base import Predictor
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import LatentsStore, open_latents


@dataclass(frozen=True)
class Model:
    """Where a fitted model lies, and the settings that it must have been fitted with."""

    handle: Path
    settings: dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A representation and the models that a measurement reads, by their role in it; opened when asked for."""

    latents_handle: Path
    frames_handle: Path
    models: Mapping[str, Model]
    device: torch.device

    @cached_property
    def store(self) -> LatentsStore:
        return open_latents(self.latents_handle)

    @cached_property
    def frames(self) -> pd.DataFrame:
        """The frame index."""
        return open_frames(self.frames_handle, self.store)

    @cached_property
    def latents(self) -> Tensor:
        """(n_rows, D), resident on the device."""
        return torch.from_numpy(self.store.load()).to(self.device)

    def predictors(self, role: str = "predictor") -> dict[int, Predictor]:
        """The predictors of this role, by horizon.

        Raises:
            UserError: they were fitted with other settings, or to latents of another dimension.
        """
        model = self.models[role]
        return load_predictors(model.handle, model.settings, self.store.dim, self.device)


@dataclass(frozen=True)
class Measured:
    """records; sums: over each speaker's frames, None where there are none; worst_frames: those of highest NLL."""

    records: list[Record]
    sums: pd.DataFrame | None = None
    worst_frames: list[dict[str, Any]] = field(default_factory=list)
