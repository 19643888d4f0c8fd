"""DAC (Kumar et al. 2023) without its quantizer: 1024 dimensions from 16, 24 or 44.1 kHz audio.

Frames come at 50, 75 or 86.13 Hz. (The checkpoint's own `frame_rate` is rounded up.) Its convolutions look to both
sides: a frame depends on about 8 frames of audio after its own, some 85 to 160 ms. So its latents at staleness k = 1
know some of the future; `look_ahead_ms` in the handle says how much.

Nothing is carried from tile to tile. A tile brings as many frames on both sides as a frame depends on, so tiles give
what the whole clip gives. Where strides are odd the decoder's output ends up to 8 samples early; zeros fill it up.
"""

import math
from typing import Any, cast

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import DacModel

from latentdyn.codecs.causal import Carry, State, WholeDecoder
from latentdyn.codecs.checkpoint import load_model, weights_sha256
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.stores.quantizer import Group, Quantizer, codebooks

_RELEASED = {  # what the released models' configs say beyond the defaults, for untrained ones
    "descript/dac_16khz": {"sampling_rate": 16000, "downsampling_ratios": [2, 4, 5, 8]},
    "descript/dac_24khz": {"sampling_rate": 24000, "downsampling_ratios": [2, 4, 5, 8]},
    "descript/dac_44khz": {"sampling_rate": 44100, "downsampling_ratios": [2, 4, 8, 8]},
}
_ENDS, _LAST = 3, 1  # reach of the outer convolutions (7 taps), and of the encoder's last (3 taps)
_UNITS = 3 * (1 + 3 + 9)  # reach of a block's three residual units (7 taps, dilated by 1, 3 and 9)


class DAC(TiledCodec):
    """DAC's continuous encoder and decoder.

    Args:
        checkpoint: hub id, or a local folder with config.json and safetensors weights.
        revision: commit of the hub repository.
        tile_s: seconds encoded or decoded at a time; the result does not depend on it, memory and speed do.
        untrained: take random weights, and only the architecture from the checkpoint.

    Raises:
        UserError: the checkpoint cannot be loaded.
    """

    needs_gpu = True

    def __init__(
        self, checkpoint: str, revision: str | None, tile_s: float, untrained: bool, device: str = "cpu"
    ) -> None:
        model = load_model(DacModel, checkpoint, revision, untrained, device, _RELEASED.get(checkpoint))
        config = model.config
        self.sample_rate_hz, self.hop_samples, self.dim = config.sampling_rate, config.hop_length, config.hidden_size
        self.tile_frames = max(1, round(tile_s * self.frame_rate_hz))
        self.look_ahead_frames = math.ceil(_encoder_reach(config.downsampling_ratios) / self.hop_samples)
        self.decode_look_ahead_frames = _decoder_reach(config.upsampling_ratios)
        self.weights_sha256 = weights_sha256(model)
        self._encoder, self._decoder, self._device = model.encoder, model.decoder, device
        self._stages = model.quantizer.quantizers
        self._carry = Carry()

    def quantizer(self) -> Quantizer:
        return Quantizer([_group(stage) for stage in self._stages])

    def _start(self, batch: int) -> None:
        return None

    def _advance(self, audio: np.ndarray, state: None) -> np.ndarray:
        with self._carry.of({}):
            x = torch.from_numpy(audio).to(self._device)[:, None]
            return cast(np.ndarray, self._encoder(x).transpose(1, 2).cpu().numpy())

    def _start_decoding(self) -> None:
        return None

    def _decode_tile(self, tile: Tile, state: None) -> np.ndarray:
        with self._carry.of({}):
            z = torch.from_numpy(tile.latents).to(self._device).T[None]
            sound = self._waveform(z, {})[0].cpu().numpy()
        start, stop = ((frame - tile.first) * self.hop_samples for frame in (tile.start, tile.stop))
        return sound[start:stop]

    def _waveform(self, latents: torch.Tensor, state: State) -> torch.Tensor:
        sound = self._decoder(latents)[:, 0]
        return functional.pad(sound, (0, latents.shape[-1] * self.hop_samples - sound.shape[-1]))

    def decoder_module(self) -> nn.Module:
        return WholeDecoder(self._decoder, self._carry, self._waveform)


def _group(stage: Any) -> Group:
    """A stage: a few dimensions of what is left, the codeword of the nearest direction, and the way back from it."""
    tensors = (stage.in_proj.weight[..., 0].T, stage.out_proj.weight[..., 0].T, stage.in_proj.bias, stage.out_proj.bias)
    ways = (np.ascontiguousarray(t.detach().cpu().numpy(), np.float32) for t in tensors)
    return Group(codebooks([stage.codebook.weight]), *ways)


def _encoder_reach(ratios: Any) -> int:
    """Samples on either side of a frame that it depends on, at most."""
    reach, step = _ENDS, 1
    for ratio in ratios:
        # the strided convolution has 2 ratio taps, which begin ceil(ratio / 2) before the first of its own
        reach += (_UNITS + math.ceil(ratio / 2)) * step
        step *= ratio
    return reach + _LAST * step


def _decoder_reach(ratios: Any) -> int:
    """Frames on either side of a frame that its audio depends on, at most."""
    reach = _ENDS
    for ratio in reversed(ratios):
        reach = math.ceil((reach + _UNITS) / ratio) + 1
    return reach + _ENDS


CODEC = DAC
