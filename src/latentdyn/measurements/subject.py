"""What is measured: a representation's latents and frames, and the fitted models that measure them."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.records import Record, record
from latentdyn.errors import UserError
from latentdyn.files import read_handle
from latentdyn.metrics import FAR_OUT_FRAMES, OF_LATENTS
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.predictors.base import Predictor
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.frames import far_out, open_frames, read_frames_handle
from latentdyn.stores.latents import LatentsStore, open_latents

log = logging.getLogger(__name__)

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class Model:
    """Where a fitted model lies, and what it must have been fitted with.

    settings: of the model. latents, frames: handles of the data that it must have been fitted to; None: those that are
    measured.
    """

    handle: Path
    settings: dict[str, Any]
    latents: Path | None = None
    frames: Path | None = None


@dataclass(frozen=True)
class Subject:
    """A representation and the models that a measurement reads, by their role in it; opened when asked for.

    decoding: how latents become audio (codec, chain, manifest, audio: see perception.source), for kinds that decode.
    workers: processes that a kind may start. folder: where a kind writes further files, if it does. alignments: parquet
    of when phones are spoken, for kinds that read it. chains: handles from the root to this representation (`own`) and
    to the one that it is compared with (`reference`), for kinds that compare. heard: the parquet of the manifest
    (`manifest`) and the folder of the recordings (`audio`), for kinds that hear them.
    """

    latents_handle: Path
    frames_handle: Path
    models: Mapping[str, Model]
    device: torch.device
    decoding: Mapping[str, Any] | None = None
    workers: int = 1
    folder: Path | None = None
    alignments: Path | None = None
    chains: Mapping[str, Sequence[Path]] | None = None
    heard: Mapping[str, Path] | None = None

    @cached_property
    def store(self) -> LatentsStore:
        return open_latents(self.latents_handle)

    @cached_property
    def index(self) -> FrameIndex:
        """The frame index."""
        return open_frames(self.frames_handle, self.store)

    @cached_property
    def latents(self) -> Tensor:
        """(n_rows, D), resident on the device."""
        return torch.from_numpy(self.store.load()).to(self.device)

    def frames_of(self, handle: Path) -> np.ndarray:
        """Frames of another store of the same utterances at the rows of this one, (n_rows, D) float32; NaN where it has
        none. (Rows differ: those of a store that was made in parts have gaps.)

        Raises:
            UserError: the other store lacks an utterance.
        """
        other = open_latents(handle)
        starts = other.utterances.set_index("utterance_id")
        lacking = [name for name in self.store.utterances["utterance_id"] if name not in starts.index]
        if lacking:
            raise UserError(
                f"the reference lacks {len(lacking)} of {len(self.store.utterances)} utterances, the first is "
                f"{lacking[0]}",
                other.path,
                "take a reference of the same corpus",
            )
        frames, found = other.load(), np.full((self.store.n_rows, other.dim), np.nan, np.float32)
        for one in self.store.utterances.itertuples():
            there = starts.loc[one.utterance_id]
            n = min(int(one.n_frames), int(there.n_frames))
            found[one.start : one.start + n] = frames[there.start : there.start + n]
        return found

    def facts(self) -> list[Record]:
        """What the store and its frames say of the latents that weakens every number of them; most say nothing."""
        said = ((metric, self.store.handle.get(metric.name)) for metric in OF_LATENTS)
        told = [record(metric, value, self.store.handle["n_frames"], split="all") for metric, value in said if value]
        facts = read_frames_handle(self.frames_handle, self.store)
        for far in far_out(facts):
            log.warning("%s: leave out or clip such frames", far)
            told.append(record(FAR_OUT_FRAMES, float(far.n), facts["frames"][far.split], split=far.split))
        return told

    def chain_to(self, end: str) -> Sequence[Path]:
        """The handles from the root on to `own` or `reference`.

        Raises:
            UserError: they were not given.
        """
        if self.chains is None:
            raise UserError(
                "nothing says how these latents lead to those of the reference",
                "--chains",
                "give the handles of both, each from the root on, as own and reference",
            )
        return self.chains[end]

    @property
    def recordings(self) -> tuple[Path, Path]:
        """The manifest, and the folder that its paths are relative to.

        Raises:
            UserError: they were not given.
        """
        if self.heard is None:
            raise UserError(
                "nothing says where the recordings are",
                "--recordings",
                'give {"manifest": "...", "audio": "..."}: the parquet of the manifest, and the folder of its paths',
            )
        return self.heard["manifest"], self.heard["audio"]

    def fitted_to(self, role: str = "predictor") -> "Subject":
        """The latents and frames that the model of this role was fitted to, of the same representation as these.

        Raises:
            UserError: they are of another one.
        """
        model = self.models[role]
        other = Subject(model.latents or self.latents_handle, model.frames or self.frames_handle, {}, self.device)
        differs = [name for name, (here, there) in _compared(self.store, other.store).items() if here != there]
        if differs:
            raise UserError(
                f"these latents and those that the model was fitted to ({other.latents_handle}) are not of one "
                f"representation: they differ in {' and '.join(differs)}",
                self.latents_handle,
                "evaluate on a corpus of the same codec, weights and settings. Where a constant was subtracted from "
                "latents of your own (offset), subtract one and the same from those of both corpora before",
            )
        return other

    def predictors(self, role: str = "predictor") -> dict[int, Predictor]:
        """The predictors of this role, by horizon.

        Raises:
            UserError: as of `load`.
        """
        return self.load(role, load_predictors)

    def load(self, role: str, load: Callable[..., Loaded]) -> Loaded:
        """The model of this role. `load` reads it from handle, settings, dimension, device and digests of its data.

        Raises:
            UserError: it was fitted with other settings, or to other latents or frames than it must have been.
        """
        model = self.models[role]
        own, data = (model.latents, model.frames), dict(self.data)
        for name, handle in zip(data, own, strict=True):
            if handle is not None:
                data[name] = read_handle(handle, of=name, holds={"digest"}, made_by="that made it")["digest"]
        return load(model.handle, model.settings, self.store.dim, self.device, data)

    @cached_property
    def data(self) -> dict[str, str]:
        """Digests of the latents and of the frame index."""
        frames = read_frames_handle(self.frames_handle, self.store)
        return {"latents": self.store.handle["digest"], "frames": frames["digest"]}

    def digests(self) -> dict[str, str]:
        """Digests of all that is measured and of the models that measure it, by what they are."""
        models = {
            role: read_handle(model.handle, of="a fitted model", holds={"data"}, made_by="that fitted it")["digest"]
            for role, model in self.models.items()
        }
        others = {
            f"{role}_{name}": read_handle(handle, of=name, holds={"digest"}, made_by="that made it")["digest"]
            for role, model in self.models.items()
            for name, handle in (("latents", model.latents), ("frames", model.frames))
            if handle is not None
        }
        if self.chains is not None:
            others["reference"] = open_latents(self.chains["reference"][-1]).handle["digest"]
        return {**self.data, **models, **others}


def _compared(*stores: LatentsStore) -> dict[str, tuple[Any, ...]]:
    """What two stores of one representation share, by what it is called: a pair each."""
    links = [
        [{name: value for name, value in link.items() if name != "source_digest"} for link in store.handle["lineage"]]
        for store in stores
    ]
    return {
        "dimension": tuple(store.dim for store in stores),
        "frame rate": tuple(store.frame_rate_hz for store in stores),
        "how they were made (lineage)": tuple(links),
        "the encoder's weights": tuple(store.handle.get("weights_sha256") for store in stores),
    }


@dataclass(frozen=True)
class Measured:
    """records; sums: over each speaker's frames, None where there are none; worst_frames: those of highest NLL."""

    records: list[Record]
    sums: pd.DataFrame | None = None
    worst_frames: list[dict[str, Any]] = field(default_factory=list)
