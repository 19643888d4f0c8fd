"""How a beta-VAE is fitted: by sequences of the training speakers' frames; validation speakers choose the step.

The held-out loss always has the whole β, whatever the warm-up has reached, and the same draws. So the points of a curve
compare, and the best one is kept.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.files import atomic_path
from latentdyn.models.base import Fitting, Part
from latentdyn.models.vae.health import measure_health, warn_of_collapse
from latentdyn.models.vae.network import HEALTH_OF, VAE, Moments, build_vae
from latentdyn.models.vae.objectives import Seen
from latentdyn.seeds import numpy_generator, seed_for, torch_generator
from latentdyn.stores.degeneracy import check_scale
from latentdyn.stores.frames import subsample_frames
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.window_moments import window_moments
from latentdyn.training.loop import Objective

_LOOKED_AT = 512  # sequences of each split, for the held-out loss and the health


@dataclass(frozen=True)
class Sequences:
    """Stretches of `length` frames of a resident store: latents (n_rows, D), starts (n,) int64, their first rows."""

    latents: Tensor
    starts: Tensor
    length: int

    @classmethod
    def of(cls, latents: Tensor, starts: pd.DataFrame, length: int) -> "Sequences":
        rows = torch.from_numpy(starts["row"].to_numpy(np.int64, copy=True)).to(latents.device)
        return cls(latents, rows, length)

    def __len__(self) -> int:
        return len(self.starts)

    def batch(self, index: Tensor | slice) -> Tensor:
        """Frames (B, length, D)."""
        return self.latents[self.starts[index, None] + torch.arange(self.length, device=self.starts.device)]

    def batches(self, size: int) -> Iterator[Tensor]:
        """All of them in batches of one size, so that what depends on a batch's size compares; a last, smaller one is
        left out unless it is the only one."""
        for start in range(0, max(len(self) - size, 0) + 1, size):
            yield self.batch(slice(start, start + size))


def starts_of(frames: pd.DataFrame, n_rows: int, length: int) -> pd.DataFrame:
    """The frames that begin a stretch of `length` finite frames of their utterance: their rows of the frame index.

    Args:
        frames: of whole utterances. n_rows: of the store.
    """
    last = frames.groupby("utterance_id", observed=True)["t"].transform("max")
    fits = frames[frames["t"] + length - 1 <= last]
    bad = np.zeros(n_rows + 1, np.int64)
    bad[1 + frames["row"].to_numpy()[~frames["valid"].to_numpy()]] = 1
    bad = np.cumsum(bad)  # frames that are not finite, before each row
    row = fits["row"].to_numpy()
    return fits[bad[row + length] == bad[row]]


class VAEFitting(Fitting[VAE]):
    """A beta-VAE; settings are the section of the representation, without what only its use depends on."""

    seed_name = "vae"
    parts = (Part(),)

    def __init__(
        self, settings: dict[str, Any], store: LatentsStore, frames: pd.DataFrame, seed: int, device: torch.device
    ) -> None:
        """Choose sequences, and take the moments of the training frames.

        Raises:
            UserError: no speaker of a split that is needed has a sequence, or a dimension never changes.
        """
        super().__init__(settings, store, frames, seed, device)
        self.length = settings["stack"] * settings["training"]["sequence_frames"]
        train, held_out = (self._starts(store, frames, split) for split in HEALTH_OF)
        self.sequences = Sequences.of(self.latents, train, self.length)
        self.looked_at = {
            split: Sequences.of(self.latents, self._few(starts, split), self.length)
            for split, starts in zip(HEALTH_OF, (train, held_out), strict=True)
        }
        self.n_frames = (len(train), len(held_out))
        self._take_moments(store, frames)

    def _starts(self, store: LatentsStore, frames: pd.DataFrame, split: str) -> pd.DataFrame:
        """The first frames of a split's sequences; none where nobody is in it and nothing is chosen by it."""
        mine, training = frames[frames["split"] == split], self.settings["training"]
        starts = starts_of(mine, store.n_rows, self.length)
        chooses = len(mine) and training["select"] == "best_validation"
        if starts.empty and (split == "train" or chooses):
            raise UserError(
                f"no speaker of split {split} has an utterance of {self.length} finite frames in a row, which is what "
                f"{training['sequence_frames']} latents of {self.settings['stack']} frames each take",
                f"{store.path}, training.sequence_frames and stack of the representation",
                "lower training.sequence_frames, or use longer utterances",
            )
        return starts

    def _few(self, starts: pd.DataFrame, split: str) -> pd.DataFrame:
        """Some sequences that do not overlap."""
        apart = starts[starts["t"] % self.length == 0]
        return subsample_frames(apart if len(apart) else starts, _LOOKED_AT, (*self.seed_names, split))

    def _take_moments(self, store: LatentsStore, frames: pd.DataFrame) -> None:
        stack = self.settings["stack"]
        speakers = frames["utterance_id"][frames["split"] == "train"].unique()
        mine = store.utterances[store.utterances["utterance_id"].isin(speakers)]
        moments = window_moments(store, mine, stack - 1)
        mean, variance = moments.mean[::-1], np.einsum("idid->id", moments.covariance)[::-1]
        centre = mean.mean(0)
        std = np.sqrt((variance + (mean - centre) ** 2).mean(0))
        if not (std > 0).all():
            raise UserError(
                f"{int((std <= 0).sum())} of {self.dim} dimensions of the source never change on the training frames "
                f"(the first is dimension {int(np.argmin(std))})",
                store.path,
                "leave constant dimensions out: they have no deviation, in which a reconstruction is measured",
            )
        check_scale(torch.from_numpy(centre), torch.from_numpy(std))
        covariance = moments.covariance[::-1, :, ::-1] / (std[:, None, None] * std)
        numbers = stack * self.dim
        of_stacks = ((mean - centre) / std).reshape(numbers), covariance.reshape(numbers, numbers)
        arrays = (np.ascontiguousarray(array) for array in (centre, std, *of_stacks))
        self.moments = Moments(*(torch.from_numpy(array).to(self.device) for array in arrays))

    def build(self) -> VAE:
        return build_vae(self.settings, self.dim)

    def set_moments(self, model: VAE) -> None:
        model.set_start(self.moments, self.settings["objective"]["beta"])

    def objective(self, model: VAE, part: Part) -> "Evidence":
        return Evidence(model, self.sequences, self.looked_at, self.settings, self.seed_names)


class Evidence(Objective):
    """The loss of `VAE.loss` over sequences: less the evidence bound, with what else is asked for.

    Args:
        sequences: to train on. looked_at: some of each split, for the held-out loss and the health.
    """

    quantity, unit = "loss", "nats a number of the source"

    def __init__(
        self, model: VAE, sequences: Sequences, looked_at: dict[str, Sequences], settings: dict[str, Any],
        seed_names: tuple[object, ...],
    ) -> None:  # fmt: skip
        self.model, self.sequences, self.looked_at, self.seed_names = model, sequences, looked_at, seed_names
        self.batch_size, objective = settings["training"]["batch_size"], settings["objective"]
        self.beta, self.warmup = objective["beta"], objective["beta_warmup_steps"]
        self.terms = [term["kind"] for term in objective["terms"]]
        self.held_out = len(looked_at["validation"]) > 0

    def loss(self, step: int) -> Tensor:
        torch.manual_seed(seed_for(*self.seed_names, "dropout", step))
        noise = torch_generator(*self.seed_names, "noise", step, device=self.sequences.latents.device)
        seen = self.model.see(self.sequences.batch(self._index(step)), noise)
        return self.model.loss(seen, self.beta * min(1.0, (step + 1) / max(self.warmup, 1)))

    @torch.inference_mode()
    def held_out_loss(self) -> float:
        losses = [self.model.loss(seen, self.beta) for seen in self._look("validation")]
        return float(torch.stack(losses).double().mean())

    def keep(self, step: int) -> None:
        """Measure the kept model's health, and warn of what is wrong with it."""
        self.model.eval()
        self.model.kept_step.fill_(step)
        for split in self.looked_at:
            self.model.get_buffer(f"health_{split}").copy_(measure_health(self.model, self._look(split)))
        told = self.model.get_buffer(f"health_{'validation' if self.held_out else 'train'}")
        warn_of_collapse(told.cpu(), self.model.dim, self.terms)

    def nonfinite_error(self, step: int, folder: Path) -> UserError:
        rows, frames = self.sequences.starts[self._index(step)], self.sequences.batch(self._index(step))
        file = folder / "nonfinite_batch.npz"
        with atomic_path(file) as temporary, open(temporary, "wb") as opened:
            np.savez(opened, rows=rows.cpu(), frames=frames.cpu(), step=step)
        largest, worst = self.model.stacked(frames).abs().flatten(1).max(1).values.max(0)
        weights = f", or a weight of {' and '.join(self.terms)}" if self.terms else ""
        return UserError(
            f"training stopped: the loss is not finite at step {step} (the largest number of its batch is "
            f"{float(largest):.4g} deviations from the mean, in the sequence from store row {int(rows[worst])} on)",
            f"{file}, the batch",
            f"look for outliers in these latents, or lower training.learning_rate of the representation{weights}",
        )

    def _look(self, split: str) -> Iterator[Seen]:
        """The same sequences with the same draws each time."""
        sequences = self.looked_at[split]
        if len(sequences):
            noise = torch_generator(*self.seed_names, "held out", split, device=sequences.latents.device)
            for frames in sequences.batches(self.batch_size):
                yield self.model.see(frames, noise)

    def _index(self, step: int) -> Tensor:
        drawn = numpy_generator(*self.seed_names, "batch", step).integers(0, len(self.sequences), self.batch_size)
        return torch.from_numpy(drawn).to(self.sequences.starts.device)


FITTING = VAEFitting
