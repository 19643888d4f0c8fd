"""The frame index on disk: a row for each frame. It says whose the frame is, when it is, and which slices it is in.

`NAME.parquet`: row (in the latents store), utterance_id, speaker_id, split, t (frame number within the utterance),
position (t over the utterance's length, in [0, 1]), energy_db, valid (every latent finite), and a column for
each slice:

- all: every frame;
- high_energy: at or above the utterance's own median level, so that a quiet speaker counts like a loud one;
- utterance_medial: position between .1 and .9, away from onset and final silence.

`NAME.json`, the handle: counts by split, digests, the corpus and representation that it is of, and which frames lie so
far out that they decide a variance (see far_out). These are looked for once, and every measurement tells them.

It is made, written and read in blocks of whole utterances: steps hold a `FrameIndex`, which takes memory by utterances.
"""

import logging
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import check_folders, of_folders, read_handle, write_json
from latentdyn.parquet import read_parquet_blocks, write_parquet_blocks
from latentdyn.stores.far_out import FarOut, find_far_out
from latentdyn.stores.frame_index import FrameIndex, position
from latentdyn.stores.latents import SHARD_FRAMES, LatentsStore

log = logging.getLogger(__name__)

SCHEMA_VERSION = 2
_SHARE_DIGITS = 6  # rounding may differ between machines, and what the handle says must not
_BLOCK_FRAMES = 2**20
_MADE_BY = "index_frames"


def index_frames(store: LatentsStore, splits: pd.DataFrame) -> FrameIndex:
    """The frame index of a store.

    Args:
        splits: columns speaker_id, split.

    Raises:
        UserError: a speaker of the store has no split.
    """
    none = np.zeros(0, np.int64)
    index = FrameIndex.whole(store.utterances, speaker_splits(store, splits), none, none.astype(np.uint8))
    loud, invalid = _Bits(), [none]
    for block in index.blocks(_BLOCK_FRAMES):
        energy, row = _energy(store, block)
        utterance = np.repeat(np.arange(len(block.length)), block.length)
        loud.add(energy >= _medians(energy, utterance, len(block.length))[utterance])
        if store.handle["nonfinite_frames"]:
            number = block.number(block.owner[:1])
            invalid.append(number + np.flatnonzero(~_finite_rows(store, row)))
    return replace(index, invalid=np.concatenate(invalid), loud=loud.bytes())


def check_finite_share(store: LatentsStore, max_share: float) -> None:
    """Log how many frames of a store are not finite, and stop when it is too much.

    Raises:
        UserError: more than `max_share` of them; it names the dtype where that made them.
    """
    aside = store.set_aside
    bad = store.handle["nonfinite_frames"] + sum(utterance["n_frames"] for utterance in aside)
    n, overflowed = (
        store.handle["n_frames"] + sum(utterance["n_frames"] for utterance in aside),
        store.overflowed_frames,
    )
    if not bad:
        return
    dtype = store.handle["dtype"]
    what = f"{bad} of {n} frames ({bad / n:.1%}) are not finite"
    if aside:
        what += (
            f", or of the {len(aside)} utterances that were set aside because the codec gave some such frames (the "
            f"first is {aside[0]['utterance_id']}; the handle lists them)"
        )
    if overflowed:
        what += f"; {overflowed} of them were finite before they were stored as {dtype}, which holds none so large"
    if bad > max_share * n:
        raise UserError(
            f"{what}. Every frame near one is lost too, and more than the allowed share {max_share:.1%} are not finite",
            store.path,
            "store them as float32 (dtype of the representation), or look at how the latents were made; "
            "max_nonfinite_share of the corpus allows more",
        )
    log.warning("%s", what)


def speaker_splits(store: LatentsStore, splits: pd.DataFrame) -> dict[str, str]:
    """The split of each speaker, one for every speaker of the store.

    Args:
        splits: columns speaker_id, split.

    Raises:
        UserError: a speaker of the store has no split.
    """
    split_of = dict(zip(splits.speaker_id, splits.split, strict=True))
    unknown = sorted(set(store.utterances.speaker_id) - set(split_of))
    if unknown:
        raise UserError(
            f"{len(unknown)} speakers of the latents have no split (the first is {unknown[0]})",
            store.path,
            "rerun rule split_speakers for this corpus",
        )
    return split_of


def write_frames(path: Path, handle: Path, index: FrameIndex, store: LatentsStore) -> dict[str, Any]:
    """Write the index and, last, its handle; returns the handle."""
    digest = write_parquet_blocks(path, (_rows(store, block) for block in _blocks(index)))
    by_split = {split: index.of_splits(split) for split in index.splits}
    record = {
        "schema_version": SCHEMA_VERSION,
        "n_frames": len(index),
        "frames": {split: len(mine) for split, mine in by_split.items()},
        "speakers": {split: len(mine.speakers) for split, mine in by_split.items()},
        "invalid_frames": len(index.invalid),
        "far_out": [
            {**asdict(far), "share": round(far.share, _SHARE_DIGITS)} for far in find_far_out(store.load(), index)
        ],
        "latents_digest": store.handle["digest"],
        "digest": digest,
        **of_folders(handle, "corpus", "representation"),
    }
    write_json(handle, record)
    return record


def open_frames(handle: Path, store: LatentsStore) -> FrameIndex:
    """Read the index that a handle stands for (the .parquet beside it).

    Raises:
        UserError: missing, not as it was written, written by another version, or made of other latents.
    """
    read_frames_handle(handle, store)
    of = store.utterances
    counts = of["n_frames"].to_numpy()
    there = np.flatnonzero(counts)
    first = (np.cumsum(counts) - counts)[there]  # frames of the utterances that have some
    split_of: dict[str, str] = {}
    loud, invalid, done = _Bits(), [np.zeros(0, np.int64)], 0
    columns = ["split", "valid", "high_energy"]
    path = Path(handle).with_suffix(".parquet")
    for block in read_parquet_blocks(path, columns, made_by=_MADE_BY, handle=handle):
        begins = slice(*np.searchsorted(first, [done, done + len(block)]))
        splits = block["split"].iloc[first[begins] - done].astype(str)
        split_of |= dict(zip(of["speaker_id"].iloc[there[begins]], splits, strict=True))
        invalid.append(done + np.flatnonzero(~block["valid"].to_numpy()))
        loud.add(block["high_energy"].to_numpy())
        done += len(block)
    return FrameIndex.whole(of, split_of, np.concatenate(invalid), loud.bytes())


def read_frames_handle(handle: Path, store: LatentsStore) -> dict[str, Any]:
    """The handle of the index of a store's frames.

    Raises:
        UserError: as of `open_frames`, but for the index itself.
    """
    facts = read_handle(handle, of="a frame index", holds={"latents_digest"}, made_by=_MADE_BY)
    fix = f"delete {handle} and run the same command again: rule {_MADE_BY} makes it"
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise UserError("this frame index was written by another version", handle, fix)
    check_folders(handle, facts)
    if facts["latents_digest"] != store.handle["digest"]:
        raise UserError(f"this frame index belongs to other latents than {store.path}", handle, fix)
    return facts


def far_out(facts: dict[str, Any]) -> list[FarOut]:
    """The frames that decide a variance, as a handle has them: at most one entry of a split."""
    return [FarOut(**far) for far in facts["far_out"]]


class _Bits:
    """Truth values that come in parts, kept as bits, eight to a byte."""

    def __init__(self) -> None:
        self._bytes: list[np.ndarray] = []
        self._rest = np.zeros(0, bool)

    def add(self, values: np.ndarray) -> None:
        values = np.concatenate([self._rest, values])
        whole = len(values) // 8 * 8
        self._bytes.append(np.packbits(values[:whole]))
        self._rest = values[whole:]

    def bytes(self) -> np.ndarray:
        return np.concatenate([*self._bytes, np.packbits(self._rest)])


def _blocks(index: FrameIndex) -> Iterator[FrameIndex]:
    """In parts; one without frames where there is none."""
    yield from index.blocks(_BLOCK_FRAMES) if len(index) else [index]


def _rows(store: LatentsStore, block: FrameIndex) -> pd.DataFrame:
    """The rows of some whole utterances, as the file has them."""
    table = block.table()
    n_frames = block.utterances["n_frames"].to_numpy()[np.repeat(block.owner, block.length)]
    energy, _ = _energy(store, block)
    table.insert(5, "position", position(table["t"].to_numpy(), n_frames))
    table.insert(6, "energy_db", energy)
    return table


def _energy(store: LatentsStore, block: FrameIndex) -> tuple[np.ndarray, np.ndarray]:
    """The levels of these frames, and their rows."""
    row = block.rows()
    first = row.min(initial=store.n_rows)
    levels = store.array("energy_db")[first : row.max(initial=-1) + 1]
    return np.asarray(levels, np.float32)[row - first], row


def _finite_rows(store: LatentsStore, row: np.ndarray) -> np.ndarray:
    """Whether the frames at these rows are finite."""
    latents, first, end = store.array(), int(row.min()), int(row.max()) + 1
    edges = [*range(first, end, SHARD_FRAMES), end]
    parts = [np.isfinite(latents[start:stop]).all(axis=1) for start, stop in pairwise(edges)]
    finite: np.ndarray = np.concatenate(parts)[row - first]
    return finite


def _medians(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Lower median of `values` in each group (group numbers ascending); NaN for an empty group."""
    order = np.lexsort((values, group))
    counts = np.bincount(group, minlength=n_groups)
    middle = np.cumsum(counts) - counts + np.maximum(counts - 1, 0) // 2
    medians = np.full(n_groups, np.nan, values.dtype)
    medians[counts > 0] = values[order][middle[counts > 0]]
    return medians
