"""Frames so far from all others of their split that few of them decide a variance.

All that is fitted or chosen by squares follows such frames alone: moments of training frames, and the ridge that
validation frames choose. A frame is far out where it, or the step into it, is more than 10 standard deviations of the
others from the mean in a dimension. It is told where such frames make a quarter or more of the variance: frames of
speech make 4 % at most.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.frame_moments import FrameMoments

_FAR = 10.0  # standard deviations of the others
_DECIDES = 0.25  # of a dimension's variance
_BLOCK = 512  # frames, more where an utterance has more: they stay in the cache


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


def find_far_out(latents: np.ndarray, frames: FrameIndex) -> list[FarOut]:
    """What is told of each split, at most one of a split: of its frames or, where these are near, of its steps.

    Args:
        latents: (n_rows, D). frames: the frame index. Frames that are not finite are left out.
    """
    finite, found = frames.finite(), []
    for split in finite.splits:
        mine = finite.of_splits(split)
        for what, of in (("frames", mine), ("steps", mine.trimmed(1))):
            far, share = _deciding(latents, of, what)
            if len(far):
                (worst,) = of.table(far[:1]).itertuples()
                found.append(FarOut(split, len(far), what, share, str(worst.utterance_id), int(worst.t)))
                break
    return found


def _deciding(latents: np.ndarray, frames: FrameIndex, what: str) -> tuple[np.ndarray, float]:
    """Places in `frames` of those that decide the variance of a dimension, the farthest out first; and their share."""
    dim, nothing = latents.shape[1], np.zeros(0, np.int64)
    moments, low, high = FrameMoments.empty(dim), np.full(dim, np.inf), np.full(dim, -np.inf)
    for _, x in _values(latents, frames, what):
        moments = moments.add(FrameMoments.of(x))
        low, high = np.minimum(low, x.min(axis=0)), np.maximum(high, x.max(axis=0))
    # d is over 10 deviations of the others where d² > 100 (m2 - d²) / n
    least = _FAR**2 * moments.m2 / (moments.n + _FAR**2)
    if not moments.n or not (np.square(np.stack([low, high]) - moments.mean) > least).any():
        return nothing, 0.0  # so it is of nearly all latents
    places, squares = [nothing], [np.zeros((0, dim))]
    for start, x in _values(latents, frames, what):
        square = np.square(x - moments.mean)
        far = square > least
        inside = np.flatnonzero(far.any(axis=1))
        places.append(start + inside)
        squares.append(np.where(far, square, 0)[inside])
    where, parts = np.concatenate(places), np.concatenate(squares) / np.where(moments.m2 > 0, moments.m2, 1)
    shares = parts.sum(axis=0)
    most = parts[:, shares >= _DECIDES].max(axis=1, initial=0)
    order = np.argsort(-most, kind="stable")[: int((most > 0).sum())]
    return where[order], float(shares.max())


def _values(latents: np.ndarray, frames: FrameIndex, what: str) -> Iterator[tuple[int, np.ndarray]]:
    """The frames, or the steps into them, (n, D) in float64, in parts; and the place of the first of each part."""
    start = 0
    for block in frames.blocks(_BLOCK):
        rows = block.rows()
        yield start, _at(latents, rows) if what == "frames" else _at(latents, rows) - _at(latents, rows - 1)
        start += len(rows)


def _at(latents: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The frames at ascending rows; of rows without a gap a slice, which is quicker."""
    whole = rows[-1] - rows[0] == len(rows) - 1
    return np.asarray(latents[slice(rows[0], rows[-1] + 1) if whole else rows], np.float64)
