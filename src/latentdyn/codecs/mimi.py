"""Mimi (Défossez et al. 2024, "Moshi") without its quantizer: 512 dimensions at 12.5 Hz from 24 kHz audio.

The latent is the output of encoder, transformer and downsampling, which the quantizer would project to 256
dimensions. Encoder and decoder are causal and work in tiles that carry the left context of every convolution
and the attention's keys and values (each layer sees the last 10 s), so tiles give what the whole clip gives.
"""

from typing import Any, cast

import numpy as np
import torch
from transformers import MimiModel
from transformers.models.mimi.modeling_mimi import MimiConv1d, MimiConvTranspose1d

from latentdyn.codecs.causal import Carry, CarryingConv1d, CarryingConvTranspose1d, State, replace_layers
from latentdyn.codecs.checkpoint import load_model
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError


class Mimi(TiledCodec):
    """Mimi's continuous encoder and decoder.

    Args:
        checkpoint: hub id, or a local folder with config.json and safetensors weights.
        revision: commit of the hub repository.
        tile_s: seconds encoded or decoded at a time; the result does not depend on it, memory and speed do.

    Raises:
        UserError: the checkpoint cannot be loaded or is not a causal mono Mimi.
    """

    needs_gpu = True

    def __init__(self, checkpoint: str, revision: str | None, tile_s: float, device: str = "cpu") -> None:
        model = load_model(MimiModel, "mimi", checkpoint, revision, device)
        config = model.config
        if not config.use_causal_conv or config.audio_channels != 1 or config.trim_right_ratio != 1:
            raise UserError(
                "this Mimi is not a causal mono model, so it cannot work in tiles",
                f"checkpoint {checkpoint} (use_causal_conv, audio_channels, trim_right_ratio)",
                "use a checkpoint such as kyutai/mimi",
            )
        self.sample_rate_hz, self.hop_samples = config.sampling_rate, config.frame_size
        self.dim = config.hidden_size
        self.tile_frames = max(1, round(tile_s * self.frame_rate_hz))
        self._encoder, self._decoder, self._device = model.encoder, model.decoder, device
        self._carry = Carry()
        for half in (self._encoder, self._decoder):
            replace_layers(half, MimiConv1d, lambda layer: CarryingConv1d(layer.conv, layer.pad_mode, self._carry))
            replace_layers(half, MimiConvTranspose1d, lambda layer: CarryingConvTranspose1d(layer.conv, self._carry))

    def _start(self, batch: int) -> State:
        return {}

    def _advance(self, audio: np.ndarray, state: State) -> np.ndarray:
        with self._carry.of(state):
            x = torch.from_numpy(audio).to(self._device)[:, None]
            features = self._encoder.encoder_seanet(x).transpose(1, 2)
            heard = _attend(self._encoder.encoder_transformer, features, state)
            latents = self._encoder.downsample(heard.transpose(1, 2))
            return cast(np.ndarray, latents.transpose(1, 2).cpu().numpy())

    def _start_decoding(self) -> State:
        return {}

    def _decode_tile(self, tile: Tile, state: State) -> np.ndarray:
        with self._carry.of(state):
            z = torch.from_numpy(tile.latents).to(self._device).T[None]
            features = self._decoder.upsample(z).transpose(1, 2)
            seen = _attend(self._decoder.decoder_transformer, features, state)
            return cast(np.ndarray, self._decoder.decoder_seanet(seen.transpose(1, 2))[0, 0].cpu().numpy())


def _attend(transformer: Any, features: torch.Tensor, state: State) -> torch.Tensor:
    """Advance a causal transformer by features (B, n, C); its keys and values of the attention window are kept."""
    output = transformer(features, past_key_values=state.get("attention"), use_cache=True)
    state["attention"] = output.past_key_values
    return cast(torch.Tensor, output.last_hidden_state)


CODEC = Mimi
