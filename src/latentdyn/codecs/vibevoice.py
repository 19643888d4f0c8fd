"""VibeVoice's acoustic tokenizer (Peng et al. 2025), a VAE: 64 dimensions at 7.5 Hz from 24 kHz audio.

The latent is the mean of the posterior: the encoder's output, to which the model itself would add noise. Encoder and
decoder are causal and work in tiles that carry the left context of every convolution; there is nothing else that
remembers. The model itself is time-major, (B, T, 64).
"""

from typing import cast

import numpy as np
import torch
from torch import nn
from transformers import VibeVoiceAcousticTokenizerModel
from transformers.models.vibevoice_acoustic_tokenizer.modeling_vibevoice_acoustic_tokenizer import (
    VibeVoiceAcousticTokenizerCausalConv1d,
    VibeVoiceAcousticTokenizerCausalConvTranspose1d,
)

from latentdyn.codecs.causal import Carry, CarryingConv1d, CarryingConvTranspose1d, State, WholeDecoder, replace_layers
from latentdyn.codecs.checkpoint import load_model, weights_sha256
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError

_SAMPLE_RATE_HZ = 24000  # of the released models; their config does not say it


class VibeVoice(TiledCodec):
    """The tokenizer's continuous encoder and decoder.

    Args:
        checkpoint: hub id, or a local folder with config.json and safetensors weights.
        revision: commit of the hub repository.
        tile_s: seconds encoded or decoded at a time; the result does not depend on it, memory and speed do.
        untrained: take random weights, and only the architecture from the checkpoint.

    Raises:
        UserError: the checkpoint cannot be loaded or is not mono.
    """

    needs_gpu = True
    sample_rate_hz = _SAMPLE_RATE_HZ

    def __init__(
        self, checkpoint: str, revision: str | None, tile_s: float, untrained: bool, device: str = "cpu"
    ) -> None:
        model = load_model(VibeVoiceAcousticTokenizerModel, checkpoint, revision, untrained, device)
        if model.config.channels != 1:
            raise UserError(
                f"this VibeVoice tokenizer takes {model.config.channels} channels, and recordings are read as mono",
                f"checkpoint {checkpoint} (channels)",
                "use a mono model",
            )
        said = getattr(model.config, "sampling_rate", _SAMPLE_RATE_HZ)
        if said != _SAMPLE_RATE_HZ:
            raise UserError(
                f"config.json says a sampling rate of {said} Hz, and VibeVoice's tokenizer takes {_SAMPLE_RATE_HZ} Hz",
                f"checkpoint {checkpoint} (sampling_rate)",
                "take the config.json that was published with the weights",
            )
        self.hop_samples, self.dim = model.config.hop_length, model.config.hidden_size
        self.tile_frames = max(1, round(tile_s * self.frame_rate_hz))
        self.weights_sha256 = weights_sha256(model)
        self._encoder, self._decoder, self._device = model.encoder, model.decoder, device
        self._carry = Carry()
        for half in (self._encoder, self._decoder):
            replace_layers(
                half,
                VibeVoiceAcousticTokenizerCausalConv1d,
                lambda layer: CarryingConv1d(layer.conv, "constant", self._carry),
            )
            replace_layers(
                half,
                VibeVoiceAcousticTokenizerCausalConvTranspose1d,
                lambda layer: CarryingConvTranspose1d(layer.convtr, self._carry),
            )

    def _start(self, batch: int) -> State:
        return {}

    def _advance(self, audio: np.ndarray, state: State) -> np.ndarray:
        with self._carry.of(state):
            x = torch.from_numpy(audio).to(self._device)[:, None]
            return cast(np.ndarray, self._encoder(x).latents.cpu().numpy())

    def _start_decoding(self) -> State:
        return {}

    def _decode_tile(self, tile: Tile, state: State) -> np.ndarray:
        with self._carry.of(state):
            z = torch.from_numpy(tile.latents).to(self._device).T[None]
            return self._waveform(z, state)[0].cpu().numpy()

    def _waveform(self, latents: torch.Tensor, state: State) -> torch.Tensor:
        return cast(torch.Tensor, self._decoder(latents).audio[:, 0])

    def decoder_module(self) -> nn.Module:
        return WholeDecoder(self._decoder, self._carry, self._waveform)


CODEC = VibeVoice
