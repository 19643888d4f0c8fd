"""Mean and covariance of windows of consecutive frames, summed over a store of any size.

A window is x_t, x_{t-1}, ..., x_{t-reach}. It lies within one utterance, and all of its frames are finite. Its
covariance holds every lag covariance up to `reach`, each over the same windows. Single frames are windows of reach 0.

Products of frames are summed once for each lag, not once for each pair of places in the window. A block of the
covariance is the sum of its lag, less what reaches over the two edges of an utterance; these corrections are exact.

Sums are in float64, about a nearby point, so that nothing cancels. Each shard of the store is one task of dask, and a
fixed tree adds them up: the result depends neither on the number of workers nor on which of them is done first.
Threads of this process do the tasks, or a dask cluster where a client of one is active. Memory does not grow with the
store, but for the logarithm of its number of shards.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import dask
import numpy as np
import pandas as pd
from scipy.linalg.blas import dsyrk

from latentdyn.stores.latents import SHARD_FRAMES, LatentsStore
from latentdyn.stores.verified import VerifiedFiles

_BLOCK_FRAMES = 4096  # that are read at once
_CACHED = 2**17  # numbers, 1 MiB: their products are quicker while they are near the processor


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


def window_moments(store: LatentsStore, utterances: pd.DataFrame, reach: int) -> WindowMoments:
    """Moments of all windows of some utterances; NaN where there is none.

    Args:
        utterances: rows of the store's table.

    Raises:
        UserError: a shard is not the one that the handle describes.
    """
    table = utterances.sort_values(["start", "n_frames"])
    spans = np.stack([table.start, table.start + table.n_frames], axis=1)
    spans = spans if reach else _joined(spans)
    edges = np.flatnonzero(np.diff(spans[:, 0] // SHARD_FRAMES)) + 1
    files = store.files.own()  # nothing of it is read yet, so it is small to send
    shift = _nearby(files, spans, store.dim)
    level: list[Any] = [
        dask.delayed(_sums)(files, part, shift, reach)  # type: ignore[attr-defined]
        for part in np.split(spans, edges)
    ]
    while len(level) > 1:
        pairs = [level[i : i + 2] for i in range(0, len(level), 2)]
        level = [pair[0] if len(pair) == 1 else dask.delayed(_added)(*pair) for pair in pairs]  # type: ignore[attr-defined]
    (sums,) = dask.compute(level[0], num_workers=_workers())  # type: ignore[attr-defined, no-untyped-call]
    return _moments(sums, shift)


def _joined(spans: np.ndarray) -> np.ndarray:
    """The same rows in spans that end where a read ends, and so at shards: single frames need no neighbours."""
    spans = spans[spans[:, 0] < spans[:, 1]]
    if not len(spans):
        return spans
    apart = spans[1:, 0] != spans[:-1, 1]
    starts, ends = (spans[np.append(*ends)] for ends in (([True], apart), (apart, [True])))
    joined: list[tuple[int, int]] = []
    for start, end in zip(starts[:, 0], ends[:, 1], strict=True):
        inner = range(start - start % _BLOCK_FRAMES + _BLOCK_FRAMES, end, _BLOCK_FRAMES)
        joined += itertools.pairwise([start, *inner, end])
    return np.array(joined, np.int64).reshape(-1, 2)


def _workers() -> int:
    """Threads that this process may take, as its environment says."""
    return int(os.environ.get("OMP_NUM_THREADS", "0")) or os.cpu_count() or 1


@dataclass(frozen=True)
class _Sums:
    """Sums over runs of finite frames that are longer than `reach`, about the shift.

    windows, frames, nonfinite: counts. total: (D,) of frames. lagged: (reach + 1, D, D), of x_s x_{s-l}ᵀ; of lag 0,
    which is symmetric, the lower triangle. head, tail: (reach, D), of the runs' first and last frames; the last frame
    first. heads, tails: (reach, D, reach, D), of their products.
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


def _added(a: _Sums, b: _Sums) -> _Sums:
    return _Sums(*(getattr(a, field.name) + getattr(b, field.name) for field in fields(_Sums)))


def _nearby(files: VerifiedFiles, spans: np.ndarray, dim: int) -> np.ndarray:
    """The mean of the first utterance with a finite frame, (D,); 0 if there is none."""
    for frames in itertools.chain.from_iterable(_blocks(files, spans)):
        finite = frames[np.isfinite(frames).all(axis=1)]
        if len(finite):
            mean: np.ndarray = finite.mean(axis=0, dtype=np.float64)
            return mean
    return np.zeros(dim)


def _blocks(files: VerifiedFiles, spans: np.ndarray) -> Iterator[list[np.ndarray]]:
    """The frames of each span of rows, several spans at a time, since each read costs much."""
    array: Any = files.own().group["latents"]
    done = 0
    while done < len(spans):
        first = spans[done, 0]
        near = max(done + 1, int(np.searchsorted(spans[:, 1], first + _BLOCK_FRAMES, side="right")))
        rows = np.asarray(array[first : spans[near - 1, 1]])
        yield [rows[start - first : end - first] for start, end in spans[done:near]]
        done = near


def _sums(files: VerifiedFiles, spans: np.ndarray, shift: np.ndarray, reach: int) -> _Sums:
    dim = len(shift)
    sums = _Sums(
        0, 0, 0, np.zeros(dim), np.zeros((reach + 1, dim, dim)),
        *np.zeros((2, reach, dim)), *np.zeros((2, reach, dim, reach, dim)),
    )  # fmt: skip
    windows = frames = nonfinite = 0
    room = np.empty((0 if reach else max(1, _CACHED // dim), dim))
    for utterances in _blocks(files, spans):
        runs: list[np.ndarray] = []
        for utterance in utterances:
            finite = np.isfinite(utterance).all(axis=1)
            frames, nonfinite = frames + len(finite), nonfinite + int((~finite).sum())
            runs += _runs(utterance, finite, reach)
        size = sum(len(run) + reach for run in runs)
        windows += size - 2 * reach * len(runs)
        if not reach:
            _add_frames(sums, runs, shift, room)
            continue
        if size > len(room):
            room = np.empty((size, dim))  # memory that is used again, where new pages would cost much
        _add_runs(sums, runs, shift, room[:size])
    return replace(sums, windows=windows, frames=frames, nonfinite=nonfinite)


def _runs(frames: np.ndarray, finite: np.ndarray, reach: int) -> list[np.ndarray]:
    """The runs of finite frames that hold a window."""
    if not reach:  # any frames may stand side by side
        return [frames if finite.all() else frames[finite]]
    edges = np.flatnonzero(np.diff(finite, prepend=False, append=False)).reshape(-1, 2)
    return [frames[start:end] for start, end in edges if end - start > reach]


def _add_frames(sums: _Sums, runs: list[np.ndarray], shift: np.ndarray, room: np.ndarray) -> None:
    """Add single frames in place; `room` is for as many of them as are multiplied at once."""
    filled = 0
    for run in runs:
        done = 0
        while done < len(run):
            n = min(len(run) - done, len(room) - filled)
            np.subtract(run[done : done + n], shift, out=room[filled : filled + n])
            filled, done = filled + n, done + n
            if filled == len(room):
                _add_products(sums, room)
                filled = 0
    if filled:
        _add_products(sums, room[:filled])


def _add_products(sums: _Sums, x: np.ndarray) -> None:
    """Add rows about the shift, and their products at lag 0, in place."""
    sums.total[...] += np.ones(len(x)) @ x
    dsyrk(1.0, x.T, beta=1.0, c=sums.lagged[0].T, overwrite_c=True)  # in place: quicker by a tenth than `+= x.T @ x`


def _add_runs(sums: _Sums, runs: list[np.ndarray], shift: np.ndarray, x: np.ndarray) -> None:
    """Add the products of runs in place; `x` is room for their frames, with `reach` rows after each run."""
    if not len(x):
        return
    reach, dim = len(sums.head), len(shift)
    starts = np.cumsum([0, *(len(run) + reach for run in runs[:-1])])
    ends = starts + [len(run) for run in runs]
    for run, start, end in zip(runs, starts, ends, strict=True):
        np.subtract(run, shift, out=x[start:end])
        x[end : end + reach] = 0  # no product of frames of two runs adds anything
    _add_products(sums, x)
    for lag in range(1, reach + 1):
        sums.lagged[lag] += x[lag:].T @ x[: len(x) - lag]
    edge = np.arange(reach)
    for total, products, rows in (
        (sums.head, sums.heads, starts[:, None] + edge), (sums.tail, sums.tails, ends[:, None] - 1 - edge)
    ):  # fmt: skip
        flat = x[rows].reshape(len(runs), reach * dim)
        total += flat.sum(axis=0).reshape(reach, dim)
        products += (flat.T @ flat).reshape(reach, dim, reach, dim)


def _moments(sums: _Sums, shift: np.ndarray) -> WindowMoments:
    n, reach, dim = sums.windows, len(sums.lagged) - 1, len(shift)
    lagged = [np.tril(sums.lagged[0]) + np.tril(sums.lagged[0], -1).T, *sums.lagged[1:]]
    mean, products = np.empty((reach + 1, dim)), np.empty((reach + 1, dim, reach + 1, dim))
    for i in range(reach + 1):
        mean[i] = sums.total - sums.head[: reach - i].sum(axis=0) - sums.tail[:i].sum(axis=0)
        for j in range(i, reach + 1):
            lag = j - i
            block = lagged[lag].copy()
            for s in range(lag, reach - i):  # pairs before the first window's x_{t-i}
                block -= sums.heads[s, :, s - lag]
            for s in range(i):  # and after the last one's
                block -= sums.tails[s, :, s + lag]
            products[i, :, j], products[j, :, i] = block, block.T
    for moment in (mean, products):
        moment[...] = moment / n if n else np.nan
    products -= np.multiply.outer(mean, mean)
    return WindowMoments(n, mean + shift, products, sums.frames, sums.nonfinite)
