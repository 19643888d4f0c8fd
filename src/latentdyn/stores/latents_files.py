"""The files of a latents store as they are made: first its arrays, last its handle (the layout: `stores.latents`)."""

import hashlib
import math
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
import zarr.errors
from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore

from latentdyn.files import canonical_json, write_json
from latentdyn.stores.frame_moments import FrameMoments
from latentdyn.stores.latents import CHUNK_FRAMES, CODES, FITTED, SCHEMA_VERSION, SHARD_FRAMES, store_path
from latentdyn.stores.lock import Lock
from latentdyn.stores.verified import file_facts

_OF_FRAMES = ("latents/c/", "energy_db/c/", "codes/c/")  # files that hold frames
_COUNTED = 2**24  # numbers whose distinct values are counted, at most
_LEAST_COUNTED = 1000  # frames: of fewer, few values are no sign of a grid
_MOST_ON_GRID = 512  # distinct values of a dimension; eight bits give 256, float16 thousands


class _Folder(LocalStore):
    """A folder whose lock this process holds. zarr would make new files by hard links, which some file systems lack."""

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        if not await self.exists(key):
            await self.set(key, value)


def start_store(
    handle: Path, n_rows: int, dim: int, dtype: str, fitted: Mapping[str, np.ndarray], code_stages: int = 0
) -> tuple[Lock, zarr.Group]:
    """Start a store at `store_path(handle)`, replacing what is there: `n_rows` rows of NaN, and its fitted arrays.

    Args:
        code_stages: of the codes that frames were made of; 0 where there are none.

    Returns:
        The lock, which is this process's until it is deleted, and the group of the arrays.

    Raises:
        UserError: another writer is at work on this store.
    """
    path = store_path(handle)
    lock = Lock(handle.with_suffix(".lock"), path)
    handle.unlink(missing_ok=True)  # from here on there is no whole store
    shutil.rmtree(path, ignore_errors=True)
    group = _create_arrays(path, n_rows, dim, dtype, code_stages)
    _write_fitted(group, fitted)
    return lock, group


def finish_store(
    handle: Path,
    facts: dict[str, Any],
    table: pd.DataFrame,
    n_rows: int,
    nonfinite: int,
    moments: FrameMoments,
    known: dict[str, dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Write the table and, last, the handle. `known`: facts of files that need not be read again."""
    path = store_path(handle)
    group = zarr.open_group(_Folder(path), mode="r+")
    for column in ("utterance_id", "speaker_id"):
        _write_small(group, column, np.array(table[column].tolist(), np.dtypes.StringDType()), "utterance")
    for column in ("start", "n_frames"):
        _write_small(group, column, table[column].to_numpy(np.int64), "utterance")
    _write_small(group, "dim_mean", moments.mean if moments.n else np.full_like(moments.mean, np.nan), "dim")
    _write_small(group, "dim_std", moments.std(), "dim")
    with warnings.catch_warnings():  # xarray warns where metadata is not consolidated, zarr where it is
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(group.store)
    names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
    files = {name: (known or {}).get(name) or file_facts(path / name) for name in names}
    rows = max(1, min(SHARD_FRAMES, _COUNTED // facts["dim"]))
    if (values := _grid_values(np.asarray(group["latents"][:rows]))) is not None:  # type: ignore[index]
        facts = {**facts, "grid_values": values}
    content = [
        table.astype({"start": int, "n_frames": int}).values.tolist(),
        {name: file["sha256"] for name, file in shards(files).items()},
    ]
    record = {
        **facts,
        "schema_version": SCHEMA_VERSION,
        "n_rows": n_rows,
        "n_frames": int(table.n_frames.sum()),
        "n_utterances": len(table),
        "n_speakers": int(table.speaker_id.nunique()),
        "nonfinite_frames": nonfinite,
        "files": files,
        "digest": hashlib.sha256(canonical_json([facts, content]).encode()).hexdigest(),
    }
    write_json(handle, record)
    return record


def shards(files: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of a store's files that hold frames."""
    return {name: file for name, file in files.items() if name.startswith(_OF_FRAMES)}


def _create_arrays(path: Path, n_rows: int, dim: int, dtype: str, code_stages: int) -> zarr.Group:
    group = zarr.open_group(_Folder(path), mode="w", zarr_format=3)
    arrays: list[tuple[str, tuple[int, ...], str, list[str]]] = [
        ("latents", (dim,), dtype, ["frame", "dim"]),
        ("energy_db", (), "float32", ["frame"]),
    ]
    if code_stages:
        arrays.append((CODES, (code_stages,), "int16", ["frame", "stage"]))
    for name, shape, kind, axes in arrays:
        group.create_array(
            name,
            shape=(n_rows, *shape),
            chunks=(CHUNK_FRAMES, *shape),
            shards=(SHARD_FRAMES, *shape),
            dtype=kind,
            compressors=None,  # lossless compression saves 6 to 9 % of latents and costs half the speed
            fill_value=-1 if name == CODES else math.nan,
            dimension_names=axes,
        )
    return group


def _grid_values(latents: np.ndarray) -> int | None:
    """The most distinct values of a dimension of frames (n, D), if they are few in every dimension; None otherwise.

    Latents of models that compute in integers are such: their frames lie on a grid.
    """
    finite, most = latents[np.isfinite(latents).all(axis=1)], 0
    few = min(_MOST_ON_GRID, len(finite) // 4) if len(finite) >= _LEAST_COUNTED else -1
    for values in finite.T:
        if (distinct := len(np.unique(values))) > few:
            return None
        most = max(most, distinct)
    return most


def _write_fitted(group: zarr.Group, fitted: Mapping[str, np.ndarray]) -> None:
    for name, array in fitted.items():
        axes = [f"{name}_{axis}" for axis in range(array.ndim)]
        _write_small(group, f"{FITTED}/{name}", array, *axes, compressors=None)


def _write_small(group: zarr.Group, name: str, values: np.ndarray, *axes: str, **options: Any) -> None:
    chunks = tuple(max(1, n) for n in values.shape)
    array = group.create_array(
        name, shape=values.shape, chunks=chunks, dtype=values.dtype, dimension_names=axes, **options
    )
    if values.size:
        array[...] = values
