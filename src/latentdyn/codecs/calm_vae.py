"""The VAE of continuous audio language models (Rouard et al. 2025), as in Pocket TTS: 32 dimensions at 12.5 Hz, 24 kHz.

It has Mimi's build with a narrow latent in place of the quantizer. The latent is the mean of the posterior, which is
all that the model gives. The model itself is time-major, (B, T, 32).
"""

from typing import Any

import torch
from transformers import PocketTTSAudioTokenizerModel
from transformers.models.pocket_tts_audio_tokenizer.modeling_pocket_tts_audio_tokenizer import (
    PocketTTSAudioTokenizerConv1d,
    PocketTTSAudioTokenizerConvTranspose1d,
)

from latentdyn.codecs.seanet import SeanetCodec


class CalmVAE(SeanetCodec):
    """The VAE's encoder and decoder; arguments and errors are those of `SeanetCodec`."""

    model_class = PocketTTSAudioTokenizerModel
    conv, conv_transpose = PocketTTSAudioTokenizerConv1d, PocketTTSAudioTokenizerConvTranspose1d
    example = "eustlb/pocket-tts-audio-tokenizer"

    def _latent_dim(self, config: Any) -> int:
        return int(config.latent_dim)

    def _widen(self, latents: torch.Tensor) -> torch.Tensor:
        widened: torch.Tensor = self._model.latent_proj(latents)
        return widened

    def _decoding_layers(self) -> list[torch.nn.Module]:
        return [*super()._decoding_layers(), self._model.latent_proj]


CODEC = CalmVAE
