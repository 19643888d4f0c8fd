"""Causal encoding tile by tile: the state that one tile leaves is what the next one starts from.

A subclass of `TiledCodec` says what that state is (`_start`) and how to advance it by one tile
(`_advance`); encoding a batch and streaming an utterance then are the same loop, so they agree, and the
working memory is that of one tile whatever the length of the clip.
"""

import abc
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np


class TiledCodec(abc.ABC):
    """`latentdyn.codecs.base.Codec` from a state and a step."""

    sample_rate_hz: int
    hop_samples: int
    dim: int
    causal: bool = True
    start_look_ahead_frames: int = 0
    tile_frames: int

    @property
    def frame_rate_hz(self) -> float:
        return self.sample_rate_hz / self.hop_samples

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encode (B, n) float32, n a multiple of the hop, to (B, T, D) float32 with T = n / hop.

        Raises:
            ValueError: `audio` is not (B, n) or n is not a whole number of hops.
        """
        if audio.ndim != 2 or audio.shape[1] % self.hop_samples:
            raise ValueError(f"expected (B, n) with n a multiple of {self.hop_samples}, got {audio.shape}")
        batch, samples = audio.shape
        latents = np.empty((batch, samples // self.hop_samples, self.dim), np.float32)
        state = self._start(batch)
        for first in range(0, latents.shape[1], self.tile_frames):
            end = min(first + self.tile_frames, latents.shape[1])
            tile = audio[:, first * self.hop_samples : end * self.hop_samples]
            latents[:, first:end] = self._advance(_float32(tile), state)
        return latents

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Encode one utterance that comes in blocks (n_i,) of any size; yields (T_i, D) float32."""
        state = self._start(1)
        for tile in cut(blocks, self.tile_frames * self.hop_samples, self.hop_samples):
            yield self._advance(tile[None], state)[0]

    @abc.abstractmethod
    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode (T, D) to (T * hop,) float32 at `sample_rate_hz`."""

    @abc.abstractmethod
    def _start(self, batch: int) -> Any:
        """The mutable state of `batch` utterances of which nothing has been heard."""

    @abc.abstractmethod
    def _advance(self, audio: np.ndarray, state: Any) -> np.ndarray:
        """Encode the next (B, t * hop) float32 samples to (B, t, D), and leave the state at their end."""


def cut(blocks: Iterable[np.ndarray], tile_samples: int, hop_samples: int) -> Iterator[np.ndarray]:
    """Cut blocks (n_i,) of any sizes anew into tiles of `tile_samples`, float32.

    The last tile is what remains, padded with zeros to a whole hop. At most a block and a tile are held.
    """
    tile, filled = np.zeros(tile_samples, np.float32), 0
    for block in blocks:
        taken = 0
        while taken < len(block):
            n = min(tile_samples - filled, len(block) - taken)
            tile[filled : filled + n] = block[taken : taken + n]
            taken, filled = taken + n, filled + n
            if filled == tile_samples:
                yield tile
                tile, filled = np.zeros(tile_samples, np.float32), 0
    if filled:
        yield tile[: -(-filled // hop_samples) * hop_samples]


def _float32(audio: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(audio, np.float32)
