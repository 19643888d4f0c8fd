"""Mimi (Défossez et al. 2024, "Moshi") without its quantizer: 512 dimensions at 12.5 Hz from 24 kHz audio.

`frames` says which sequence of it:

- `latent`: the output of encoder, transformer and downsampling, which the quantizer would project to 256 dimensions;
- `before_downsampling`: what goes into the downsampling, at twice the rate. To decode, it is downsampled first;
- `overlapping_views`: four encodings at 12.5 Hz of the audio, shifted by a quarter of a frame each and interleaved.
  Nothing in Mimi has this rate. Neighbouring frames cover the same audio for the most part, so much of what is
  predictable there is what they share. Every view is delayed, so that no frame knows audio after its own quarter. To
  decode, only every fourth frame is taken, the one whose view is not shifted.
"""

from typing import Any, Literal

import numpy as np
import torch
from transformers import MimiModel
from transformers.models.mimi.modeling_mimi import MimiConv1d, MimiConvTranspose1d

from latentdyn.codecs.causal import State
from latentdyn.codecs.seanet import SeanetCodec, _numpy
from latentdyn.codecs.tiling import Tile
from latentdyn.stores.quantizer import Group, Quantizer, codebooks

_FRAMES = {"latent": 1, "before_downsampling": 2, "overlapping_views": 4}  # of a frame at 12.5 Hz


class Mimi(SeanetCodec):
    """Mimi's continuous encoder and decoder; other arguments and errors are those of `SeanetCodec`.

    Args:
        frames: which sequence, see above.
    """

    model_class = MimiModel
    conv, conv_transpose = MimiConv1d, MimiConvTranspose1d
    example = "kyutai/mimi"

    def __init__(
        self,
        checkpoint: str,
        revision: str | None,
        tile_s: float,
        untrained: bool,
        frames: Literal["latent", "before_downsampling", "overlapping_views"],
        device: str = "cpu",
    ) -> None:
        super().__init__(checkpoint, revision, tile_s, untrained, device)
        self._frames, self._parts = frames, _FRAMES[frames]
        self._long_hop = self.hop_samples
        self.hop_samples //= self._parts
        self.tile_frames *= self._parts
        self.decode_look_ahead_frames = self._parts - 1  # a frame at 12.5 Hz ends with the last of its parts

    def quantizer(self) -> Quantizer | None:
        if self._frames != "latent":
            return None
        whole = self._model.quantizer
        return Quantizer(
            [
                _group(part)
                for part in (whole.semantic_residual_vector_quantizer, whole.acoustic_residual_vector_quantizer)
            ]
        )

    def _start(self, batch: int) -> Any:
        if self._frames != "overlapping_views":
            return {}
        return [{} for _ in range(self._parts)], np.zeros((batch, self._long_hop - self.hop_samples), np.float32)

    def _advance(self, audio: np.ndarray, state: Any) -> np.ndarray:
        if self._frames == "latent":
            return super()._advance(audio, state)
        if self._frames == "before_downsampling":
            with self._carry.of(state):
                return _numpy(self._heard(audio, state))
        views, past = state
        heard = np.concatenate([past, audio], axis=1)
        past[:] = heard[:, audio.shape[1] :]
        latents = np.empty((len(audio), audio.shape[1] // self.hop_samples, self.dim), np.float32)
        for view, own in enumerate(views):
            part = latents[:, view :: self._parts]
            start = view * self.hop_samples
            if part.shape[1]:
                shifted = np.ascontiguousarray(heard[:, start : start + part.shape[1] * self._long_hop])
                part[:] = super()._advance(shifted, own)
        return latents

    def _decode_tile(self, tile: Tile, state: State) -> np.ndarray:
        rows = tile.latents[tile.start - tile.first : tile.stop - tile.first]
        return super()._decode_tile(Tile(rows, tile.start, tile.start, tile.stop), state)

    def _decoding_layers(self) -> list[torch.nn.Module]:
        before = [self._encoder.downsample] if self._frames == "before_downsampling" else []
        return [*before, *super()._decoding_layers()]

    def _waveform(self, latents: torch.Tensor, state: State) -> torch.Tensor:
        frames = latents.shape[-1]
        lacking = -frames % self._parts  # only at the utterance's end, where the last frame stands for these
        latents = torch.cat([latents, latents[..., -1:].expand(-1, -1, lacking)], dim=-1)
        if self._frames == "before_downsampling":
            latents = self._encoder.downsample(latents)
        elif self._frames == "overlapping_views":
            latents = latents[..., self._parts - 1 :: self._parts]
        return super()._waveform(latents, state)[:, : frames * self.hop_samples]


def _group(quantizer: Any) -> Group:
    matrices = (quantizer.input_proj, quantizer.output_proj)
    ways = [None if m is None else np.ascontiguousarray(codebooks([m.weight[..., 0].T])[0]) for m in matrices]
    return Group(codebooks(layer.codebook.embed for layer in quantizer.layers), *ways)


CODEC = Mimi
