"""Models of representations: they are trained on sequences of frames, and validation speakers choose the step.

The held-out loss always is the whole loss, whatever a warm-up has reached, and has the same draws. So the points of a
curve compare, and the best one is kept. What is kept is looked at, and its health stands in the checkpoint.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.files import atomic_path
from latentdyn.models.base import Fitting, Part
from latentdyn.models.checkpoint import Model
from latentdyn.seeds import numpy_generator, seed_torch, torch_generator
from latentdyn.stores.degeneracy import check_scale
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.lag_sums import WindowMoments
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.runs import Runs
from latentdyn.stores.window_moments import window_moments
from latentdyn.stores.windows import frames_at
from latentdyn.training.updates import Objective

HEALTH_OF = ("train", "validation")
_LOOKED_AT = 512  # sequences of each split, for the held-out loss and the health


class RepresentationModel(nn.Module):
    """A model whose latents are a representation.

    Attributes:
        health_names: what is told of its health. rate_names: those that are told in kbit/s, too, without their
            "_nats". kept_step: of the training, whose weights these are. health_train, health_validation: numbers of
            these names, of some sequences of each split; NaN where unknown.
    """

    health_names: tuple[str, ...]
    rate_names: ClassVar[tuple[str, ...]]
    kept_step: Tensor

    def __init__(self, more_health: tuple[str, ...] = ()) -> None:
        """Make place for the health.

        Args:
            more_health: names besides those of the class, which only some settings have.
        """
        super().__init__()
        self.health_names = (*self.health_names, *more_health)
        self.register_buffer("kept_step", torch.zeros((), dtype=torch.int64))
        for split in HEALTH_OF:
            self.register_buffer(f"health_{split}", torch.full((len(self.health_names),), torch.nan).double())

    def health(self, split: str) -> dict[str, float]:
        """The numbers of a split, by name."""
        return dict(zip(self.health_names, self.get_buffer(f"health_{split}").tolist(), strict=True))

    def deviations(self, frames: Tensor) -> Tensor:
        """Frames (B, T, D) of the source in the model's own units, with the sequences first."""
        raise NotImplementedError  # abstract

    def see(self, frames: Tensor, noise: torch.Generator) -> Any:
        """What becomes of frames (B, T, D) of the source, with draws by `noise`."""
        raise NotImplementedError  # abstract


@dataclass(frozen=True)
class Sequences:
    """Stretches of `length` frames of a resident store: latents (n_rows, D), starts (n,) int64, their first rows."""

    latents: Tensor
    starts: Tensor | Runs
    length: int

    @classmethod
    def of(cls, latents: Tensor, starts: pd.DataFrame | FrameIndex, length: int) -> "Sequences":
        """That begin with these frames: a table of them, or runs of them."""
        if isinstance(starts, FrameIndex):
            return cls(latents, Runs.of(starts, latents.device), length)
        rows = torch.from_numpy(starts["row"].to_numpy(np.int64, copy=True)).to(latents.device)
        return cls(latents, rows, length)

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, index: Tensor | slice) -> Tensor:
        """Frames (B, length, D)."""
        return frames_at(
            self.latents, self.starts[index][:, None] + torch.arange(self.length, device=self.starts.device)
        )

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them in batches of one size, so that what depends on a batch's size compares; a last, smaller one is
        left out unless it is the only one."""
        for start in range(0, max(len(self) - size, 0) + 1, size):
            yield self.batch(slice(start, start + size))


def starts_of(frames: FrameIndex, length: int) -> FrameIndex:
    """The frames that begin a stretch of `length` finite frames of their utterance."""
    return frames.finite().trimmed(0, length - 1)


class SequenceFitting(Fitting[Model], Generic[Model]):
    """A model of a representation; settings are its section, without what only its use depends on.

    Attributes:
        length: frames of a sequence. sequences: to train on. looked_at: some of each split that do not overlap, for the
            held-out loss and the health.
    """

    parts = (Part(),)

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: FrameIndex, seed: int, device: torch.device
    ) -> None:
        """Choose sequences.

        Raises:
            UserError: no speaker of a split that is needed has a sequence.
        """
        super().__init__(settings, store, frames, seed, device)
        self.length, (takes, shorten) = self.sequence_frames(), self.sequence_words()
        train, held_out = (self._starts(store, frames, split, takes, shorten) for split in HEALTH_OF)
        self.sequences = Sequences.of(self.latents, train, self.length)
        self.looked_at = {
            split: Sequences.of(self.latents, self._few(starts, split), self.length)
            for split, starts in zip(HEALTH_OF, (train, held_out), strict=True)
        }
        self.n_frames = (len(train), len(held_out))

    def sequence_frames(self) -> int:
        """Frames of the source in a sequence, by the settings."""
        raise NotImplementedError  # abstract

    def sequence_words(self) -> tuple[str, str]:
        """For messages: what takes as many frames, and which settings say so."""
        raise NotImplementedError  # abstract

    def _starts(self, store: LatentsStore, frames: FrameIndex, split: str, takes: str, shorten: str) -> FrameIndex:
        """The first frames of a split's sequences; none where nobody is in it and nothing is chosen by it."""
        mine, training = frames.of_splits(split), self.settings["training"]
        starts = starts_of(mine, self.length)
        chooses = len(mine) and training["select"] == "best_validation"
        if not len(starts) and (split == "train" or chooses):
            raise UserError(
                f"no speaker of split {split} has an utterance of {self.length} finite frames in a row, which is what "
                f"{takes} take",
                f"{store.path}, {shorten} of the representation",
                f"lower {shorten.replace(' and ', ' or ')}, or use longer utterances",
            )
        return starts

    def _few(self, starts: FrameIndex, split: str) -> pd.DataFrame:
        """Some sequences that do not overlap."""
        apart = starts.on_grid(self.length)
        return (apart if len(apart) else starts).draw(_LOOKED_AT, (*self.seed_names, split))


def training_moments(store: LatentsStore, frames: FrameIndex, reach: int) -> WindowMoments:
    """Moments of windows of the training speakers' frames."""
    return window_moments(store, store.utterances.iloc[np.unique(frames.of_splits("train").owner)], reach)


def check_dimensions(store: LatentsStore, mean: np.ndarray, std: np.ndarray) -> None:
    """Check the moments (D,) of training frames that a reconstruction is measured in.

    Raises:
        UserError: a dimension never changes, or float32 cannot compute with its size.
    """
    if not (std > 0).all():
        raise UserError(
            f"{int((std <= 0).sum())} of {len(std)} dimensions of the source never change on the training frames "
            f"(the first is dimension {int(np.argmin(std))}, counted from 0)",
            store.path,
            "leave constant dimensions out of your latents, or take a `pca` of the source: they have no deviation, in "
            "which a reconstruction is measured",
        )
    check_scale(torch.from_numpy(mean), torch.from_numpy(std))


class SequenceObjective(Objective):
    """A loss over sequences, by what the model sees of them.

    Args:
        sequences: to train on. looked_at: some of each split, for the held-out loss and the health. weights: settings
            that a person may lower where the loss is not finite, for messages.
    """

    quantity, unit = "loss", "nats a number of the source"

    def __init__(
        self, model: RepresentationModel, sequences: Sequences, looked_at: dict[str, Sequences], batch_size: int,
        seed_names: tuple[object, ...], weights: str = "",
    ) -> None:  # fmt: skip
        self.model, self.sequences, self.looked_at, self.seed_names = model, sequences, looked_at, seed_names
        self.batch_size, self.weights = batch_size, weights
        self.held_out = len(looked_at["validation"]) > 0

    def loss_of(self, seen: Any, step: int | None) -> Tensor:
        """The loss at a step; None: the whole loss, after every warm-up."""
        raise NotImplementedError  # abstract

    def look_after(self) -> None:
        """Measure the health of the kept model, which is set to evaluate, and warn of what is wrong with it."""
        raise NotImplementedError  # abstract

    def loss(self, step: int) -> Tensor:
        device = self.sequences.latents.device
        seed_torch(device, *self.seed_names, "dropout", step)
        noise = torch_generator(*self.seed_names, "noise", step, device=device)
        return self.loss_of(self.model.see(self.sequences.batch(self._index(step)), noise), step)

    @torch.inference_mode()
    def held_out_loss(self) -> float:
        losses = [self.loss_of(seen, None) for seen in self.look("validation")]
        return float(torch.stack(losses).double().mean())

    def keep(self, step: int) -> None:
        self.model.eval()
        self.model.kept_step.fill_(step)
        self.look_after()

    def measure(self, health: Callable[[Iterator[Any]], Tensor]) -> dict[str, float]:
        """Store the health of every split; that of the validation speakers, or without any of the training speakers."""
        for split in self.looked_at:
            self.model.get_buffer(f"health_{split}").copy_(health(self.look(split)))
        return self.model.health("validation" if self.held_out else "train")

    def nonfinite_error(self, step: int, folder: Path) -> UserError:
        rows, frames = self.sequences.starts[self._index(step)], self.sequences.batch(self._index(step))
        file = folder / "nonfinite_batch.npz"
        with atomic_path(file) as temporary, open(temporary, "wb") as opened:
            np.savez(opened, rows=rows.cpu(), frames=frames.cpu(), step=step)
        largest, worst = self.model.deviations(frames).abs().flatten(1).max(1).values.max(0)
        weights = f", or {self.weights}" if self.weights else ""
        return UserError(
            f"training stopped: the loss or its gradient is not finite at step {step} (the largest number of its "
            f"batch is {float(largest):.4g} deviations from the mean, in the sequence from store row "
            f"{int(rows[worst])} on)",
            f"{file}, the batch",
            f"look for outliers in these latents, or lower training.learning_rate of the representation{weights}",
        )

    def look(self, split: str) -> Iterator[Any]:
        """What the model sees of the same sequences, with the same draws each time."""
        sequences = self.looked_at[split]
        if len(sequences):
            noise = torch_generator(*self.seed_names, "held out", split, device=sequences.latents.device)
            for frames in sequences.batches(self.batch_size):
                yield self.model.see(frames, noise)

    def _index(self, step: int) -> Tensor:
        drawn = numpy_generator(*self.seed_names, "batch", step).integers(0, len(self.sequences), self.batch_size)
        return torch.from_numpy(drawn).to(self.sequences.starts.device)
