"""Context windows from one resident tensor: a batch is one vectorised gather, on the device where training runs.

Target frame t, staleness k, W frames of context: c = x[t-k-W+1 .. t-k], Δx_t = x_t - x_{t-1} (seed 001 §2.3). One set
of frames serves every k (those valid for the longest), so that the rows of a table can be compared.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from latentdyn.errors import UserError
from latentdyn.stores.degeneracy import (
    check_scale,
    check_span,
    effective_rank,
    least_rank,
    outlying,
    rounding_variance,
)
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs, edges_of

if TYPE_CHECKING:
    from latentdyn.stores.lag_sums import WindowMoments

log = logging.getLogger(__name__)

_MOST_LOST = 0.5  # of the frames that are long enough into their utterance
_SHARP = 1e-4  # where eigenvalues of the correlation spread more, products in float32 lose digits of the smallest


def common_runs(index: FrameIndex, window_frames: int, horizons: list[int], ahead: int = 0) -> FrameIndex:
    """The frames that every horizon can be scored on: t >= (W-1) + max k, all frames they touch finite.

    Args:
        index: of whole utterances. ahead: frames of the utterance that must follow.

    Raises:
        UserError: no frame is left, since every utterance is shorter than the longest context reaches back; or most are
            lost to frames that are not finite.
    """
    reach = window_frames - 1 + max(horizons)
    late = int(np.maximum(index.length - reach - ahead, 0).sum(dtype=np.int64))
    _check_long(late, int(index.length.max(initial=0)), window_frames, horizons, ahead)
    kept = index.finite().trimmed(reach, ahead)
    _check_lost(late, len(kept), reach + 1 + ahead)
    return kept


def frames_at(latents: Tensor, rows: Tensor) -> Tensor:
    """The frames (..., D) of latents (n_rows, D) at rows (...) from 0 on: `latents[rows]`, in a fourth of its time."""
    return F.embedding(rows, latents)


def _check_long(found: int, longest: int, window_frames: int, horizons: list[int], ahead: int) -> None:
    """Raises a UserError if no utterance was long enough."""
    if not found:
        raise UserError(
            f"no utterance is long enough: W = {window_frames} and the longest horizon k = {max(horizons)}"
            + (f" with {ahead} frames to follow" if ahead else "")
            + f" need {window_frames + max(horizons) + ahead} frames, the longest utterance has {longest}",
            "window_frames and horizons of the predictor" + (", and its training.regime" if ahead else ""),
            "shorten them, or use longer utterances",
        )


def _check_lost(found: int, kept: int, needed: int) -> None:
    """Tell how many frames are lost, since one of those that they need is not finite.

    Raises:
        UserError: most of them are.
    """
    lost = found - kept
    if lost > _MOST_LOST * found:
        raise UserError(
            f"{lost} of {found} frames ({lost / found:.1%}) are lost, because a frame among the "
            f"{needed} that they need is not finite",
            "the representation's latents, window_frames and horizons of the predictor",
            "look at how the latents were made, or shorten the windows",
        )
    if lost:
        log.warning("%d of %d frames are left out, because a frame that they need is not finite", lost, found)


@dataclass(frozen=True)
class Windows:
    """Contexts and targets for frames of a resident store.

    latents: (n_rows, D) float32. rows: (n,) int64, the rows of target frames. window_frames: W. longest: the largest k
    that the frames before the targets serve, as far as it is known. t: (n,) int64, the targets' numbers within their
    utterances; only what reads whole pasts needs them. levels: the targets are the frames x_t in place of the steps
    into them.
    """

    latents: Tensor
    rows: Tensor | Runs
    window_frames: int
    longest: int = 1
    t: Tensor | Runs | None = None
    levels: bool = False

    @classmethod
    def of(
        cls, latents: Tensor, frames: pd.DataFrame | FrameIndex, window_frames: int, longest: int = 1, **more: Any
    ) -> Self:
        """Of these target frames: a table of them, or runs of them; `more` are further fields of the class."""
        if isinstance(frames, FrameIndex):
            of_rows = Runs.of(frames, latents.device)
            return cls(latents, of_rows, window_frames, longest, of_rows.beside(frames.first, frames.length), **more)
        rows, t = (
            torch.from_numpy(frames[column].to_numpy(np.int64, copy=True)).to(latents.device) for column in ("row", "t")
        )
        return cls(latents, rows, window_frames, longest, t, **more)

    def only(self, index: Tensor) -> Self:
        """Some of the target frames alone."""
        return replace(self, rows=self.rows[index], t=None if self.t is None else self.t[index])

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def dim(self) -> int:
        return self.latents.shape[1]

    def batch(self, index: Tensor | slice, k: int) -> tuple[Tensor, Tensor]:
        """Contexts (B, W, D) that end k frames before the targets, and targets (B, D)."""
        rows = self.rows[index]
        offsets = torch.arange(1 - self.window_frames, 1, device=rows.device) - k
        context, frames = frames_at(self.latents, rows[:, None] + offsets), self.latents[rows]
        return context, frames if self.levels else frames - self.latents[rows - 1]

    def moments(self, k: int) -> "WindowMoments":
        """Moments of the frames from the first of the context at staleness k, or before it, to the target."""
        return self._moments_of_longest if k <= self.longest else self._moments(k)

    @cached_property
    def _moments_of_longest(self) -> "WindowMoments":
        """Kept: one pass over the frames serves every k."""
        return self._moments(self.longest)

    def _moments(self, k: int) -> "WindowMoments":
        from latentdyn.stores.lag_sums import resident_moments  # few predictors need it, and scipy, which it imports

        runs = self.rows.edges() if isinstance(self.rows, Runs) else edges_of(np.sort(self.rows.cpu().numpy()))
        return resident_moments(self.latents, runs, self.window_frames - 1 + k)

    def stretch(self, index: Tensor | slice, k: int, steps: int) -> Tensor:
        """The frames (B, W + k - 1 + S, D) from the first of the context to the last of S targets, x_{t+S-1}."""
        rows = self.rows[index]
        offsets = torch.arange(1 - k - self.window_frames, steps, device=rows.device)
        return frames_at(self.latents, rows[:, None] + offsets)

    def histories(self, index: Tensor | slice, length: int, ahead: int = 0) -> Tensor:
        """The `length` frames (B, length, D) up to the one that lies `ahead` frames after the target (before it, if
        negative). A frame before the utterance's first, or one that is not finite, is NaN."""
        assert self.t is not None
        end, t = self.rows[index] + ahead, self.t[index] + ahead
        back = torch.arange(1 - length, 1, device=end.device)
        frames = frames_at(self.latents, (end[:, None] + back).clamp_min(0))
        there = (t[:, None] + back >= 0)[..., None] & frames.isfinite().all(dim=2, keepdim=True)
        return frames.where(there, torch.nan)

    def pasts(self, k: int, at_once: int) -> Iterator[tuple[Tensor, tuple[Tensor, Tensor], Tensor]]:
        """The whole pasts of all contexts, each utterance once, in batches of about so many frames.

        Yields:
            Which contexts (m,); where each of them ends, its utterance and place (m,) in the batch; and the frames
            (U, L, D) of the utterances up to their last context, NaN before the first.
        """
        assert self.t is not None
        t = self.t[:]
        _, utterance = torch.unique(self.rows[:] - t, return_inverse=True)
        last = torch.full((int(utterance.max()) + 1,), -1, device=self.rows.device)
        last = last.scatter_reduce(0, utterance, t, "amax")
        order = last.argsort(descending=True)  # utterances of like lengths beside each other
        some = torch.empty_like(last)  # a target frame that is its utterance's last
        newest = t == last[utterance]
        some[utterance[newest]] = newest.nonzero().flatten()
        start = 0
        while start < len(order):
            length = int(last[order[start]]) + 1 - k
            batch = order[start : start + max(1, at_once // length)]
            number = torch.full_like(last, -1)
            number[batch] = torch.arange(len(batch), device=last.device)
            index = (number[utterance] >= 0).nonzero().flatten()
            of = utterance[index]
            place = length - 1 - (last[of] - t[index])
            yield index, (number[of], place), self.histories(some[batch], length, -k)
            start += len(batch)


@dataclass(frozen=True)
class Sequences(Windows):
    """Windows whose stretches begin earlier, with `length` frames of context: NaN where there are fewer."""

    length: int = 0

    def stretch(self, index: Tensor | slice, k: int, steps: int) -> Tensor:
        """The frames (B, length + k - 1 + S, D) up to the last of S targets."""
        return self.histories(index, self.length + k - 1 + steps, steps - 1)


@dataclass(frozen=True)
class Scaling:
    """Moments of frames and deltas, in float64, from training frames only: means and deviations (D,), and the
    covariance of deltas (D, D)."""

    frame_mean: Tensor
    frame_std: Tensor
    delta_mean: Tensor
    delta_std: Tensor
    delta_covariance: Tensor

    def delta_axes(self) -> tuple[Tensor, Tensor]:
        """Variances (D,), largest first, and principal axes (D, D), a column each, of the deltas."""
        variances, axes = torch.linalg.eigh(self.delta_covariance)
        return variances.flip(0), axes.flip(1)

    @cached_property
    def spans(self) -> bool:
        """Whether the deltas spread over all dimensions, as a Gaussian with their full covariance needs it. `fit`
        refuses others, but for those of too few frames."""
        return effective_rank(self.delta_covariance) == len(self.delta_mean)

    @classmethod
    def fit(cls, windows: Windows, block: int = 2048) -> "Scaling":
        """Moments over the target frames of `windows`.

        Raises:
            UserError: no density over the deltas exists, or float32 cannot tell it: a dimension does not move, the
                deltas do not span all dimensions, or they are lost in rounding (see degeneracy).
        """
        frame, delta = _Sums(), _Products()
        for x, before in _blocks(windows, block):
            frame.add(x)
            delta.add(x - before)
        still = torch.nonzero(delta.std() <= 0).flatten().tolist()
        if still:
            raise UserError(
                f"{len(still)} of {windows.dim} latent dimensions never change on the training frames "
                f"(the first is dimension {still[0]})",
                "the representation's latents",
                "leave constant dimensions out, or such utterances where all are: no density over their steps exists. "
                "If rounding made them so beside a large constant, subtract it before they are stored",
            )
        for sums in (frame, delta):
            check_scale(sums.mean(), sums.std())
        covariance = _checked(windows, block, frame, delta)
        return cls(frame.mean(), frame.std(), delta.mean(), delta.std(), covariance)


def _blocks(windows: Windows, block: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Target frames and those before them, (n, D) each, in float64."""
    for rows in windows.rows.split(block):
        yield windows.latents[rows].double(), windows.latents[rows - 1].double()


def _checked(windows: Windows, block: int, frame: "_Sums", delta: "_Products") -> Tensor:
    """The deltas' covariance, after a check that they span all dimensions.

    Raises:
        UserError: they do not, or a few deltas are so long that beside them the others do not.
    """
    covariance = delta.covariance()
    rounding = rounding_variance(windows.latents[windows.rows[:block]], frame.mean().square() + frame.std().square())
    std = covariance.diagonal().sqrt()
    spectrum = torch.linalg.eigvalsh(covariance / torch.outer(std, std))
    if spectrum.min() < _SHARP * spectrum.max():
        precise = _Products(torch.float64)
        for x, before in _blocks(windows, block):
            precise.add(x - before)
        covariance = precise.covariance()
    if effective_rank(covariance, rounding) < least_rank(windows.dim, len(windows)):
        _blame_outliers(windows, block, delta)
    check_span(covariance, rounding, len(windows))
    return covariance


def _blame_outliers(windows: Windows, block: int, delta: "_Sums") -> None:
    """Say that a few frames are the cause, if the other deltas span more.

    Raises:
        UserError: it names the worst frame.
    """
    mean, std = delta.mean(), delta.std()
    lengths = torch.cat([((x - before).cpu() - mean).div(std).norm(dim=1) for x, before in _blocks(windows, block)])
    far = outlying(lengths)
    if not far.any():
        return
    worst = int(lengths.argmax())
    rest = _Products(torch.float64)
    for x, before in _blocks(Windows(windows.latents, windows.rows[:][~far.to(windows.rows.device)], 1), block):
        rest.add(x - before)
    if (rest.std() > 0).all() and effective_rank(rest.covariance()) == windows.dim:
        raise UserError(
            f"{int(far.sum())} of {len(far)} training deltas are so long that all others vanish beside them: the "
            f"longest, at store row {int(windows.rows[worst : worst + 1])}, is "
            f"{float(lengths.max() / lengths[~far].median()):.3g} times as long as the median",
            "the representation's latents",
            "leave out or clip such frames: a moment that a few frames decide measures these frames alone",
        )


class _Sums:
    """Sums and squares in float64 about a nearby point, so that nothing cancels. They stay where the frames are."""

    def __init__(self) -> None:
        self.n = 0

    def add(self, x: Tensor) -> Tensor:
        """Add frames (n, D) of float64; returns them about the nearby point."""
        if not self.n:
            self.shift = x.mean(0)
            self.first, self.square = torch.zeros_like(self.shift), torch.zeros_like(self.shift)
        x = x - self.shift
        self.n += len(x)
        self.first += x.sum(0)
        self.square += x.square().sum(0)
        return x

    def mean(self) -> Tensor:
        return (self.shift + self.first / self.n).cpu()

    def std(self) -> Tensor:
        return (self.square / self.n - (self.first / self.n).square()).clamp_min(0).sqrt().cpu()


class _Products(_Sums):
    """And products of dimensions: in float32 within a block unless more is asked for, summed in float64."""

    def __init__(self, products: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.products = products
        self.second: Tensor | float = 0.0

    def add(self, x: Tensor) -> Tensor:
        x = super().add(x)
        y = x.to(self.products)
        self.second = self.second + (y.T @ y).double()
        return x

    def covariance(self) -> Tensor:
        offset = self.first / self.n
        return (self.second / self.n - torch.outer(offset, offset)).cpu()
