"""Encoding and decoding tile by tile: the state that one tile leaves is what the next one starts from.

A subclass of `TiledCodec` says what that state is (`_start`, `_start_decoding`) and how to advance it by one
tile (`_advance`, `_decode_tile`). A whole utterance and a stream then go through the same loop, so they agree,
and the working memory is that of one tile whatever the length of the utterance.

An encoder or a decoder that is not causal carries no state: its tiles bring the audio, or the latents, on both sides
that their result depends on.
"""

import abc
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from latentdyn.errors import UserError
from latentdyn.stores.quantizer import Quantizer

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Tile:
    """The frames [start, stop) of an utterance, to be decoded, with the latents around them.

    Attributes:
        latents: (t, D) float32, the frames [first, first + t): [start, stop) and the decoder's look-ahead on
            both sides, as far as the utterance reaches.
    """

    latents: np.ndarray
    first: int
    start: int
    stop: int


class TiledCodec(abc.ABC):
    """`latentdyn.codecs.base.Codec` from a state and a step, for each direction."""

    needs_gpu: ClassVar[bool] = False
    sample_rate_hz: int
    hop_samples: int
    dim: int
    look_ahead_frames: int = 0
    start_look_ahead_frames: int = 0
    decode_look_ahead_frames: int = 0
    weights_sha256: str | None = None
    tile_frames: int

    @property
    def frame_rate_hz(self) -> float:
        return self.sample_rate_hz / self.hop_samples

    def quantizer(self) -> Quantizer | None:
        """The codec's own quantizer of its latents; None where it has none."""
        return None

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
            before = max(0, first - self.look_ahead_frames)
            after = min(end + self.look_ahead_frames, latents.shape[1])
            tile = audio[:, before * self.hop_samples : after * self.hop_samples]
            latents[:, first:end] = self._advance(_float32(tile), state)[:, first - before : end - before]
        return latents

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Encode one utterance that comes in blocks (n_i,) of any size; yields (T_i, D) float32."""
        state = self._start(1)
        tiles = cut(blocks, self.tile_frames * self.hop_samples, self.hop_samples)
        if not self.look_ahead_frames:  # nothing to lay beside a tile, so no copies
            yield from (self._advance(tile[None], state)[0] for tile in tiles)
            return
        hops = (tile.reshape(-1, self.hop_samples) for tile in tiles)
        for tile in cut_latents(hops, self.hop_samples, self.tile_frames, self.look_ahead_frames):
            yield self._advance(tile.latents.reshape(1, -1), state)[0, tile.start - tile.first : tile.stop - tile.first]

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode (T, D) to (T * hop,) float32 at `sample_rate_hz`.

        Raises:
            ValueError: `latents` is not (T, D).
        """
        audio, filled = np.empty(len(latents) * self.hop_samples, np.float32), 0
        for piece in self.decode_stream([latents]):
            audio[filled : filled + len(piece)] = piece
            filled += len(piece)
        return audio

    def decode_stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Decode one utterance that comes in blocks (T_i, D) of any size; yields (n_i,) float32.

        Raises:
            ValueError: a block is not (T_i, D).
        """
        state = self._start_decoding()
        for tile in cut_latents(blocks, self.dim, self.tile_frames, self.decode_look_ahead_frames):
            yield self._decode_tile(tile, state)

    def decoder_module(self) -> "nn.Module":
        """The decoder as a torch module, see `latentdyn.codecs.base.Codec`; a codec that has one says so itself.

        Raises:
            UserError: this codec has none.
        """
        raise UserError(
            "the decoder of this codec is no network of torch, so nothing can be differentiated through it",
            f"codec {type(self).__name__}",
            "take an encoder with a neural decoder (docs/codecs.md)",
        )

    @abc.abstractmethod
    def _start(self, batch: int) -> Any:
        """The mutable state of `batch` utterances of which nothing has been heard."""

    @abc.abstractmethod
    def _advance(self, audio: np.ndarray, state: Any) -> np.ndarray:
        """Encode the next (B, t * hop) float32 samples to (B, t, D), and leave the state at their end.

        Where the encoder looks ahead, the samples hold so many frames more on both sides, as far as the utterance
        reaches, and the caller leaves out the latents of these.
        """

    @abc.abstractmethod
    def _start_decoding(self) -> Any:
        """The mutable state of an utterance of which nothing has been decoded."""

    @abc.abstractmethod
    def _decode_tile(self, tile: Tile, state: Any) -> np.ndarray:
        """Decode the next tile to ((stop - start) * hop,) float32, and leave the state at its stop."""


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


def cut_latents(blocks: Iterable[np.ndarray], dim: int, tile_frames: int, margin_frames: int) -> Iterator[Tile]:
    """Cut blocks (T_i, D) of any sizes anew into tiles of `tile_frames`, with `margin_frames` on both sides.

    The last tile is what remains. At most a block, two tiles and the two margins are held.

    Raises:
        ValueError: a block is not (T_i, D).
    """
    held, first, start = np.empty((0, dim), np.float32), 0, 0

    def next_tile() -> Tile:
        stop = min(start + tile_frames, first + len(held))
        return Tile(held[: stop + margin_frames - first].copy(), first, start, stop)

    for block in blocks:
        if block.ndim != 2 or block.shape[1] != dim:
            raise ValueError(f"expected latents (T, {dim}), got {block.shape}")
        for offset in range(0, len(block), tile_frames):
            held = np.concatenate([held, block[offset : offset + tile_frames]], dtype=np.float32)
            while start + tile_frames + margin_frames <= first + len(held):
                yield (tile := next_tile())
                start = tile.stop
                first, held = _drop(held, first, start - margin_frames)
    while start < first + len(held):
        yield (tile := next_tile())
        start = tile.stop
        first, held = _drop(held, first, start - margin_frames)


def _drop(held: np.ndarray, first: int, needed: int) -> tuple[int, np.ndarray]:
    """What is held from frame `needed` on, where the first row is frame `first`."""
    gone = max(0, needed - first)
    return first + gone, held[gone:]


def _float32(audio: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(audio, np.float32)
