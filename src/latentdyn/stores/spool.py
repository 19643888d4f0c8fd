"""Encoded utterances on their way into a store: kept one by one, so that a killed job continues where it stopped.

A spool is a folder with `frames.f32` (appended rows of latents and level) and `ledger.jsonl` (a line for each finished
utterance, written after its rows are on the disk). Rows after the last ledger line belong to an utterance that was cut
off; they are dropped when the spool is opened again.
"""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from latentdyn.files import canonical_json


class Spool:
    """An append-only folder of encoded utterances, each (T, D) float32 with a level (T,) in dB."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder, self._dim = Path(folder), dim
        self._folder.mkdir(parents=True, exist_ok=True)
        self._done = dict(self._read_ledger())
        self._rows = sum(self._done.values())
        # opened for appending after cutting off what no ledger line vouches for
        self._frames = open(self._folder / "frames.f32", "ab")  # noqa: SIM115
        self._frames.truncate(self._rows * self._row_bytes)
        self._ledger = open(self._folder / "ledger.jsonl", "ab")  # noqa: SIM115
        self._ledger.truncate(sum(len(_line(*entry)) for entry in self._done.items()))

    @property
    def done(self) -> frozenset[str]:
        """Utterances that are finished and need not be encoded again."""
        return frozenset(self._done)

    def append(self, utterance_id: str, pieces: Iterable[tuple[np.ndarray, np.ndarray]]) -> int:
        """Write one utterance from its pieces, each latents (T_i, D) and energy_db (T_i,); returns T."""
        n = 0
        for latents, energy_db in pieces:
            rows = np.concatenate([latents, energy_db[:, None]], axis=1).astype(np.float32)
            if rows.shape[1] != self._dim + 1:
                raise ValueError(f"latents {latents.shape} do not have {self._dim} dimensions")
            self._frames.write(rows.tobytes())
            n += len(rows)
        self._sync(self._frames)
        self._ledger.write(_line(utterance_id, n))
        self._sync(self._ledger)
        self._done[utterance_id] = n
        self._rows += n
        return n

    def __iter__(self) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Finished utterances in the order they were appended: id, latents (T, D), energy_db (T,)."""
        start = 0
        with open(self._folder / "frames.f32", "rb") as file:
            for utterance_id, n in self._done.items():
                file.seek(start * self._row_bytes)
                rows = np.frombuffer(file.read(n * self._row_bytes), np.float32).reshape(n, self._dim + 1)
                yield utterance_id, rows[:, : self._dim], rows[:, self._dim]
                start += n

    def close(self) -> None:
        self._frames.close()
        self._ledger.close()

    @property
    def _row_bytes(self) -> int:
        return 4 * (self._dim + 1)

    def _read_ledger(self) -> Iterator[tuple[str, int]]:
        ledger, frames = self._folder / "ledger.jsonl", self._folder / "frames.f32"
        if not ledger.exists():
            return
        rows, available = 0, (frames.stat().st_size if frames.exists() else 0) // self._row_bytes
        for line in ledger.read_bytes().splitlines(keepends=True):
            if not line.endswith(b"\n"):
                return  # the last line was cut off
            utterance_id, n = json.loads(line)
            rows += n
            if rows > available:
                return
            yield utterance_id, n

    @staticmethod
    def _sync(file: Any) -> None:
        file.flush()
        os.fsync(file.fileno())


def _line(utterance_id: str, n_frames: int) -> bytes:
    return (canonical_json([utterance_id, n_frames]) + "\n").encode()
