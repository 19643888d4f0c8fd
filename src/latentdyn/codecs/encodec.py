"""EnCodec (Défossez et al. 2022) without its quantizer: 128 dimensions at 75 Hz from 24 kHz audio.

Encoder and decoder are causal and work in tiles that carry the left context of every convolution and the
LSTM's state. The weight norm is folded into the weights. Models that normalise over time (the 48 kHz one) are
not causal and are refused.

EnCodec pads the start of every convolution by *reflection*, so the first frames are not causal: frame 0
depends on audio up to and including frame 6 (80 ms ahead), frames 1 and 2 on audio up to frames 5 and 4;
from frame 3 on nothing looks ahead. An utterance shorter than 7 frames is therefore the one case in which
zeros appended to it change its frames. Decoding starts in the same way, and there the LSTM follows the
reflection: the audio of each of the frames 0 to 5 depends on the latents up to frame 6.
"""

from typing import cast

import numpy as np
import torch
from torch import nn
from transformers import EncodecModel
from transformers.models.encodec.modeling_encodec import EncodecConv1d, EncodecConvTranspose1d, EncodecLSTM

from latentdyn.codecs.causal import (
    Carry,
    CarryingConv1d,
    CarryingConvTranspose1d,
    CarryingLSTM,
    State,
    WholeDecoder,
    replace_layers,
)
from latentdyn.codecs.checkpoint import load_model, weights_sha256
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError
from latentdyn.stores.quantizer import Group, Quantizer, codebooks


class EnCodec(TiledCodec):
    """EnCodec's continuous encoder and decoder.

    Args:
        checkpoint: hub id, or a local folder with config.json and safetensors weights.
        revision: commit of the hub repository.
        tile_s: seconds encoded or decoded at a time; the result does not depend on it, memory and speed do.
        untrained: take random weights, and only the architecture from the checkpoint.

    Raises:
        UserError: the checkpoint cannot be loaded or is not a causal mono EnCodec, or a tile is shorter than
            what the reflection at the start of a clip needs.
    """

    needs_gpu = True

    def __init__(
        self, checkpoint: str, revision: str | None, tile_s: float, untrained: bool, device: str = "cpu"
    ) -> None:
        model = load_model(EncodecModel, checkpoint, revision, untrained, device)
        config = model.config
        if (
            not config.use_causal_conv
            or config.audio_channels != 1
            or config.trim_right_ratio != 1
            or config.norm_type != "weight_norm"
            or config.normalize
        ):
            raise UserError(
                f"this EnCodec ({config.sampling_rate} Hz) is not mono and causal, or normalises over time",
                f"checkpoint {checkpoint} (use_causal_conv, audio_channels, trim_right_ratio, norm_type, normalize)",
                "use the 24 kHz model, such as facebook/encodec_24khz",
            )
        self.sample_rate_hz, self.hop_samples = config.sampling_rate, config.hop_length
        self.dim = config.hidden_size
        # The convolutions that work on frames reflect furthest: the encoder's last and the decoder's first.
        reach = max(config.last_kernel_size, config.kernel_size) - 1
        self.start_look_ahead_frames = reach if config.pad_mode == "reflect" else 0
        self.tile_frames = max(1, round(tile_s * self.frame_rate_hz))
        shortest = self.start_look_ahead_frames + 1
        if self.tile_frames < shortest:
            raise UserError(
                f"a tile of {tile_s} s is too short: reflecting a clip's start takes {shortest} frames",
                "tile_s of the representation",
                f"use at least {shortest / self.frame_rate_hz:.3f} s",
            )
        self.weights_sha256 = weights_sha256(model)
        self._encoder, self._decoder, self._device = model.encoder, model.decoder, device
        self._quantizer = model.quantizer
        self._carry = Carry()
        for half in (self._encoder, self._decoder):
            replace_layers(half, EncodecConv1d, lambda layer: CarryingConv1d(layer.conv, layer.pad_mode, self._carry))
            replace_layers(half, EncodecConvTranspose1d, lambda layer: CarryingConvTranspose1d(layer.conv, self._carry))
            replace_layers(half, EncodecLSTM, lambda layer: CarryingLSTM(layer.lstm, self._carry))

    def quantizer(self) -> Quantizer:
        return Quantizer([Group(codebooks(layer.codebook.embed for layer in self._quantizer.layers))])

    def _start(self, batch: int) -> State:
        return {}

    def _advance(self, audio: np.ndarray, state: State) -> np.ndarray:
        with self._carry.of(state):
            x = torch.from_numpy(audio).to(self._device)[:, None]
            return cast(np.ndarray, self._encoder(x).transpose(1, 2).cpu().numpy())

    def _start_decoding(self) -> State:
        return {}

    def _decode_tile(self, tile: Tile, state: State) -> np.ndarray:
        with self._carry.of(state):
            z = torch.from_numpy(tile.latents).to(self._device).T[None]
            return self._waveform(z, state)[0].cpu().numpy()

    def _waveform(self, latents: torch.Tensor, state: State) -> torch.Tensor:
        return cast(torch.Tensor, self._decoder(latents)[:, 0])

    def decoder_module(self) -> nn.Module:
        return WholeDecoder(self._decoder, self._carry, self._waveform)


CODEC = EnCodec
