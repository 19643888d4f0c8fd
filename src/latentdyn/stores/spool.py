"""Encoded utterances on their way into a store: kept one by one, so that a killed job continues where it stopped.

A spool is a folder with `frames.f32` (appended rows of latents and level) and `ledger.jsonl` (a line for each finished
utterance, written after its rows: id, number of rows, and a digest of these, of the rows and of the folder's name). So
a killed process, and one whose disk is full, has lost no finished utterance. Both files are synced every few seconds
only, since a disk takes longer than a codec to finish an utterance: a machine that crashes may lose those since then.
When a spool is opened again, it is kept up to the first line that does not match its rows. What comes after is of an
utterance that was cut off, or is damaged; it is dropped and encoded again.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from latentdyn.errors import UserError
from latentdyn.files import canonical_json

log = logging.getLogger(__name__)

_SYNC_EVERY_S = 2.0


class Spool:
    """An append-only folder of encoded utterances, each (T, D) float32 with a level (T,) in dB."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder, self._dim = Path(folder), dim
        self._folder.mkdir(parents=True, exist_ok=True)
        self._done = self._read_ledger()
        # opened for appending after cutting off what no ledger line vouches for
        self._frames = open(self._folder / "frames.f32", "ab")  # noqa: SIM115
        self._frames.truncate(sum(n for n, _ in self._done.values()) * self._row_bytes)
        self._ledger = open(self._folder / "ledger.jsonl", "ab")  # noqa: SIM115
        self._ledger.truncate(sum(len(_line(name, *entry)) for name, entry in self._done.items()))
        self._synced = time.monotonic()

    @property
    def done(self) -> frozenset[str]:
        """Utterances that are finished and need not be encoded again."""
        return frozenset(self._done)

    def append(self, utterance_id: str, pieces: Iterable[tuple[np.ndarray, np.ndarray]]) -> int:
        """Write one utterance from its pieces, each latents (T_i, D) and energy_db (T_i,); returns T."""
        n, digest = 0, self._digest(utterance_id)
        for latents, energy_db in pieces:
            rows = np.concatenate([latents, energy_db[:, None]], axis=1).astype(np.float32)
            if rows.shape[1] != self._dim + 1:
                raise ValueError(f"latents {latents.shape} do not have {self._dim} dimensions")
            content = rows.tobytes()
            self._frames.write(content)
            digest.update(content)
            n += len(rows)
        self._frames.flush()
        self._ledger.write(_line(utterance_id, n, digest.hexdigest()))
        self._ledger.flush()
        self._done[utterance_id] = n, digest.hexdigest()
        if time.monotonic() - self._synced > _SYNC_EVERY_S:
            self.sync()
        return n

    def sync(self) -> None:
        """Make everything so far outlast a crash of the machine."""
        for file in (self._frames, self._ledger):
            file.flush()
            os.fsync(file.fileno())
        self._synced = time.monotonic()

    def read(self, utterance_ids: Iterable[str]) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Finished utterances in this order: id, latents (T, D), energy_db (T,).

        Raises:
            UserError: the rows of one are not those that were written.
        """
        starts, before = {}, 0
        for utterance_id, (n, _) in self._done.items():
            starts[utterance_id] = before
            before += n * self._row_bytes
        with open(self._folder / "frames.f32", "rb") as file:
            for utterance_id in utterance_ids:
                n, digest = self._done[utterance_id]
                file.seek(starts[utterance_id])
                content = self._rows_of(file, utterance_id, n, digest)
                if content is None:
                    raise UserError(
                        f"the encoded frames of {utterance_id} changed on the disk while this job worked",
                        self._folder,
                        "run the same command again: it encodes anew what is damaged, and keeps the rest",
                    )
                rows = np.frombuffer(content, np.float32).reshape(n, self._dim + 1)
                yield utterance_id, rows[:, : self._dim], rows[:, self._dim]

    def close(self) -> None:
        self.sync()
        self._frames.close()
        self._ledger.close()

    @property
    def _row_bytes(self) -> int:
        return 4 * (self._dim + 1)

    def _read_ledger(self) -> dict[str, tuple[int, str]]:
        """Rows and digest of each utterance, up to the first line that does not match its rows."""
        ledger, frames = self._folder / "ledger.jsonl", self._folder / "frames.f32"
        done: dict[str, tuple[int, str]] = {}
        if not ledger.exists() or not frames.exists():
            return done
        with open(frames, "rb") as file:
            for line in ledger.read_bytes().splitlines(keepends=True):
                with suppress(ValueError, TypeError, RecursionError):  # garbage: no JSON, or no such three values
                    utterance_id, n, digest = json.loads(line)
                    known = line == _line(utterance_id, n, digest) and utterance_id not in done
                    if known and self._rows_of(file, utterance_id, n, digest) is not None:
                        done[utterance_id] = n, digest
                        continue
                log.warning("%s is cut off or damaged after %d utterances: it goes on from there", ledger, len(done))
                break
        return done

    def _rows_of(self, file: BinaryIO, utterance_id: str, n: int, digest: str) -> bytes | None:
        """The next n rows of the file, if they are those that this digest was taken of."""
        content, expected = file.read(n * self._row_bytes), self._digest(utterance_id)
        expected.update(content)
        whole = len(content) == n * self._row_bytes
        return content if whole and expected.hexdigest() == digest else None

    def _digest(self, utterance_id: str) -> "hashlib._Hash":
        return hashlib.sha256(canonical_json([self._folder.name, utterance_id]).encode())


def _line(utterance_id: str, n_frames: int, digest: str) -> bytes:
    return (canonical_json([utterance_id, n_frames, digest]) + "\n").encode()
