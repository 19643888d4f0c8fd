"""Writing a latents store, whatever makes the latents."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.files import canonical_json
from latentdyn.stores.frame_moments import FrameMoments
from latentdyn.stores.latents import CODES, FITTED, OVERFLOWED, SET_ASIDE, SHARD_FRAMES, TABLE
from latentdyn.stores.latents_files import finish_store, start_store


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
        self._handle = Path(handle)
        self._facts = {"frame_rate_hz": frame_rate_hz, "dim": dim, "dtype": dtype, **facts}
        if fitted:
            self._facts[FITTED] = {name: _array_sha256(array) for name, array in fitted.items()}
        if code_stages:
            self._facts[CODES] = code_stages
        self._lock, group = start_store(self._handle, 0, dim, dtype, fitted or {}, code_stages)
        self._arrays = [group["latents"], group["energy_db"]]
        self._buffers = [np.empty((SHARD_FRAMES, dim), dtype), np.empty(SHARD_FRAMES, np.float32)]
        if code_stages:
            self._arrays.append(group[CODES])
            self._buffers.append(np.empty((SHARD_FRAMES, code_stages), np.int16))
        self._written = self._filled = self._nonfinite = self._overflowed = 0
        self._table: list[tuple[str, str, int, int]] = []
        self._moments = FrameMoments.empty(dim)

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
        self._facts.setdefault(SET_ASIDE, []).append(facts)

    def close(self) -> dict[str, Any]:
        """Write what is left, the table and, last, the handle; returns the handle."""
        if self._filled:
            self._flush()
        if self._overflowed:
            self._facts[OVERFLOWED] = self._overflowed
        table = pd.DataFrame(self._table, columns=list(TABLE))
        facts = finish_store(self._handle, self._facts, table, self._written, self._nonfinite, self._moments)
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
        self._moments = self._moments.add(FrameMoments.of(frames if finite.all() else frames[finite]))
        self._written, self._filled = self._written + n, 0


def _array_sha256(array: np.ndarray) -> str:
    form = canonical_json([array.dtype.str, array.shape])
    return hashlib.sha256(form.encode() + np.ascontiguousarray(array).tobytes()).hexdigest()
