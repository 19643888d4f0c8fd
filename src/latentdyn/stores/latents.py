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
(see stores.verified). Here a store is read; `stores.latents_writer` and `stores.latents_merge` make one.

While a store is being written, its writer holds the lock `NAME.lock` (see stores.lock). A finished store has none. The
lock lies beside the store, because Snakemake deletes the store before another job may write it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import zarr

from latentdyn.errors import UserError
from latentdyn.files import read_handle
from latentdyn.stores.mapping import map_rows
from latentdyn.stores.verified import VerifiedFiles

SCHEMA_VERSION = 3
CHUNK_FRAMES = 256
SHARD_FRAMES = 16_384
CODES, FITTED = "codes", "fitted"
TABLE = ("utterance_id", "speaker_id", "start", "n_frames")
_TYPES = {"utterance_id": "str", "speaker_id": "str", "n_frames": "int32"}
OVERFLOWED, SET_ASIDE = "overflowed_frames", "set_aside"  # facts of the handle
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
        return int(self.handle.get(OVERFLOWED, 0))

    @property
    def set_aside(self) -> list[dict[str, Any]]:
        """Utterances that were encoded to latents that are not finite, and left out: utterance_id, n_frames and
        nonfinite_frames of each."""
        return list(self.handle.get(SET_ASIDE, []))

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
        """All rows, (n_rows, D) float32: the files themselves where that goes (see stores.mapping), or read block by
        block into one array, each shard ahead of its use.

        Raises:
            UserError: a shard is not the one that the handle describes.
        """
        source = self.array()
        if (mapped := map_rows(self.files, source)) is not None:
            return mapped
        out = np.empty((self.n_rows, self.dim), np.float32)
        shards = range(0, self.n_rows, SHARD_FRAMES)
        names = [f"{source.path}/{source.metadata.encode_chunk_key((shard, 0))}" for shard in range(len(shards))]
        for start, _ in zip(shards, self.files.ahead(names), strict=True):
            for first in range(start, min(start + SHARD_FRAMES, self.n_rows), _block_frames()):
                out[first : first + _block_frames()] = source[first : first + _block_frames()]
        return out

    def load_energy(self) -> np.ndarray:
        """Levels of all rows, (n_rows,) float32 in dB."""
        return np.asarray(self.array("energy_db")[:], np.float32)

    def fitted(self) -> dict[str, np.ndarray]:
        """The arrays that this store's transform has learned, by name; none where there is nothing to learn.

        Raises:
            UserError: an array is not the one that the handle describes.
        """
        return {name: np.asarray(self.array(f"{FITTED}/{name}")[...]) for name in self.handle.get(FITTED, {})}

    def load_codes(self) -> np.ndarray:
        """The codes (n_rows, stages) int16 of dequantized frames.

        Raises:
            UserError: these frames were not made of codes.
        """
        if CODES not in self.handle:
            raise UserError(
                f"the frames of '{self.handle['kind']}' were not made of codes",
                self.path,
                "ask for the codes of a representation of kind quantized",
            )
        return np.asarray(self.array(CODES)[:], np.int16)

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
    table = pd.DataFrame({name: np.asarray(files.group[name][:]) for name in TABLE})  # type: ignore[index]
    return LatentsStore(path, facts, files, table.astype(_TYPES))


def _block_frames() -> int:
    """Frames to read at once: few enough that memory is used again, where a whole shard is new pages each time."""
    return SHARD_FRAMES // 4
