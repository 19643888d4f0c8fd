"""Directions of the steps of each split that are long enough."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.archetypes.codebook import Axes
from latentdyn.errors import UserError
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.windows import common_runs

_BLOCK = 8192


@dataclass(frozen=True)
class Directions:
    """Of one split's steps.

    x: (n, P) float32 of unit length. lengths: (n,) of the steps. rows: (n,), the store's row that each step leads to.
    speakers: (n,) numbers from 0 to n_speakers - 1.
    """

    x: np.ndarray
    lengths: np.ndarray
    rows: np.ndarray
    speakers: np.ndarray
    n_speakers: int


@dataclass(frozen=True)
class Found:
    """Directions of both splits along common axes, and the least length of a step (in the units of the latents)."""

    train: Directions
    held_out: Directions
    axes: Axes
    threshold: float


def find_directions(
    latents: Tensor, frames: FrameIndex, *, quantile: float, variance: float, max_frames: int, names: tuple[object, ...]
) -> Found:  # fmt: skip
    """Directions of training and held-out steps. Threshold and axes are of training steps.

    Args:
        latents: (n_rows, D) resident. frames: the frame index. quantile: of the lengths of training steps; shorter
            ones are left out (at 0 none), and those of length 0 always. variance: as of `Axes.fit`. names: what names
            a subsample.

    Raises:
        UserError: no step of a split is long enough.
    """
    usable = common_runs(frames, 1, [1])
    parts = {split: usable.of_splits(split).draw(max_frames, (*names, split)) for split in ("train", "eval")}
    lengths = {split: _of_steps(latents, part, lambda steps: steps.norm(dim=1)) for split, part in parts.items()}
    threshold = float(np.quantile(lengths["train"], quantile)) if quantile and len(lengths["train"]) else 0.0
    unit, kept = {}, {}
    for split, part in parts.items():
        long = (lengths[split] >= threshold) & (lengths[split] > 0)
        kept[split], lengths[split] = part[long], lengths[split][long]
        if kept[split].empty:
            raise UserError(
                f"no step of split {split} has a length of at least {threshold:g} and above 0",
                "the representation's latents, splits of the corpus, and archetypes.threshold_quantile",
                "look whether frames change at all, or lower the quantile",
            )
        unit[split] = _of_steps(latents, kept[split], _unit)
    axes = Axes.fit(unit["train"], variance)
    train, held_out = (_directions(axes(unit[split]), lengths[split], kept[split]) for split in parts)
    return Found(train, held_out, axes, threshold)


def _directions(x: np.ndarray, lengths: np.ndarray, frames: pd.DataFrame) -> Directions:
    codes, speakers = pd.factorize(frames["speaker_id"].astype(str), sort=True)
    return Directions(x, lengths, frames["row"].to_numpy(), codes, len(speakers))


def _unit(steps: Tensor) -> Tensor:
    return (steps / steps.norm(dim=1, keepdim=True)).float()


def _of_steps(latents: Tensor, frames: pd.DataFrame, function: Callable[[Tensor], Tensor]) -> np.ndarray:
    """A function of the steps (n, D) to frames, in float64, where no difference or square overflows."""
    rows = torch.from_numpy(frames["row"].to_numpy(np.int64, copy=True)).to(latents.device)
    blocks = [function(latents[at].double() - latents[at - 1].double()).cpu().numpy() for at in rows.split(_BLOCK)]
    return np.concatenate(blocks)
