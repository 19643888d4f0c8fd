"""Mimi (Défossez et al. 2024, "Moshi") without its quantizer: 512 dimensions at 12.5 Hz from 24 kHz audio.

The latent is the output of encoder, transformer and downsampling, which the quantizer would project to 256
dimensions. A clip is encoded in causal tiles that carry the left context of every convolution and the
attention's keys and values (each layer sees the last 10 s), so a tile gives what the whole clip gives.
"""

import numpy as np
import torch
from transformers import MimiModel
from transformers.models.mimi.modeling_mimi import MimiConv1d

from latentdyn.codecs.causal import Carry, CarryingConv1d, State, replace_layers
from latentdyn.codecs.checkpoint import load_model
from latentdyn.codecs.tiling import TiledCodec
from latentdyn.errors import UserError


class Mimi(TiledCodec):
    """Mimi's continuous encoder and decoder.

    Args:
        checkpoint: hub id, or a local folder with config.json and safetensors weights.
        revision: commit of the hub repository.
        tile_s: seconds encoded at a time; the latents do not depend on it, memory and speed do.

    Raises:
        UserError: the checkpoint cannot be loaded or is not a causal mono Mimi.
    """

    def __init__(self, checkpoint: str, revision: str | None = None, tile_s: float = 2.56, device: str = "cpu") -> None:
        model = load_model(MimiModel, "mimi", checkpoint, revision, device)
        config = model.config
        if not config.use_causal_conv or config.audio_channels != 1:
            raise UserError(
                "this Mimi is not a causal mono model, so it cannot be encoded in tiles",
                f"checkpoint {checkpoint} (use_causal_conv, audio_channels)",
                "use a checkpoint such as kyutai/mimi",
            )
        self.sample_rate_hz, self.hop_samples = config.sampling_rate, config.frame_size
        self.dim = config.hidden_size
        self.tile_frames = max(1, round(tile_s * self.frame_rate_hz))
        self._encoder, self._decoder, self._device = model.encoder, model.decoder, device
        self._carry = Carry()
        replace_layers(self._encoder, MimiConv1d, lambda layer: CarryingConv1d(layer.conv, layer.pad_mode, self._carry))

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode (T, D) to (T * hop,) float32, in one piece: memory grows with T."""
        with self._carry.of({}):
            z = torch.from_numpy(np.ascontiguousarray(latents.T, np.float32)).to(self._device)
            return self._decoder(z[None]).audio_values[0, 0].cpu().numpy()

    def _start(self, batch: int) -> State:
        return {}

    def _advance(self, audio: np.ndarray, state: State) -> np.ndarray:
        with self._carry.of(state):
            x = torch.from_numpy(audio).to(self._device)[:, None]
            features = self._encoder.encoder_seanet(x).transpose(1, 2)
            heard = self._encoder.encoder_transformer(features, past_key_values=state.get("attention"), use_cache=True)
            state["attention"] = heard.past_key_values
            latents = self._encoder.downsample(heard.last_hidden_state.transpose(1, 2))
            return latents.transpose(1, 2).cpu().numpy()
