"""How to open a small codec of each kind, for the tests that run over all of them.

A new codec needs one entry in `EXAMPLES`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from latentdyn.seeds import seed_for

# One fixture by its name, as `request.getfixturevalue` gives it.
Fixtures = Callable[[str], Any]


@dataclass(frozen=True)
class Example:
    """Settings (without `kind`) of a small codec that opens, and settings that must be refused with a message."""

    small: Callable[[Fixtures], dict[str, Any]]
    refused: dict[str, Any]


EXAMPLES = {
    "calm_vae": Example(lambda get: {"checkpoint": str(get("calm_vae_folder"))}, {"checkpoint": "/nowhere"}),
    "dac": Example(lambda get: {"checkpoint": str(get("dac_folder"))}, {"checkpoint": "/nowhere"}),
    "encodec": Example(lambda get: {"checkpoint": str(get("encodec_folder"))}, {"checkpoint": "/nowhere"}),
    "logmel": Example(
        lambda get: {"hop_samples": 128, "fft_samples": 144, "n_mels": 8}, {"hop_samples": 320, "fft_samples": 160}
    ),
    "mimi": Example(lambda get: {"checkpoint": str(get("mimi_folder"))}, {"checkpoint": "/nowhere"}),
    "soundstream": Example(lambda get: {"folder": str(get("real_data") / "lyra-v1.2.0")}, {"folder": "/nowhere"}),
    "vibevoice": Example(lambda get: {"checkpoint": str(get("vibevoice_folder"))}, {"checkpoint": "/nowhere"}),
}


def save_mimi(folder: Path, **changes: Any) -> Path:
    """A Mimi of the real architecture with random weights; `changes` to its config make it small."""
    from transformers import MimiConfig, MimiModel

    with torch.random.fork_rng():
        torch.manual_seed(seed_for("mimi"))
        MimiModel(MimiConfig(**changes)).save_pretrained(folder)
    return folder


def save_encodec(folder: Path, **changes: Any) -> Path:
    """An EnCodec of the real architecture with random weights; `changes` to its config make it small."""
    from transformers import EncodecConfig, EncodecModel

    with torch.random.fork_rng():
        torch.manual_seed(seed_for("encodec"))
        model = EncodecModel(EncodecConfig(**changes))
        with torch.no_grad():  # as initialised it is nearly deaf: its output is all bias
            for half in (model.encoder, model.decoder):
                for name, parameter in half.named_parameters():
                    if name.endswith("weight.original0"):
                        parameter.mul_(2)
        model.save_pretrained(folder)
    return folder


def save_calm_vae(folder: Path, **changes: Any) -> Path:
    """A VAE of Pocket TTS of the real architecture with random weights; `changes` to its config make it small."""
    from transformers import PocketTTSAudioTokenizerConfig, PocketTTSAudioTokenizerModel

    with torch.random.fork_rng():
        torch.manual_seed(seed_for("calm_vae"))
        PocketTTSAudioTokenizerModel(PocketTTSAudioTokenizerConfig(**changes)).save_pretrained(folder)
    return folder


def save_dac(folder: Path, **changes: Any) -> Path:
    """A DAC of the real architecture with random weights; `changes` to its config make it small."""
    from transformers import DacConfig, DacModel

    with torch.random.fork_rng():
        torch.manual_seed(seed_for("dac"))
        model = DacModel(DacConfig(**changes))
        _loud(model, 0.5)
        model.save_pretrained(folder)
    return folder


def save_vibevoice(folder: Path, **changes: Any) -> Path:
    """A VibeVoice tokenizer of the real architecture with random weights; `changes` to its config make it small."""
    from transformers import VibeVoiceAcousticTokenizerConfig, VibeVoiceAcousticTokenizerModel

    with torch.random.fork_rng():
        torch.manual_seed(seed_for("vibevoice"))
        model = VibeVoiceAcousticTokenizerModel(VibeVoiceAcousticTokenizerConfig(**changes))
        _loud(model, 1.0)
        model.save_pretrained(folder)
    return folder


def _loud(model: torch.nn.Module, gain: float) -> None:
    """Convolutions that keep the size of their input, times `gain`: as initialised, hardly anything comes through."""
    with torch.no_grad():
        for layer in model.modules():
            if isinstance(layer, torch.nn.Conv1d | torch.nn.ConvTranspose1d):
                taps = layer.weight.shape[1] * layer.weight.shape[2]
                layer.weight.normal_(0, gain / taps**0.5)


# Mimi's architecture with few channels. Its attention sees 20 positions (10 frames), and its layers count in full.
SMALL_MIMI = {
    "num_filters": 4,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 64,
    "sliding_window": 20,
    "layer_scale_initial_scale": 1.0,
    "upsample_groups": 32,
    "codebook_size": 16,
    "codebook_dim": 8,
    "num_quantizers": 2,
    "vector_quantization_hidden_dimension": 8,
}
SMALL_CALM_VAE = {
    "num_filters": 4,
    "hidden_size": 32,
    "latent_dim": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "intermediate_size": 64,
    "sliding_window": 20,
    "layer_scale_initial_scale": 1.0,
    "upsample_groups": 32,
}
# its odd stride makes the decoder's output end early
SMALL_DAC = {
    "encoder_hidden_size": 2,
    "decoder_hidden_size": 32,
    "downsampling_ratios": [2, 4, 5, 8],
    "codebook_size": 16,
    "codebook_dim": 2,
    "n_codebooks": 2,
    "sampling_rate": 24000,
}
SMALL_VIBEVOICE = {
    "num_filters": 2,
    "hidden_size": 8,
    "depths": [1, 1, 1, 1, 1, 1, 2],
    "ffn_expansion": 2,
    "layer_scale_init_value": 0.1,
}
SMALL_ENCODEC = {"num_filters": 4, "hidden_size": 8}
