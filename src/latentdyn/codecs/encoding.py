"""From recordings to latents and the level of the audio under each frame.

A recording is streamed, so that memory does not grow with its length. Short ones can be encoded in batches of like
length: a GPU needs that. Then recordings are read in threads of their own, ahead of the codec, and what it encoded is
written while it goes on.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.codecs.base import Codec, frame_count
from latentdyn.corpus.audio import audio_blocks, read_audio
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.stores.spool import Spool

_FLOOR_DB = -120.0
_SHORT_S = 60.0  # a recording of at most this length may be held as a whole
_READERS = 4
_AHEAD = 8  # recordings that are read, or fetched from the disk, before they are needed, at least
_FETCHED_BYTES = 1 << 24  # of each

_Pieces = Iterator[tuple[np.ndarray, np.ndarray]]
_Write = Callable[[list[tuple["_Recording", _Pieces]]], None]


def encode_recordings(part: pd.DataFrame, audio: Path, codec: Codec, spool: Spool, batch_s: float = 0.0) -> None:
    """Encode the utterances of `part` (utterance_id, path, sha256, ...) that the spool does not hold yet.

    Args:
        batch_s: seconds of audio to encode at once, while threads read the next recordings and write the last ones; 0
            encodes one recording at a time, in the order of `part`, on this thread alone.

    Raises:
        UserError: a recording is missing, is another than the manifest lists, or cannot be read to its end; what is
            finished stays in the spool.
    """
    part = part.assign(duration_s=part["n_samples"] / part["sample_rate_hz"])
    waiting = part[~part["utterance_id"].isin(spool.done)]
    total_s = float(part["duration_s"].sum()) * (1 + 1e-9)  # tqdm warns if a sum in another order is larger by a digit
    with progress(total=total_s, unit="s", unit_scale=True, desc="audio") as bar:
        bar.update(float(part["duration_s"].sum() - waiting["duration_s"].sum()))

        def write(encoded: list[tuple[_Recording, _Pieces]]) -> None:
            for recording, pieces in encoded:
                spool.append(recording.utterance_id, _checked(pieces, recording))
                bar.update(recording.duration_s)

        try:
            if batch_s:
                _encode_batches(waiting, audio, codec, batch_s, write)
            else:
                for row in _fetched(waiting, audio):
                    recording = _found(row, audio, codec)
                    write([(recording, _streamed(codec, recording))])
        finally:
            spool.sync()


@dataclass(frozen=True)
class _Recording:
    """duration_s: as the manifest has it. frames: so many the manifest makes of it. whole: the samples (n,) and levels
    (T,) of a short one that was read ahead."""

    utterance_id: str
    path: Path
    duration_s: float
    frames: float
    whole: tuple[np.ndarray, np.ndarray] | None = None


def _found(row: Any, audio: Path, codec: Codec) -> _Recording:
    path, duration_s = audio / str(row.path), float(row.duration_s)
    check_unchanged(path, str(row.sha256))
    return _Recording(str(row.utterance_id), path, duration_s, duration_s * codec.frame_rate_hz)


def _fetched(waiting: pd.DataFrame, audio: Path) -> Iterator[Any]:
    """The rows, in order, while the system fetches the recordings of the next ones from the disk.

    Threads that decode ahead would not help: they and this one take turns at Python's lock a hundred times a recording,
    which takes longer than to decode it.
    """
    coming: deque[Any] = deque()
    for row in waiting.itertuples(index=False):
        coming.append(row)
        _fetch(audio / str(row.path))
        if len(coming) > _AHEAD:
            yield coming.popleft()
    yield from coming


def _fetch(path: Path) -> None:
    """Ask the system for a file's content, and do not wait for it."""
    with suppress(OSError, AttributeError):  # whoever reads the file is told what is wrong; a system without this
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a pipe would wait for who writes into it
        try:
            os.posix_fadvise(file, 0, _FETCHED_BYTES, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)


def _encode_batches(waiting: pd.DataFrame, audio: Path, codec: Codec, batch_s: float, write: _Write) -> None:
    """Encode batches while threads read what goes into the next one, and write what came out of the last one."""
    with ThreadPoolExecutor(_READERS) as readers, ThreadPoolExecutor(1) as writer:
        written: Future[None] | None = None
        try:
            for batch in _read_ahead(readers, _batches(waiting, batch_s), audio, codec):
                encoded = _encoded(codec, batch)
                if written:
                    written.result()
                if batch[0].whole is None:  # long, and encoded only as it is written: here, where Ctrl-C ends it
                    write(encoded)
                else:
                    written = writer.submit(write, encoded)
            if written:
                written.result()
        finally:
            readers.shutdown(cancel_futures=True)
            writer.shutdown()


def _read(row: Any, audio: Path, codec: Codec) -> _Recording:
    recording = _found(row, audio, codec)
    if recording.duration_s > _SHORT_S:
        return recording
    samples = read_audio(recording.path, codec.sample_rate_hz)
    return replace(recording, whole=(samples, _levels(samples, codec.hop_samples)))


def _batches(waiting: pd.DataFrame, batch_s: float) -> Iterator[list[Any]]:
    """Rows of recordings that are encoded together: of like length, and not more seconds than asked for, padding
    included."""
    batch: list[Any] = []
    for row in waiting.sort_values("duration_s", kind="stable").itertuples(index=False):
        together = row.duration_s <= _SHORT_S and (len(batch) + 1) * row.duration_s <= batch_s
        if batch and not together:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _read_ahead(
    readers: ThreadPoolExecutor, batches: Iterable[list[Any]], audio: Path, codec: Codec
) -> Iterator[list[_Recording]]:
    """The recordings of each batch, in order; the next ones are read meanwhile."""
    coming: deque[list[Future[_Recording]]] = deque()
    for batch in batches:
        coming.append([readers.submit(_read, row, audio, codec) for row in batch])
        if sum(map(len, coming)) >= _AHEAD + len(coming[0]):
            yield [future.result() for future in coming.popleft()]
    while coming:
        yield [future.result() for future in coming.popleft()]


def _encoded(codec: Codec, batch: Sequence[_Recording]) -> list[tuple[_Recording, _Pieces]]:
    """Each recording of the batch with its latents and levels, in pieces."""
    if batch[0].whole is None:
        (long,) = batch
        return [(long, _streamed(codec, long))]
    whole = [recording.whole for recording in batch if recording.whole is not None]
    if len(batch) == 1:
        ((samples, level),) = whole
        latents = np.concatenate([np.empty((0, codec.dim), np.float32), *codec.stream([samples])])
        return [(batch[0], iter([(latents, level)]))]
    padded = np.zeros((len(batch), max(len(level) for _, level in whole) * codec.hop_samples), np.float32)
    for line, (samples, _) in zip(padded, whole, strict=True):
        line[: len(samples)] = samples
    latents = codec.encode(padded)
    return [
        (recording, iter([(encoded[: len(level)], level)]))
        for recording, encoded, (_, level) in zip(batch, latents, whole, strict=True)
    ]


def _streamed(codec: Codec, recording: _Recording) -> _Pieces:
    return encode_stream(codec, audio_blocks(recording.path, codec.sample_rate_hz))


def _checked(pieces: _Pieces, recording: _Recording) -> _Pieces:
    """The pieces as they are, refused at their end if they are not as many frames as the manifest says."""
    n = 0
    for latents, energy_db in pieces:
        n += len(latents)
        yield latents, energy_db
    if abs(n - recording.frames) > 2:
        raise UserError(
            f"this recording gave {n} frames where its length in the manifest makes {recording.frames:.0f}",
            recording.path,
            "it changed since the manifest was built: rerun Snakemake with `--forcerun build_manifest` (of a corpus "
            "with manifest_parts `--forcerun inspect_recordings`)",
        )


def encode_stream(codec: Codec, blocks: Iterator[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Encode one utterance piece by piece.

    Args:
        blocks: mono audio at the codec's rate, float32.

    Yields:
        (latents (T_i, D), energy_db (T_i,)): the level is the mean power of the frame's own hop of audio, dB re full
        scale, not below -120; a last, incomplete hop is averaged over what there is.
    """
    meter = _LevelMeter(codec.hop_samples)
    for latents in codec.stream(meter.listen(blocks)):
        yield latents, meter.take(len(latents))


def _levels(audio: np.ndarray, hop_samples: int) -> np.ndarray:
    """The levels (T,) of a whole recording (n,), see `encode_stream`."""
    meter = _LevelMeter(hop_samples)
    for _ in meter.listen(iter([audio])):
        pass
    return meter.take(frame_count(len(audio), hop_samples))


class _LevelMeter:
    """Measures the level of a stream of audio that passes through."""

    def __init__(self, hop_samples: int) -> None:
        self._hop = hop_samples
        self._rest = np.empty(0, np.float32)
        self._levels: list[np.ndarray] = []

    def listen(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for block in blocks:
            joined = np.concatenate([self._rest, block]) if len(self._rest) else block
            whole = len(joined) - len(joined) % self._hop
            self._rest = joined[whole:]
            power = np.square(joined[:whole].reshape(-1, self._hop), dtype=np.float64).mean(axis=1)
            self._levels.append(_decibels(power))
            yield block
        if len(self._rest):
            self._levels.append(_decibels(np.square(self._rest, dtype=np.float64).mean(keepdims=True)))

    def take(self, n: int) -> np.ndarray:
        """The next n levels; a codec never yields a frame before it has heard its hop."""
        levels = np.concatenate(self._levels) if self._levels else np.empty(0, np.float32)
        self._levels = [levels[n:]]
        if len(levels) < n:
            raise ValueError(f"the codec yielded {n} frames after {len(levels)} hops of audio")
        return levels[:n]


def _decibels(power: np.ndarray) -> np.ndarray:
    levels: np.ndarray = 10 * np.log10(np.maximum(power, 10 ** (_FLOOR_DB / 10)))
    return levels.astype(np.float32)
