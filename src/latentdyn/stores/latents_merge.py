"""Joining the latents stores of parts of one representation."""

import math
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.stores.frame_moments import FrameMoments
from latentdyn.stores.latents import OVERFLOWED, SET_ASIDE, SHARD_FRAMES, open_latents, store_path
from latentdyn.stores.latents_files import finish_store, shards, start_store

# facts that parts of one representation may differ in, and what the whole says
_JOINED: dict[str, Callable[[list[Any]], Any]] = {
    OVERFLOWED: sum,
    SET_ASIDE: lambda lists: [one for several in lists for one in several],
    "look_ahead_frames": max,  # of parts that other devices encoded, it may differ by rounding
    "look_ahead_ms": max,
}


def merge_latents(parts: Sequence[Path], handle: Path) -> dict[str, Any]:
    """Join stores into one without copying a frame: their shard files are hard-linked (copied where that fails).

    Each part starts at a shard's boundary; the rows between a part's end and the next part are NaN.

    Raises:
        UserError: a part is damaged, two parts hold the same utterance, the parts differ in shape or rate, or another
            writer is at work on this store.
    """
    stores = [open_latents(part) for part in parts]
    kept = {
        *_JOINED,
        "grid_values",
        "schema_version",
        "n_rows",
        "n_frames",
        "n_utterances",
        "n_speakers",
        "nonfinite_frames",
        "files",
        "digest",
    }
    facts = [{key: value for key, value in store.handle.items() if key not in kept} for store in stores]
    for part, fact in zip(parts, facts, strict=True):
        if fact != facts[0]:
            raise UserError(f"parts of one representation differ: {fact} and {facts[0]}", part, "encode them again")
    names = pd.concat([store.utterances.utterance_id for store in stores])
    if names.duplicated().any():
        twice = names[names.duplicated()].iloc[0]
        raise UserError(f"utterance {twice} is in two parts", ", ".join(map(str, parts)), "encode the parts again")
    bases = np.cumsum([0, *(math.ceil(store.n_rows / SHARD_FRAMES) for store in stores)])
    last = max((i for i, store in enumerate(stores) if store.n_rows), default=0)
    n_rows = int(bases[last]) * SHARD_FRAMES + stores[last].n_rows
    handle, path = Path(handle), store_path(handle)
    lock, _ = start_store(handle, n_rows, facts[0]["dim"], facts[0]["dtype"], stores[0].fitted())
    known: dict[str, dict[str, Any]] = {}
    for base, store in zip(bases, stores, strict=False):
        for name, file in shards(store.handle["files"]).items():
            array, _, shard, *rest = Path(name).parts  # latents/c/{shard}/0 and energy_db/c/{shard}
            target = Path(array, "c", str(int(shard) + int(base)), *rest)
            (path / target).parent.mkdir(parents=True, exist_ok=True)
            _ = store.files[name]  # read and verified: a damaged part is found here, where encoding it again helps
            _link(store.path / name, path / target)
            known[target.as_posix()] = file
    table = pd.concat(
        [s.utterances.assign(start=s.utterances.start + b * SHARD_FRAMES) for b, s in zip(bases, stores, strict=False)],
        ignore_index=True,
    )
    moments = FrameMoments.empty(facts[0]["dim"])
    for store in stores:
        n = store.handle["n_frames"] - store.handle["nonfinite_frames"]
        mean, std = (np.asarray(store.array(name)[:], np.float64) for name in ("dim_mean", "dim_std"))
        moments = moments.add(FrameMoments(n, np.nan_to_num(mean), n * np.nan_to_num(std) ** 2))
    nonfinite = sum(store.handle["nonfinite_frames"] for store in stores)
    for name, join in _JOINED.items():
        if values := [store.handle[name] for store in stores if name in store.handle]:
            facts[0][name] = join(values)
    merged = finish_store(handle, facts[0], table, n_rows, nonfinite, moments, known)
    lock.delete()
    return merged


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)
