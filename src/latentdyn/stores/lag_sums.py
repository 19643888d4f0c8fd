"""Sums of products of frames by lag, and the moments of windows that follow from them.

A window is x_t, x_{t-1}, ..., x_{t-reach}. It lies within one utterance, and all of its frames are finite. Its
covariance holds every lag covariance up to `reach`, each over the same windows. Single frames are windows of reach 0.

Products of frames are summed once for each lag, not once for each pair of places in the window. A block of the
covariance is the sum of its lag, less what reaches over the two edges of a run of frames; these corrections are exact.
Sums are in float64, about a nearby point, so that nothing cancels. They are computed where the frames are.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.linalg.blas import dsyrk

if TYPE_CHECKING:
    import torch

_BLOCK_FRAMES = 4096  # that are multiplied at once
_EDGES = 512  # runs whose edges are multiplied at once


@dataclass(frozen=True)
class WindowMoments:
    """Moments of n windows, newest frame first.

    Attributes:
        mean: (reach + 1, D). covariance: (reach + 1, D, reach + 1, D), divided by n; [i, :, j, :] is of x_{t-i} and
            x_{t-j}.
        frames: that were looked at. nonfinite: of these, frames that are not finite, which no window has.
    """

    n: int
    mean: np.ndarray
    covariance: np.ndarray
    frames: int
    nonfinite: int


@dataclass(frozen=True)
class LagSums:
    """Sums over runs of finite frames that are longer than `reach`, about the shift.

    windows, frames, nonfinite: counts. total: (D,) of frames. lagged: (reach + 1, D, D), of x_s x_{s-l}ᵀ. head, tail:
    (reach, D), of the runs' first and last frames; the last frame first. heads, tails: (reach, D, reach, D), of their
    products. Of what is symmetric (lag 0, heads, tails) the lower triangle counts.
    """

    windows: int
    frames: int
    nonfinite: int
    total: np.ndarray
    lagged: np.ndarray
    head: np.ndarray
    tail: np.ndarray
    heads: np.ndarray
    tails: np.ndarray


def added(a: LagSums, b: LagSums) -> LagSums:
    """The sums over the runs of both; about the same shift."""
    return LagSums(*(getattr(a, field.name) + getattr(b, field.name) for field in fields(LagSums)))


def finite_runs(frames: np.ndarray, finite: np.ndarray, reach: int) -> list[np.ndarray]:
    """The runs of finite frames that hold a window."""
    if not reach:  # any frames may stand side by side
        return [frames if finite.all() else frames[finite]]
    edges = np.flatnonzero(np.diff(finite, prepend=False, append=False)).reshape(-1, 2)
    return [frames[start:end] for start, end in edges if end - start > reach]


class RunSums:
    """The sums in the making. Runs are added in batches.

    Products of edges fill reach² blocks of D x D, so that to add them takes longer than to compute them: they are taken
    of many runs at once.

    Args:
        shift: (D,), what the sums are about. arrays: where the frames are, in memory or on a GPU.
    """

    def __init__(self, shift: np.ndarray, reach: int, arrays: "InMemory | OnGPU | None" = None) -> None:
        self._arrays = arrays or InMemory()
        zeros, dim = self._arrays.zeros, len(shift)
        self._shift, self._reach, self._dim = self._arrays.of(shift), reach, dim
        self._total, self._lagged = zeros(dim), zeros(reach + 1, dim, dim)
        self._edge_sums = [(zeros(reach * dim), zeros(reach * dim, reach * dim)) for _ in range(2)]
        self._waiting: tuple[list[Any], list[Any]] = [], []  # heads and tails (n, reach D) of runs
        self._room = zeros(0, dim)  # memory that is used again, where new pages would cost much

    def add_frames(self, frames: list[np.ndarray], at_once: int) -> None:
        """Add single frames in memory, multiplied so many at once."""
        if len(self._room) < at_once:
            self._room = self._arrays.zeros(at_once, self._dim)
        room, filled = self._room[:at_once], 0
        for some in frames:
            done = 0
            while done < len(some):
                n = min(len(some) - done, len(room) - filled)
                np.subtract(some[done : done + n], self._shift, out=room[filled : filled + n])
                filled, done = filled + n, done + n
                if filled == len(room):
                    self._add_products(room)
                    filled = 0
        if filled:
            self._add_products(room[:filled])

    def add_runs(self, runs: list[Any]) -> None:
        """Add runs (n_i, D) that are longer than `reach`."""
        if not runs:
            return
        reach = self._reach
        starts = np.cumsum([0, *(len(run) + reach for run in runs)])  # with `reach` rows of zeros after each run
        if len(self._room) < starts[-1]:
            self._room = self._arrays.zeros(int(starts[-1]), self._dim)
        x = self._room[: starts[-1]]
        for run, start, after in zip(runs, starts.tolist(), starts[1:].tolist(), strict=False):
            x[start : after - reach] = run
            x[start : after - reach] -= self._shift
            x[after - reach : after] = 0  # no product of frames of two runs adds anything
        self._add_products(x)
        for lag in range(1, reach + 1):
            self._lagged[lag] += x[lag:].T @ x[: len(x) - lag]
        edge = np.arange(reach)
        places = (starts[:-1, None] + edge, starts[1:, None] - reach - 1 - edge)
        for waiting, rows in zip(self._waiting, places, strict=True):
            waiting.append(x[rows].reshape(len(runs), reach * self._dim))
        if sum(map(len, self._waiting[0])) >= _EDGES:
            self._add_edges()

    def sums(self, windows: int, frames: int, nonfinite: int) -> LagSums:
        """What was added, and how many of each there were."""
        self._add_edges()
        reach, dim, read = self._reach, self._dim, self._arrays.read
        (head, heads), (tail, tails) = self._edge_sums
        edges = (read(total).reshape(reach, dim) for total in (head, tail))
        products = (read(square).reshape(reach, dim, reach, dim) for square in (heads, tails))
        return LagSums(windows, frames, nonfinite, read(self._total), read(self._lagged), *edges, *products)

    def _add_products(self, x: Any) -> None:
        """Of rows about the shift: their sum, and their products at lag 0."""
        self._total += x.sum(0)
        self._arrays.add_square(self._lagged[0], x)

    def _add_edges(self) -> None:
        for waiting, (total, square) in zip(self._waiting, self._edge_sums, strict=True):
            if not waiting or not self._reach:
                continue
            edges = self._arrays.join(waiting)
            total += edges.sum(0)
            self._arrays.add_square(square, edges)
            waiting.clear()


class InMemory:
    """Arrays of NumPy."""

    of, join, read = staticmethod(np.asarray), staticmethod(np.concatenate), staticmethod(np.asarray)

    def zeros(self, *shape: int) -> Any:
        return np.zeros(shape)

    def add_square(self, total: Any, x: Any) -> None:
        """Add xᵀ x in place, the lower triangle alone."""
        dsyrk(1.0, x.T, beta=1.0, c=total.T, overwrite_c=True)  # quicker by a tenth than `+= x.T @ x`, and more


class OnGPU:
    """Tensors of float64 on a device."""

    def __init__(self, device: "torch.device") -> None:
        import torch  # those who sum in memory do without

        self.join = torch.cat
        self._empty = torch.zeros(0, dtype=torch.float64, device=device)

    def zeros(self, *shape: int) -> Any:
        return self._empty.new_zeros(shape)

    def of(self, array: np.ndarray) -> Any:
        return self._empty.new_tensor(array)

    def read(self, tensor: Any) -> np.ndarray:
        array: np.ndarray = tensor.cpu().numpy()
        return array

    def add_square(self, total: Any, x: Any) -> None:
        """Add xᵀ x in place."""
        total.addmm_(x.T, x)


def moments_of(sums: LagSums, shift: np.ndarray) -> WindowMoments:
    """Moments of the windows in these sums; NaN where there is none. shift: (D,), what the sums are about."""
    n, reach, dim = sums.windows, len(sums.lagged) - 1, len(shift)
    lagged = [_whole(sums.lagged[0]), *sums.lagged[1:]]
    mean, products = np.empty((reach + 1, dim)), np.empty((reach + 1, dim, reach + 1, dim))
    for i in range(reach + 1):
        mean[i] = sums.total - sums.head[: reach - i].sum(axis=0) - sums.tail[:i].sum(axis=0)
        for j in range(i, reach + 1):
            lag = j - i
            block = lagged[lag].copy()
            for s in range(lag, reach - i):  # pairs before the first window's x_{t-i}
                block -= sums.heads[s, :, s - lag] if lag else _whole(sums.heads[s, :, s])
            for s in range(i):  # and after the last one's
                block -= sums.tails[s + lag, :, s].T if lag else _whole(sums.tails[s, :, s])
            products[i, :, j], products[j, :, i] = block, block.T
    for moment in (mean, products):
        moment /= n or np.nan
    for i in range(reach + 1):  # at once, this would need as much memory again
        products[i] -= np.multiply.outer(mean[i], mean)
    return WindowMoments(n, mean + shift, products, sums.frames, sums.nonfinite)


def _whole(lower: np.ndarray) -> np.ndarray:
    """A symmetric matrix from its lower triangle."""
    whole: np.ndarray = np.tril(lower) + np.tril(lower, -1).T
    return whole


def resident_moments(latents: "torch.Tensor", runs: tuple[np.ndarray, np.ndarray], reach: int) -> WindowMoments:
    """Moments of the windows whose newest frames are rows of resident latents; NaN where there is none.

    Args:
        latents: (n_rows, D), in memory or on a GPU. runs: the first row and the one after the last, (R,) int64, of the
            rows that follow each other, in ascending order. The frames of their windows are finite, and those of a
            window are of one utterance. reach: at least 1.
    """
    of: Any = latents if latents.is_cuda else latents.numpy()
    shift = np.zeros(of.shape[1])
    for first, end in islice(_in_parts(*runs), 1):
        shift = latents[first:end].double().mean(0).cpu().numpy()
    sums = RunSums(shift, reach, OnGPU(latents.device) if latents.is_cuda else None)
    waiting: list[Any] = []
    filled = n = 0
    for first, end in _in_parts(*runs):
        if filled + end - first > _BLOCK_FRAMES:
            sums.add_runs(waiting)
            waiting, filled = [], 0
        waiting.append(of[first - reach : end])  # with the frames before its first row
        filled, n = filled + end - first, n + end - first
    sums.add_runs(waiting)
    return moments_of(sums.sums(n, n, 0), shift)


def _in_parts(first: np.ndarray, end: np.ndarray) -> Iterator[tuple[int, int]]:
    """These runs, no more than a block at a time."""
    for start, stop in zip(first.tolist(), end.tolist(), strict=True):
        for begin in range(start, stop, _BLOCK_FRAMES):
            yield begin, min(begin + _BLOCK_FRAMES, stop)
