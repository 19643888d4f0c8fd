"""Codecs of Mimi's build: causal convolutions, a causal transformer, and a downsampling between them and the latent.

Encoder and decoder work in tiles that carry the left context of every convolution and the attention's keys and values
(each layer sees the last 10 s), so tiles give what the whole clip gives.
"""

from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import nn
from transformers import PreTrainedModel

from latentdyn.codecs.causal import Carry, CarryingConv1d, CarryingConvTranspose1d, State, WholeDecoder, replace_layers
from latentdyn.codecs.checkpoint import load_model, weights_sha256
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError


class SeanetCodec(TiledCodec):
    """A continuous encoder and decoder of this build; a kind names the classes of its model.

    Args:
        checkpoint: hub id, or a local folder with config.json and safetensors weights.
        revision: commit of the hub repository.
        tile_s: seconds encoded or decoded at a time; the result does not depend on it, memory and speed do.
        untrained: take random weights, and only the architecture from the checkpoint.

    Raises:
        UserError: the checkpoint cannot be loaded or is not a causal mono model.
    """

    needs_gpu = True

    model_class: ClassVar[type[PreTrainedModel]]
    conv: ClassVar[type[nn.Module]]
    conv_transpose: ClassVar[type[nn.Module]]
    example: ClassVar[str]  # a checkpoint that works

    def __init__(
        self, checkpoint: str, revision: str | None, tile_s: float, untrained: bool, device: str = "cpu"
    ) -> None:
        model = load_model(self.model_class, checkpoint, revision, untrained, device)
        config = model.config
        if not config.use_causal_conv or config.audio_channels != 1 or config.trim_right_ratio != 1:
            raise UserError(
                f"this {config.model_type} model is not causal and mono, so it cannot work in tiles",
                f"checkpoint {checkpoint} (use_causal_conv, audio_channels, trim_right_ratio)",
                f"use a checkpoint such as {self.example}",
            )
        self.sample_rate_hz, self.hop_samples = config.sampling_rate, config.frame_size
        self.dim = self._latent_dim(config)
        self.tile_frames = max(1, round(tile_s * self.frame_rate_hz))
        self.weights_sha256 = weights_sha256(model)
        self._model, self._encoder, self._decoder, self._device = model, model.encoder, model.decoder, device
        self._carry = Carry()
        for half in (self._encoder, self._decoder):
            replace_layers(half, self.conv, lambda layer: CarryingConv1d(layer.conv, layer.pad_mode, self._carry))
            replace_layers(half, self.conv_transpose, lambda layer: CarryingConvTranspose1d(layer.conv, self._carry))

    def _latent_dim(self, config: Any) -> int:
        return int(config.hidden_size)

    def _widen(self, latents: torch.Tensor) -> torch.Tensor:
        """What the decoder's upsampling takes, (B, C, T), for latents (B, D, T)."""
        return latents

    def _start(self, batch: int) -> Any:
        return {}

    def _advance(self, audio: np.ndarray, state: State) -> np.ndarray:
        with self._carry.of(state):
            return _numpy(self._encoder.downsample(self._heard(audio, state)))

    def _start_decoding(self) -> State:
        return {}

    def _decode_tile(self, tile: Tile, state: State) -> np.ndarray:
        with self._carry.of(state):
            z = torch.from_numpy(tile.latents).to(self._device).T[None]
            return self._waveform(z, state)[0].cpu().numpy()

    def decoder_module(self) -> nn.Module:
        return WholeDecoder(nn.ModuleList(self._decoding_layers()), self._carry, self._waveform)

    def _decoding_layers(self) -> list[nn.Module]:
        """All that the decoder is made of."""
        return [self._decoder]

    def _heard(self, audio: np.ndarray, state: State) -> torch.Tensor:
        """What goes into the downsampling, (B, C, n), for audio (B, samples)."""
        x = torch.from_numpy(audio).to(self._device)[:, None]
        features = self._encoder.encoder_seanet(x).transpose(1, 2)
        return _attend(self._encoder.encoder_transformer, features, state).transpose(1, 2)

    def _waveform(self, latents: torch.Tensor, state: State) -> torch.Tensor:
        """The samples (B, T * hop) of latents (B, D, T)."""
        features = self._decoder.upsample(self._widen(latents)).transpose(1, 2)
        seen = _attend(self._decoder.decoder_transformer, features, state)
        sound: torch.Tensor = self._decoder.decoder_seanet(seen.transpose(1, 2))[:, 0]
        return sound


def _numpy(latents: torch.Tensor) -> np.ndarray:
    """(B, T, D) for (B, D, T)."""
    return latents.transpose(1, 2).cpu().numpy()


def _attend(transformer: Any, features: torch.Tensor, state: State) -> torch.Tensor:
    """Advance a causal transformer by features (B, n, C); its keys and values of the attention window are kept."""
    output = transformer(features, past_key_values=state.get("attention"), use_cache=True)
    state["attention"] = output.past_key_values
    return cast(torch.Tensor, output.last_hidden_state)
