"""The latents store: every representation, whatever made it, as one flat (frame, dim) array and an utterance table.

`NAME.zarr` is a zarr v3 group that `xarray.open_zarr` opens:

    latents      (frame, dim)   float32 or float16, natural units; chunks of 256 frames in shards of 16,384
    energy_db    (frame)        level of the audio under each frame, dB re full scale; NaN where there is no audio
    utterance_id, speaker_id    (utterance)
    start, n_frames             (utterance)  rows of `latents` that are the utterance's
    dim_mean, dim_std           (dim)        over all finite frames: to look at, not to fit with (they see all speakers)
    codes        (frame, stage) int16, of dequantized frames only: the codeword of each stage; -1 for a non-finite frame
    fitted/                     arrays that this store's transform has learned, where it learns any; of an encoder, its
                                quantizer (see stores.quantizer)

Rows that belong to no utterance (after a merge, up to a shard's end) are NaN. `NAME.json`, the handle, is written
last: schema version, lineage (see stores.lineage), shape, rate, size and checksums of each file, sha256 of each fitted
array, and a digest of the whole content. Without a handle there is no store. Every file is verified when it is read
(see stores.verified).

While a store is being written, its writer holds the lock `NAME.lock` (see stores.lock). A finished store has none. The
lock lies beside the store, because Snakemake deletes the store before another job may write it.
"""

import hashlib
import math
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr
import zarr.errors
from zarr.abc.buffer import Buffer
from zarr.storage import LocalStore

from latentdyn.errors import UserError
from latentdyn.files import canonical_json, read_handle, write_json
from latentdyn.stores.lock import Lock
from latentdyn.stores.verified import VerifiedFiles, file_facts

SCHEMA_VERSION = 3
CHUNK_FRAMES = 256
SHARD_FRAMES = 16_384
_CODES = "codes"
_OF_FRAMES = ("latents/c/", "energy_db/c/", "codes/c/")  # files that hold frames
_TABLE = ("utterance_id", "speaker_id", "start", "n_frames")
_FITTED = "fitted"
_COUNTED = 2**24  # numbers whose distinct values are counted, at most
_LEAST_COUNTED = 1000  # frames: of fewer, few values are no sign of a grid
_MOST_ON_GRID = 512  # distinct values of a dimension; eight bits give 256, float16 thousands
_OVERFLOWED, _SET_ASIDE = "overflowed_frames", "set_aside"
# facts that parts of one representation may differ in, and what the whole says
_JOINED: dict[str, Callable[[list[Any]], Any]] = {
    _OVERFLOWED: sum,
    _SET_ASIDE: lambda lists: [one for several in lists for one in several],
    "look_ahead_frames": max,  # of parts that other devices encoded, it may differ by rounding
    "look_ahead_ms": max,
}
_MADE_BY = "encode_latents, merge_latents, import_latents, derive_latents or simulate_process"


@dataclass(frozen=True)
class LatentsStore:
    """An opened store. files: verified when they are read. utterances: columns utterance_id, speaker_id, start,
    n_frames."""

    path: Path
    handle: dict[str, Any]
    files: VerifiedFiles
    utterances: pd.DataFrame

    @property
    def dim(self) -> int:
        return int(self.handle["dim"])

    @property
    def frame_rate_hz(self) -> float:
        return float(self.handle["frame_rate_hz"])

    @property
    def overflowed_frames(self) -> int:
        """Frames that were finite before they were stored, and are not in the store's dtype."""
        return int(self.handle.get(_OVERFLOWED, 0))

    @property
    def set_aside(self) -> list[dict[str, Any]]:
        """Utterances that were encoded to latents that are not finite, and left out: utterance_id, n_frames and
        nonfinite_frames of each."""
        return list(self.handle.get(_SET_ASIDE, []))

    @property
    def n_rows(self) -> int:
        """Rows of the flat array, those of no utterance included."""
        return int(self.handle["n_rows"])

    def array(self, name: str = "latents") -> zarr.Array[Any]:
        """An array of the store; reading from it verifies the files that are read."""
        array = self.files.group[name]
        assert isinstance(array, zarr.Array)
        return array

    def load(self) -> np.ndarray:
        """All rows, (n_rows, D) float32, read block by block into one array.

        Raises:
            UserError: a shard is not the one that the handle describes.
        """
        source, out = self.array(), np.empty((self.n_rows, self.dim), np.float32)
        block = _block_frames()
        for start in range(0, self.n_rows, block):
            out[start : start + block] = source[start : start + block]
        return out

    def load_energy(self) -> np.ndarray:
        """Levels of all rows, (n_rows,) float32 in dB."""
        return np.asarray(self.array("energy_db")[:], np.float32)

    def fitted(self) -> dict[str, np.ndarray]:
        """The arrays that this store's transform has learned, by name; none where there is nothing to learn.

        Raises:
            UserError: an array is not the one that the handle describes.
        """
        return {name: np.asarray(self.array(f"{_FITTED}/{name}")[...]) for name in self.handle.get(_FITTED, {})}

    def load_codes(self) -> np.ndarray:
        """The codes (n_rows, stages) int16 of dequantized frames.

        Raises:
            UserError: these frames were not made of codes.
        """
        if _CODES not in self.handle:
            raise UserError(
                f"the frames of '{self.handle['kind']}' were not made of codes",
                self.path,
                "ask for the codes of a representation of kind quantized",
            )
        return np.asarray(self.array(_CODES)[:], np.int16)

    def iterate(self) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
        """Utterances in store order: (table row, latents (T, D) float32, energy_db (T,))."""
        source, energy = self.array(), self.load_energy()
        first, latents = 0, np.empty((0, self.dim), np.float32)  # a block of rows, since each read costs much
        for row in self.utterances.itertuples(index=False):
            start, end = row.start, row.start + row.n_frames
            if start < first or end > first + len(latents):
                first, latents = start, np.asarray(source[start : max(end, start + _block_frames())], np.float32)
            yield row, latents[start - first : end - first], energy[start:end]


def store_path(handle: Path) -> Path:
    """The store that a handle stands for: the .zarr folder of the same name beside it."""
    return Path(handle).with_suffix(".zarr")


def open_latents(handle: Path) -> LatentsStore:
    """Open a store by its handle.

    Raises:
        UserError: handle or store missing, written by another version, or a shard is missing or truncated.
    """
    handle = Path(handle)
    facts = read_handle(handle, of="latents", holds={"files", "n_rows"}, made_by=_MADE_BY)
    fix = f"delete {handle} and run the same command again, so that Snakemake makes this store anew"
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise UserError(
            f"this latents store has schema version {facts.get('schema_version')}, not {SCHEMA_VERSION}",
            handle,
            f"{fix}, or use the latentdyn that wrote it",
        )
    path = store_path(handle)
    for name, file in facts["files"].items():
        size = (path / name).stat().st_size if (path / name).is_file() else None
        if size != file["bytes"]:
            state = "is missing" if size is None else f"has {size} bytes where {file['bytes']} were written"
            raise UserError(f"a file of this latents store {state}", path / name, fix)
    files = VerifiedFiles(path, facts["files"], fix)
    table = pd.DataFrame({name: np.asarray(files.group[name][:]) for name in _TABLE})  # type: ignore[index]
    return LatentsStore(path, facts, files, table.astype({"utterance_id": "str", "speaker_id": "str"}))


class _Folder(LocalStore):
    """A folder whose lock this process holds. zarr would make new files by hard links, which some file systems lack."""

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        if not await self.exists(key):
            await self.set(key, value)


class LatentsWriter:
    """Writes a store utterance by utterance, holding at most one shard in memory."""

    def __init__(
        self,
        handle: Path,
        dim: int,
        frame_rate_hz: float,
        dtype: str = "float32",
        fitted: Mapping[str, np.ndarray] | None = None,
        code_stages: int = 0,
        **facts: Any,
    ) -> None:
        """Start an empty store at `store_path(handle)`, replacing what is there.

        Args:
            fitted: arrays that the store's transform has learned, by name.
            code_stages: of the codes that frames were made of; 0 where there are none.
            facts: what the handle says beside: `causal` and what `stores.lineage` gives, at least.

        Raises:
            UserError: another writer is at work on this store.
        """
        self._handle, self._path = Path(handle), store_path(handle)
        self._lock = _lock(handle)
        self._facts = {"frame_rate_hz": frame_rate_hz, "dim": dim, "dtype": dtype, **facts}
        if fitted:
            self._facts[_FITTED] = {name: _array_sha256(array) for name, array in fitted.items()}
        self._handle.unlink(missing_ok=True)  # from here on there is no whole store
        shutil.rmtree(self._path, ignore_errors=True)
        if code_stages:
            self._facts[_CODES] = code_stages
        _create_arrays(self._path, 0, dim, dtype, code_stages)
        group = zarr.open_group(_Folder(self._path), mode="r+")
        _write_fitted(group, fitted or {})
        self._arrays = [group["latents"], group["energy_db"]]
        self._buffers = [np.empty((SHARD_FRAMES, dim), dtype), np.empty(SHARD_FRAMES, np.float32)]
        if code_stages:
            self._arrays.append(group[_CODES])
            self._buffers.append(np.empty((SHARD_FRAMES, code_stages), np.int16))
        self._written = self._filled = self._nonfinite = self._overflowed = 0
        self._table: list[tuple[str, str, int, int]] = []
        self._moments = _Moments.empty(dim)

    def append(
        self,
        utterance_id: str,
        speaker_id: str,
        latents: np.ndarray,
        energy_db: np.ndarray | None = None,
        codes: np.ndarray | None = None,
    ) -> None:
        """Add one utterance: latents (T, D), energy_db (T,) where there is audio, codes (T, stages) where there are."""
        if energy_db is None:
            energy_db = np.full(len(latents), np.nan, np.float32)
        if latents.shape != (len(energy_db), self._facts["dim"]):
            raise ValueError(
                f"latents {latents.shape} and energy {energy_db.shape} do not fit dim {self._facts['dim']}"
            )
        self._table.append((utterance_id, speaker_id, self._written + self._filled, len(latents)))
        done, rows = 0, (latents, energy_db) if codes is None else (latents, energy_db, codes)
        while done < len(latents):
            n = min(len(latents) - done, SHARD_FRAMES - self._filled)
            for buffer, values in zip(self._buffers, rows, strict=True):
                with np.errstate(over="ignore"):  # counted below
                    buffer[self._filled : self._filled + n] = values[done : done + n]
            lost = ~np.isfinite(self._buffers[0][self._filled : self._filled + n]).all(axis=1)
            if lost.any():
                self._overflowed += int(np.isfinite(latents[done : done + n][lost]).all(axis=1).sum())
            self._filled, done = self._filled + n, done + n
            if self._filled == SHARD_FRAMES:
                self._flush()

    def set_aside(self, utterance_id: str, n_frames: int, nonfinite_frames: int) -> None:
        """Note in the handle, under `set_aside`, an utterance that the store does not hold."""
        facts = {"utterance_id": utterance_id, "n_frames": n_frames, "nonfinite_frames": nonfinite_frames}
        self._facts.setdefault(_SET_ASIDE, []).append(facts)

    def close(self) -> dict[str, Any]:
        """Write what is left, the table and, last, the handle; returns the handle."""
        if self._filled:
            self._flush()
        if self._overflowed:
            self._facts[_OVERFLOWED] = self._overflowed
        table = pd.DataFrame(self._table, columns=list(_TABLE))
        facts = _finish(self._handle, self._facts, table, self._written, self._nonfinite, self._moments)
        self._lock.delete()
        return facts

    def _flush(self) -> None:
        n = self._filled
        for array, buffer in zip(self._arrays, self._buffers, strict=True):
            array.resize((self._written + n, *array.shape[1:]))  # type: ignore[union-attr]
            array[self._written : self._written + n] = buffer[:n]  # type: ignore[index]
        finite = np.isfinite(self._buffers[0][:n]).all(axis=1)
        self._nonfinite += int((~finite).sum())
        frames = self._buffers[0][:n]
        self._moments = self._moments.add(_Moments.of(frames if finite.all() else frames[finite]))
        self._written, self._filled = self._written + n, 0


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
    path, lock = store_path(handle), _lock(handle)
    Path(handle).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)
    bases = np.cumsum([0, *(math.ceil(store.n_rows / SHARD_FRAMES) for store in stores)])
    last = max((i for i, store in enumerate(stores) if store.n_rows), default=0)
    n_rows = int(bases[last]) * SHARD_FRAMES + stores[last].n_rows
    _create_arrays(path, n_rows, facts[0]["dim"], facts[0]["dtype"])
    _write_fitted(zarr.open_group(_Folder(path), mode="r+"), stores[0].fitted())
    known: dict[str, dict[str, Any]] = {}
    for base, store in zip(bases, stores, strict=False):
        for name, file in _shards(store.handle["files"]).items():
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
    moments = _Moments.empty(facts[0]["dim"])
    for store in stores:
        n = store.handle["n_frames"] - store.handle["nonfinite_frames"]
        mean, std = (np.asarray(store.array(name)[:], np.float64) for name in ("dim_mean", "dim_std"))
        moments = moments.add(_Moments(n, np.nan_to_num(mean), n * np.nan_to_num(std) ** 2))
    nonfinite = sum(store.handle["nonfinite_frames"] for store in stores)
    for name, join in _JOINED.items():
        if values := [store.handle[name] for store in stores if name in store.handle]:
            facts[0][name] = join(values)
    merged = _finish(Path(handle), facts[0], table, n_rows, nonfinite, moments, known)
    lock.delete()
    return merged


def _lock(handle: Path) -> Lock:
    return Lock(Path(handle).with_suffix(".lock"), store_path(handle))


def _block_frames() -> int:
    """Frames to read at once: few enough that memory is used again, where a whole shard is new pages each time."""
    return SHARD_FRAMES // 4


def _create_arrays(path: Path, n_rows: int, dim: int, dtype: str, code_stages: int = 0) -> None:
    group = zarr.open_group(_Folder(path), mode="w", zarr_format=3)
    arrays: list[tuple[str, tuple[int, ...], str, list[str]]] = [
        ("latents", (dim,), dtype, ["frame", "dim"]),
        ("energy_db", (), "float32", ["frame"]),
    ]
    if code_stages:
        arrays.append((_CODES, (code_stages,), "int16", ["frame", "stage"]))
    for name, shape, kind, axes in arrays:
        group.create_array(
            name,
            shape=(n_rows, *shape),
            chunks=(CHUNK_FRAMES, *shape),
            shards=(SHARD_FRAMES, *shape),
            dtype=kind,
            compressors=None,  # lossless compression saves 6 to 9 % of latents and costs half the speed
            fill_value=-1 if name == _CODES else math.nan,
            dimension_names=axes,
        )


def _finish(
    handle: Path,
    facts: dict[str, Any],
    table: pd.DataFrame,
    n_rows: int,
    nonfinite: int,
    moments: "_Moments",
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
        {name: file["sha256"] for name, file in _shards(files).items()},
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


def _shards(files: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Those of a store's files that hold frames."""
    return {name: file for name, file in files.items() if name.startswith(_OF_FRAMES)}


def _write_fitted(group: zarr.Group, fitted: Mapping[str, np.ndarray]) -> None:
    for name, array in fitted.items():
        axes = [f"{name}_{axis}" for axis in range(array.ndim)]
        _write_small(group, f"{_FITTED}/{name}", array, *axes, compressors=None)


def _write_small(group: zarr.Group, name: str, values: np.ndarray, *axes: str, **options: Any) -> None:
    chunks = tuple(max(1, n) for n in values.shape)
    array = group.create_array(
        name, shape=values.shape, chunks=chunks, dtype=values.dtype, dimension_names=axes, **options
    )
    if values.size:
        array[...] = values


def _array_sha256(array: np.ndarray) -> str:
    form = canonical_json([array.dtype.str, array.shape])
    return hashlib.sha256(form.encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, target)


@dataclass(frozen=True)
class _Moments:
    """Count, mean and sum of squared deviations per dimension, joined exactly (Chan, Golub & LeVeque 1979, eq. 2.1)."""

    n: int
    mean: np.ndarray
    m2: np.ndarray

    @classmethod
    def empty(cls, dim: int) -> "_Moments":
        return cls(0, np.zeros(dim), np.zeros(dim))

    @classmethod
    def of(cls, frames: np.ndarray) -> "_Moments":
        moments = cls.empty(frames.shape[1])
        for start in range(0, len(frames), CHUNK_FRAMES):  # a block stays in the cache: four times as fast as the whole
            block = frames[start : start + CHUNK_FRAMES].astype(np.float64)
            mean = block.mean(axis=0)
            block -= mean
            moments = moments.add(cls(len(block), mean, np.square(block, out=block).sum(axis=0)))
        return moments

    def add(self, other: "_Moments") -> "_Moments":
        n = self.n + other.n
        if not n:
            return self
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.n / n)
        return _Moments(n, mean, self.m2 + other.m2 + shift**2 * (self.n * other.n / n))

    def std(self) -> np.ndarray:
        return np.sqrt(self.m2 / self.n) if self.n else np.full_like(self.m2, np.nan)
