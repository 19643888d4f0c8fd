"""Mean and covariance of windows of consecutive frames, summed over a store of any size (see lag_sums).

Each shard of the store is one task of dask, and a fixed tree adds up the sums: the result depends neither on the number
of workers nor on which of them is done first. Threads of this process do the tasks, or a dask cluster where a client of
one is active. Memory does not grow with the store, but for the logarithm of its number of shards.
"""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import dask
import numpy as np
import pandas as pd

from latentdyn.stores.lag_sums import (
    LagSums,
    RunSums,
    WindowMoments,
    added,
    finite_runs,
    moments_of,
)
from latentdyn.stores.latents import SHARD_FRAMES, LatentsStore
from latentdyn.stores.mapping import map_rows
from latentdyn.stores.verified import VerifiedFiles

_BLOCK_FRAMES = 4096  # that are read at once
_CACHED = 2**17  # numbers, 1 MiB: their products are quicker while they are near the processor


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
        level = [pair[0] if len(pair) == 1 else dask.delayed(added)(*pair) for pair in pairs]  # type: ignore[attr-defined]
    (sums,) = dask.compute(level[0], num_workers=_workers())  # type: ignore[attr-defined, no-untyped-call]
    return moments_of(sums, shift)


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
    files = files.own()
    array: Any = files.group["latents"]
    mapped, mapped_from, mapped_to = None, 0, 0  # of the shard at hand
    done = 0
    while done < len(spans):
        first = spans[done, 0]
        near = max(done + 1, int(np.searchsorted(spans[:, 1], first + _BLOCK_FRAMES, side="right")))
        end = spans[near - 1, 1]
        if end > mapped_to:
            mapped_from, mapped_to = int(first), min(max(int(end), _end_of_shard(int(first))), array.shape[0])
            mapped = map_rows(files, array, mapped_from, mapped_to)
        rows = np.asarray(array[first:end]) if mapped is None else mapped[first - mapped_from : end - mapped_from]
        yield [rows[start - first : end - first] for start, end in spans[done:near]]
        done = near


def _end_of_shard(row: int) -> int:
    return row - row % SHARD_FRAMES + SHARD_FRAMES


def _sums(files: VerifiedFiles, spans: np.ndarray, shift: np.ndarray, reach: int) -> LagSums:
    dim = len(shift)
    sums = RunSums(shift, reach)
    windows = frames = nonfinite = 0
    for utterances in _blocks(files, spans):
        runs: list[np.ndarray] = []
        for utterance in utterances:
            finite = np.isfinite(utterance).all(axis=1)
            frames, nonfinite = frames + len(finite), nonfinite + int((~finite).sum())
            runs += finite_runs(utterance, finite, reach)
        windows += sum(len(run) - reach for run in runs)
        if reach:
            sums.add_runs(runs)
        else:
            sums.add_frames(runs, max(1, _CACHED // dim))
    return sums.sums(windows, frames, nonfinite)
