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
    "encodec": Example(lambda get: {"checkpoint": str(get("encodec_folder"))}, {"checkpoint": "/nowhere"}),
    "logmel": Example(
        lambda get: {"hop_samples": 128, "fft_samples": 144, "n_mels": 8}, {"hop_samples": 320, "fft_samples": 160}
    ),
    "mimi": Example(lambda get: {"checkpoint": str(get("mimi_folder"))}, {"checkpoint": "/nowhere"}),
    "soundstream": Example(lambda get: {"folder": str(get("real_data") / "lyra-v1.2.0")}, {"folder": "/nowhere"}),
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
                        parameter *= 2
        model.save_pretrained(folder)
    return folder


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
SMALL_ENCODEC = {"num_filters": 4, "hidden_size": 8}
