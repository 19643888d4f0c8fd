"""Sums of products of frames by lag, and the moments of windows that follow from them.

A window is x_t, x_{t-1}, ..., x_{t-reach}. It lies within one utterance, and all of its frames are finite. Its
covariance holds every lag covariance up to `reach`, each over the same windows. Single frames are windows of reach 0.

Products of frames are summed once for each lag, not once for each pair of places in the window. A block of the
covariance is the sum of its lag, less what reaches over the two edges of a run of frames; these corrections are exact.
Sums are in float64, about a nearby point, so that nothing cancels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
from scipy.linalg.blas import dsyrk

_BLOCK_FRAMES = 4096  # that are multiplied at once


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


def no_sums(dim: int, reach: int) -> LagSums:
    """Sums over nothing, to add to."""
    return LagSums(
        0, 0, 0, np.zeros(dim), np.zeros((reach + 1, dim, dim)),
        *np.zeros((2, reach, dim)), *np.zeros((2, reach, dim, reach, dim)),
    )  # fmt: skip


def added(a: LagSums, b: LagSums) -> LagSums:
    """The sums over the runs of both; about the same shift."""
    return LagSums(*(getattr(a, field.name) + getattr(b, field.name) for field in fields(LagSums)))


def finite_runs(frames: np.ndarray, finite: np.ndarray, reach: int) -> list[np.ndarray]:
    """The runs of finite frames that hold a window."""
    if not reach:  # any frames may stand side by side
        return [frames if finite.all() else frames[finite]]
    edges = np.flatnonzero(np.diff(finite, prepend=False, append=False)).reshape(-1, 2)
    return [frames[start:end] for start, end in edges if end - start > reach]


def add_frames(sums: LagSums, runs: list[np.ndarray], shift: np.ndarray, room: np.ndarray) -> None:
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


def _add_products(sums: LagSums, x: np.ndarray) -> None:
    """Add rows about the shift, and their products at lag 0, in place."""
    sums.total[...] += np.ones(len(x)) @ x
    dsyrk(1.0, x.T, beta=1.0, c=sums.lagged[0].T, overwrite_c=True)  # in place: quicker by a tenth than `+= x.T @ x`


def add_runs(sums: LagSums, runs: list[np.ndarray], shift: np.ndarray, x: np.ndarray) -> None:
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


def moments_of(sums: LagSums, shift: np.ndarray) -> WindowMoments:
    """Moments of the windows in these sums; NaN where there is none. shift: (D,), what the sums are about."""
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
        moment /= n or np.nan
    for i in range(reach + 1):  # at once, this would need as much memory again
        products[i] -= np.multiply.outer(mean[i], mean)
    return WindowMoments(n, mean + shift, products, sums.frames, sums.nonfinite)


def resident_moments(latents: np.ndarray, rows: np.ndarray, reach: int) -> WindowMoments:
    """Moments of the windows whose newest frames are these rows of latents in memory; NaN where there is none.

    Args:
        latents: (n_rows, D). rows: (n,) int64, ascending. The frames of their windows are finite, and those of a window
            are of one utterance. reach: at least 1.
    """
    runs = list(_in_parts(rows))
    shift = latents[runs[0]].mean(axis=0, dtype=np.float64) if runs else np.zeros(latents.shape[1])
    sums = no_sums(len(shift), reach)
    room = np.empty((_BLOCK_FRAMES + 2 * reach, len(shift)))
    waiting: list[np.ndarray] = []
    filled = 0
    for run in runs:
        size = len(run) + 2 * reach  # the frames before its first row, and the room after it
        if filled + size > len(room):
            add_runs(sums, waiting, shift, room[:filled])
            waiting, filled = [], 0
        waiting.append(latents[run[0] - reach : run[-1] + 1])
        filled += size
    add_runs(sums, waiting, shift, room[:filled])
    return moments_of(replace(sums, windows=len(rows), frames=len(rows)), shift)


def _in_parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Rows that follow each other, no more than a block at a time."""
    if len(rows):
        for run in np.split(rows, 1 + np.flatnonzero(np.diff(rows) != 1)):
            yield from np.split(run, range(_BLOCK_FRAMES, len(run), _BLOCK_FRAMES))
