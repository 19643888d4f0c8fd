"""What a transform is: it makes one derived representation from another, one utterance at a time.

A kind is one module, `latentdyn.representations.{kind}`, whose `TRANSFORM` is a subclass of `Transform`, and one class
in the config. Three rules hold for every kind, and one test holds every kind to them:

- Only `fit` learns from data, and it sees the training speakers only. (A kind whose model is trained by gradient
  descent is given a checkpoint instead: training speakers trained it, and validation speakers chose the step.)
- `apply` depends on its own utterance and on what `fit` learned. Random numbers come from names (see seeds).
- What `fit` learned is a few named arrays. They are saved with the store, so that `invert` needs no second fit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.families import TRANSFORMS
from latentdyn.progress import progress
from latentdyn.stores.latents import LatentsStore

if TYPE_CHECKING:
    import torch

Inverse = Literal["none", "approximate", "exact"]


@dataclass(frozen=True)
class Source:
    """The shape of what a transform is applied to: D dimensions, frames per second."""

    dim: int
    frame_rate_hz: float


@dataclass(frozen=True)
class Utterance:
    """One utterance: latents (T, D) float32, energy_db (T,) float32 in dB, NaN without audio. Read only."""

    utterance_id: str
    speaker_id: str
    split: str
    latents: np.ndarray
    energy_db: np.ndarray


@dataclass(frozen=True)
class Utterances:
    """Utterances of a store in its order. Each loop over them reads them again, a few at a time.

    Attributes:
        split_of: the split of each speaker. only: the one split to read, or None for all.
    """

    store: LatentsStore
    split_of: Mapping[str, str]
    only: str | None = None

    @property
    def table(self) -> pd.DataFrame:
        """Their rows of the store's table (utterance_id, speaker_id, start, n_frames), and `split`."""
        table = self.store.utterances.assign(split=self.store.utterances.speaker_id.map(self.split_of))
        return table if self.only is None else table[table.split == self.only]

    def __iter__(self) -> Iterator[Utterance]:
        for row, latents, energy_db in progress(
            self.store.iterate(), total=len(self.store.utterances), unit="utterance", desc=self.only
        ):
            split = self.split_of[row.speaker_id]
            if self.only in (None, split):
                yield Utterance(row.utterance_id, row.speaker_id, split, latents, energy_db)


class Transform:
    """One kind of derived representation, with its settings, for one source.

    A kind that changes the shape sets `dim` and `frame_rate_hz`, at the latest in `fit`.

    Attributes:
        inverse: whether `invert` gives the source's frames back: "exact" (every frame that a derived one stands for,
            but for rounding), "approximate" (frames of the source's shape, as near as the derived ones can tell) or
            "none" (there is no `invert`).
        arrays: names of the attributes that `fit` sets.
        code_stages: of the codes that its frames are made of; 0 where they are not made of codes.
        causal: a derived frame depends on no source frame that starts after the derived frame's end.
        dim, frame_rate_hz: of the derived representation.
        left_out: settings that sections leave out where they have this value: stores from before there were such
            settings are those of today.
    """

    left_out: ClassVar[Mapping[str, Any]] = {}
    inverse: Inverse = "none"
    arrays: Sequence[str] = ()
    causal = True
    code_stages: int = 0

    def __init__(self, source: Source, dtype: str) -> None:
        """Take the settings of the kind: a subclass adds its own as arguments.

        Args:
            dtype: how the derived latents are stored.
        """
        self.source, self.dtype = source, dtype
        self.dim, self.frame_rate_hz = source.dim, source.frame_rate_hz

    def fit(self, training: Utterances) -> None:
        """Learn what is to be learned from the training speakers, in memory that their number does not change.

        Frames may be non-finite. A kind whose model another job trains is given it by `load_model` instead.

        Raises:
            UserError: there is too little to learn from.
        """

    def load_model(self, handle: Path, training: Utterances) -> None:
        """Take the model that another job has trained, and learn what its use needs beside it, in place of `fit`.

        Args:
            handle: of its checkpoint. training: utterances of training speakers, of the store that it must have been
                trained on.

        Raises:
            UserError: this kind has no such model, or the checkpoint is of other settings or other latents.
        """
        raise UserError("this kind of derived representation has no trained model", handle, "leave out --model")

    def fitted(self) -> dict[str, np.ndarray]:
        """What `fit` learned, by name: numbers in arrays of any shape."""
        return {name: np.asarray(getattr(self, name)) for name in self.arrays}

    def restore(self, fitted: Mapping[str, np.ndarray]) -> None:
        """Take what an earlier `fit` learned, so that `apply` and `invert` do as they did then."""
        for name in self.arrays:
            setattr(self, name, fitted[name])

    def facts(self, utterances: pd.DataFrame) -> dict[str, Any]:
        """What the handle says beside what all handles say; called once, after `fit` and before anything is written.

        Args:
            utterances: all of the source: utterance_id, speaker_id, split, n_frames.

        Raises:
            UserError: with these settings the derived representation would be no use.
        """
        return {}

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        """The derived utterance: latents (T', dim) and energy_db (T',).

        Non-finite frames stay non-finite: nothing is made up for them.
        """
        raise NotImplementedError  # abstract

    def decoder_weights(self) -> dict[str, np.ndarray] | None:
        """Weights of the codec's decoder that make audio of what `invert` gives; None where the codec's own do."""
        return None

    def codes(self, utterance: Utterance) -> np.ndarray | None:
        """The codes (T', code_stages) int16 that `apply` makes its frames of; None where it makes them otherwise."""
        return None

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        """Frames of the source, (T, D) float32, for derived ones (T', dim): those of an utterance, or predicted ones.

        Source frames at the end that no derived frame stands for are missing.
        """
        raise NotImplementedError  # where `inverse` is "none"

    def draw(self, latents: np.ndarray, utterance_id: str, noise: "torch.Generator") -> np.ndarray:
        """As `invert`, but what frames of the source have beyond the derived ones is drawn where this kind can draw it.

        What is generated is led back so. What is judged by its error is led back by `invert`, which knows no chance.
        """
        return self.invert(latents, utterance_id)


def build_transform(settings: Mapping[str, Any], source: Source) -> Transform:
    """The transform of the kind that `settings` names, not fitted yet.

    Args:
        settings: a section of the config, or `kind` and the settings of a link of a lineage.

    Raises:
        UserError: the settings do not fit the source.
    """
    options = {name: value for name, value in settings.items() if name not in ("kind", "source")}
    kind: type[Transform] = TRANSFORMS.load(settings["kind"])
    return kind(source, **{**kind.left_out, **options})
