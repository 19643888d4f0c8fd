"""The frame index: a row for each frame. It says whose the frame is, when it is, and which slices it is in.

`NAME.parquet`: row (in the latents store), utterance_id, speaker_id, split, t (frame number within the utterance),
position (t over the utterance's length, in [0, 1]), energy_db, valid (every latent finite), and a column for
each slice:

- all: every frame;
- high_energy: at or above the utterance's own median level, so that a quiet speaker counts like a loud one;
- utterance_medial: position between .1 and .9, away from onset and final silence.

`NAME.json`, the handle: counts by split, digests, and the corpus and representation that it is of.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.files import check_folders, of_folders, read_handle, write_json
from latentdyn.parquet import read_parquet, write_parquet
from latentdyn.seeds import numpy_generator
from latentdyn.stores.latents import SHARD_FRAMES, LatentsStore

log = logging.getLogger(__name__)

SCHEMA_VERSION = 1
SLICES = ("all", "high_energy", "utterance_medial")
COLUMNS = ("row", "utterance_id", "speaker_id", "split", "t", "valid", *SLICES)
_MEDIAL = (0.1, 0.9)
_MADE_BY = "index_frames"


def index_frames(store: LatentsStore, splits: pd.DataFrame) -> pd.DataFrame:
    """The frame index of a store.

    Args:
        store: the latents.
        splits: columns speaker_id, split.

    Raises:
        UserError: a speaker of the store has no split.
    """
    table = store.utterances
    split_of = speaker_splits(store, splits)
    counts = table.n_frames.to_numpy()
    utterance = np.repeat(np.arange(len(table)), counts)
    t = np.arange(len(utterance)) - np.repeat(np.cumsum(counts) - counts, counts)
    row = table.start.to_numpy()[utterance] + t
    position = (t / np.maximum(counts - 1, 1)[utterance]).astype(np.float32)
    energy = store.load_energy()[row]

    def repeated(values: pd.Series) -> pd.Categorical:
        categories = pd.Categorical(values)
        return pd.Categorical.from_codes(categories.codes[utterance], dtype=categories.dtype)

    return pd.DataFrame(
        {
            "row": row,
            "utterance_id": repeated(table.utterance_id),
            "speaker_id": repeated(table.speaker_id),
            "split": repeated(table.speaker_id.map(split_of)),
            "t": t.astype(np.int32),
            "position": position,
            "energy_db": energy,
            "valid": _finite_rows(store)[row],
            "all": np.ones(len(row), bool),
            "high_energy": energy >= _medians(energy, utterance, len(table))[utterance],
            "utterance_medial": (position >= _MEDIAL[0]) & (position <= _MEDIAL[1]),
        }
    )


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


def write_frames(path: Path, handle: Path, frames: pd.DataFrame, store: LatentsStore) -> dict[str, Any]:
    """Write the index and, last, its handle; returns the handle."""
    digest = write_parquet(path, frames)
    by_split = frames.groupby("split", observed=True)
    record = {
        "schema_version": SCHEMA_VERSION,
        "n_frames": len(frames),
        "frames": {split: int(n) for split, n in by_split.size().items()},
        "speakers": {split: int(n) for split, n in by_split.speaker_id.nunique().items()},
        "invalid_frames": int((~frames.valid).sum()),
        "latents_digest": store.handle["digest"],
        "digest": digest,
        **of_folders(handle, "corpus", "representation"),
    }
    write_json(handle, record)
    return record


def open_frames(handle: Path, store: LatentsStore, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Read the index that a handle stands for (the .parquet beside it).

    Args:
        columns: those to read; at 20 million frames all of them take 0.4 GB.

    Raises:
        UserError: missing, not as it was written, written by another version, or made of other latents.
    """
    read_frames_handle(handle, store)
    return read_parquet(Path(handle).with_suffix(".parquet"), columns, made_by=_MADE_BY, handle=handle)


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


def subsample_frames(frames: pd.DataFrame, limit: int, names: tuple[object, ...]) -> pd.DataFrame:
    """At most `limit` frames, drawn by name and in their order."""
    return frames if len(frames) <= limit else frames.iloc[_subsample(len(frames), limit, names)]


def subsample_split(frames: pd.DataFrame, split: str, limit: int, names: tuple[object, ...]) -> pd.DataFrame:
    """At most `limit` frames of a split, drawn by name and in their order; no more than these are copied."""
    places = np.flatnonzero(frames["split"] == split)
    return frames.iloc[places if len(places) <= limit else places[_subsample(len(places), limit, names)]]


def share_of_speakers(frames: pd.DataFrame, speaker_of: pd.Series, limit: int, names: tuple[object, ...]) -> np.ndarray:
    """Which frames to take, so that they are at most `limit`: whole utterances, one of each speaker in turn.

    The last utterance is cut, so that they are exactly so many if there are so many. Whole utterances lie together in
    the store: fewer of its files are read.

    Args:
        frames: with `utterance_id`; the frames of an utterance stand in their order. speaker_of: by utterance_id.
        names: of the draw.

    Returns:
        A mask over the rows of `frames`.
    """
    owner, utterances = pd.factorize(frames["utterance_id"])
    lengths, speakers = np.bincount(owner), speaker_of[utterances].to_numpy()
    drawn = numpy_generator(*names, "share of speakers").permutation(len(utterances))
    turn = pd.Series(speakers[drawn]).groupby(speakers[drawn]).cumcount().to_numpy()
    drawn = drawn[np.argsort(turn, kind="stable")]
    before = np.zeros(len(utterances), np.int64)
    before[drawn] = np.cumsum(lengths[drawn]) - lengths[drawn]
    taken: np.ndarray = before[owner] + pd.Series(owner).groupby(owner).cumcount().to_numpy() < limit
    return taken


def _subsample(n: int, limit: int, names: tuple[object, ...]) -> np.ndarray:
    """`limit` of n places, ascending."""
    return np.sort(numpy_generator(*names, "subsample").choice(n, limit, replace=False))


def _finite_rows(store: LatentsStore) -> np.ndarray:
    if not store.handle["nonfinite_frames"]:
        return np.ones(store.n_rows, bool)
    latents = store.array()
    blocks = [np.isfinite(latents[i : i + SHARD_FRAMES]).all(axis=1) for i in range(0, store.n_rows, SHARD_FRAMES)]
    return np.concatenate(blocks)


def _medians(values: np.ndarray, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Lower median of `values` in each group (group numbers ascending); NaN for an empty group."""
    order = np.lexsort((values, group))
    counts = np.bincount(group, minlength=n_groups)
    middle = np.cumsum(counts) - counts + np.maximum(counts - 1, 0) // 2
    medians = np.full(n_groups, np.nan, values.dtype)
    medians[counts > 0] = values[order][middle[counts > 0]]
    return medians
