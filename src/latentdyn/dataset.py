"""A latents store as an xarray Dataset: lazy, and with what each frame is beside it.

Nothing of the latents is read or copied before it is computed with. A dask chunk is a shard, a file of the store, so
each file is read once, and the store verifies what it reads.
"""

import os
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr

from latentdyn.errors import UserError
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import SHARD_FRAMES, LatentsStore
from latentdyn.stores.latents import open_latents as open_store


def open_latents(handle: str | Path) -> xr.Dataset:
    """Open latents of the workflow, lazily.

    Args:
        handle: a `latents.json` of the results. The store is the `.zarr` beside it.

    Returns:
        `latents` (frame, dim) in natural units and `energy_db` (frame), the level of the audio, NaN without audio: both
        of dask, in chunks of a shard. Coordinates along `frame`: `utterance`, `speaker`, `time_s` (of the frame's start
        in its utterance, seconds) and, where the store's frames are indexed (`frames.json` beside the handle), `split`.
        Attributes: `frame_rate_hz`, `kind` and `digest` of the store. Rows that belong to no utterance are left out.

    Raises:
        UserError: the handle is missing or of something else, or a file of the store is missing, truncated or changed;
            some of it shows only when the frames are computed with.
    """
    if not isinstance(handle, (str, os.PathLike)) or not str(handle):
        raise UserError(f"{handle!r} is no path", "handle", "give the path of a latents.json of the results")
    handle = Path(handle)
    store = open_store(handle)
    owner, t = _owners(store)
    used = owner >= 0
    owner, t = owner[used], t[used]
    utterances = {"utterance": store.utterances.utterance_id, "speaker": store.utterances.speaker_id}
    coordinates: dict[str, Any] = {name: _repeated(values, owner) for name, values in utterances.items()}
    coordinates["time_s"] = t / store.frame_rate_hz
    if handle.with_name("frames.json").exists():
        index = open_frames(handle.with_name("frames.json"), store)
        coordinates["split"] = _repeated(index.utterances["split"], owner)
    latents, energy_db = (_lazy(store, name, used) for name in ("latents", "energy_db"))
    return xr.Dataset(
        {"latents": (("frame", "dim"), latents), "energy_db": ("frame", energy_db)},
        {name: ("frame", values) for name, values in coordinates.items()},
        {name: store.handle[name] for name in ("frame_rate_hz", "kind", "digest")},
    )


def _owners(store: LatentsStore) -> tuple[np.ndarray, np.ndarray]:
    """Of each row the utterance's number, -1 where there is none, and the frame's number in the utterance."""
    starts, counts = (store.utterances[name].to_numpy() for name in ("start", "n_frames"))
    owner, t = np.full(store.n_rows, -1), np.zeros(store.n_rows, np.int64)
    for number, (start, count) in enumerate(zip(starts, counts, strict=True)):
        owner[start : start + count], t[start : start + count] = number, np.arange(count)
    return owner, t


def _repeated(values: pd.Series, owner: np.ndarray) -> np.ndarray:
    """A value of each utterance for each of its frames: one object for all, where text would be copied."""
    repeated: np.ndarray = values.to_numpy(object)[owner]
    return repeated


def _lazy(store: LatentsStore, name: str, used: np.ndarray) -> da.Array:
    """The rows of an array that are used. They are taken by slices, which keep the chunks apart."""
    array, key = store.array(name), f"{name}-{store.handle['digest']}"
    rows = da.from_array(array, chunks=(SHARD_FRAMES, *array.shape[1:]), name=key)  # type: ignore[no-untyped-call]
    edges = np.flatnonzero(np.diff(used, prepend=False, append=False)).reshape(-1, 2)
    lazy: da.Array = da.concatenate([rows[start:end] for start, end in edges] or [rows])  # type: ignore[no-untyped-call]
    return lazy
