"""Frames so far from all others of their split that few of them decide a variance.

All that is fitted or chosen by squares follows such frames alone: moments of training frames, and the ridge that
validation frames choose. A frame is far out where it, or the step into it, is more than 10 standard deviations of the
others from the mean in a dimension. It is told where such frames make a quarter or more of the variance: frames of
speech make 4 % at most.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.frame_moments import FrameMoments
from latentdyn.stores.runs import Runs

_FAR = 10.0  # standard deviations of the others
_DECIDES = 0.25  # of a dimension's variance
_BLOCK = 512  # frames that stay in the cache


@dataclass(frozen=True)
class FarOut:
    """The frames of a split that decide a variance.

    n: how many. what: `frames`, or `steps` where the steps into these frames are far out. share: the most of a
    dimension's variance that they make. utterance_id, t: the frame that is the farthest out.
    """

    split: str
    n: int
    what: str
    share: float
    utterance_id: str
    t: int

    def __str__(self) -> str:
        what, makes = (self.what, "make") if self.n > 1 else (self.what.removesuffix("s"), "makes")
        farthest = f"{'' if self.what == 'frames' else 'the step into '}frame {self.t}"
        return (
            f"{self.n} {what} of the split {self.split} {makes} {self.share:.0%} of the variance of a dimension. The "
            f"farthest out is {farthest} of the utterance {self.utterance_id!r}"
        )


def find_far_out(latents: Tensor, frames: FrameIndex) -> list[FarOut]:
    """What is told of each split, at most one of a split: of its frames or, where these are near, of its steps.

    Args:
        latents: (n_rows, D) resident. frames: the frame index. Frames that are not finite are left out.
    """
    finite, found = frames.finite(), []
    for split in finite.splits:
        mine = finite.of_splits(split)
        for what, of in (("frames", mine), ("steps", mine.trimmed(1))):
            rows = Runs.of(of, torch.device("cpu"))
            far, share = _deciding(_values(latents, what), rows, latents.shape[1])
            if len(far):
                (worst,) = of.table(far[:1]).itertuples()
                found.append(FarOut(split, len(far), what, share, str(worst.utterance_id), int(worst.t)))
                break
    return found


def _values(latents: Tensor, what: str) -> Callable[[np.ndarray], Tensor]:
    """The frames at rows, or the steps into them, (n, D) in float64, where the latents are."""

    def at(rows: np.ndarray) -> Tensor:
        if len(rows) and rows[-1] - rows[0] == len(rows) - 1:  # of ascending rows: a slice, which is quicker
            return latents[rows[0] : rows[-1] + 1].double()
        return latents[torch.from_numpy(rows).to(latents.device)].double()

    return at if what == "frames" else lambda rows: at(rows) - at(rows - 1)


def _deciding(values: Callable[[np.ndarray], Tensor], rows: Runs, dim: int) -> tuple[np.ndarray, float]:
    """Places in `rows` of those that decide the variance of a dimension, the farthest out first; and their share."""
    moments, extremes = FrameMoments.empty(dim), []
    for _, some in _blocks(rows):
        x = values(some)
        low, high = x.aminmax(dim=0)
        mean = x.mean(0)
        m2 = (x - mean).square_().sum(0)
        moments = moments.add(FrameMoments(len(some), mean.cpu().numpy(), m2.cpu().numpy()))
        extremes.append((low, high))
    # d is over 10 deviations of the others where d² > 100 (m2 - d²) / n
    least = _FAR**2 * moments.m2 / (len(rows) + _FAR**2)
    center = torch.from_numpy(moments.mean)
    places, squares = [np.zeros(0, np.int64)], [np.zeros((0, dim))]
    for (start, some), both in zip(_blocks(rows), extremes, strict=True):
        if not any(((extreme.cpu() - center).square().numpy() > least).any() for extreme in both):
            continue  # so it is for nearly all blocks of nearly all latents
        square = (values(some).cpu() - center).square().numpy()
        far = square > least
        inside = np.flatnonzero(far.any(axis=1))
        places.append(start + inside)
        squares.append(np.where(far, square, 0)[inside])
    where, parts = np.concatenate(places), np.concatenate(squares) / np.where(moments.m2 > 0, moments.m2, 1)
    shares = parts.sum(axis=0)
    most = parts[:, shares >= _DECIDES].max(axis=1, initial=0)
    order = np.argsort(-most, kind="stable")[: int((most > 0).sum())]
    return where[order], float(shares.max())


def _blocks(rows: Runs) -> Iterator[tuple[int, np.ndarray]]:
    for number, block in enumerate(rows.split(_BLOCK)):
        yield number * _BLOCK, block.numpy()
