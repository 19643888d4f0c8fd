"""What a codec is, and how to open one by name.

Frame t of every codec here covers the samples [t * hop, (t + 1) * hop): an utterance of n samples has
`frame_count(n, hop)` frames, and its end is padded with zeros *in the audio* to a whole hop. Padding the
audio, not some inner layer, is what makes batched, padded, single and streamed encodings agree.
"""

import importlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from latentdyn.errors import UserError


class Codec(Protocol):
    """An encoder from mono audio in [-1, 1] to continuous latents, and its decoder.

    Attributes:
        sample_rate_hz: rate of the audio that goes in and comes out; the caller resamples.
        hop_samples: samples per frame.
        dim: D, dimensions of a latent.
        causal: frame t depends on no sample at or after (t + 1) * hop_samples, except as told next.
        start_look_ahead_frames: the first frames may depend on audio up to and including the frame of this
            index (a codec that pads its start by reflection); 0 when there is no exception.
    """

    sample_rate_hz: int
    hop_samples: int
    dim: int
    causal: bool
    start_look_ahead_frames: int

    @property
    def frame_rate_hz(self) -> float: ...

    def encode(self, audio: np.ndarray) -> np.ndarray:
        """Encode (B, n) float32, n a multiple of the hop, to (B, T, D) float32 with T = n / hop."""
        ...

    def stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Encode one utterance that comes in blocks (n_i,) of any size; yields (T_i, D) float32.

        The pieces, concatenated, are `encode` of the whole utterance padded with zeros to a whole hop. Memory
        does not depend on the length.
        """
        ...

    def decode(self, latents: np.ndarray) -> np.ndarray:
        """Decode (T, D) to (T * hop,) float32 at `sample_rate_hz`."""
        ...


# Each module is named after its kind, so that a rule can list `latentdyn.codecs.{kind}` in its code digest.
_CLASSES = {"mimi": "Mimi", "encodec": "EnCodec", "soundstream": "SoundStream", "logmel": "LogMel"}


def open_codec(settings: Mapping[str, Any], device: str = "cpu") -> Codec:
    """Open the codec of a representation's config section.

    Args:
        settings: `kind` names the codec; `dtype` (how latents are stored) is the caller's; the other keys go
            to the codec.
        device: where the neural codecs run, in torch's notation. SoundStream and log-mel run on the CPU.

    Raises:
        UserError: the kind is not that of a codec, or the codec cannot be opened (its own message).
    """
    kind = settings["kind"]
    if kind not in _CLASSES:
        raise UserError(
            f"'{kind}' is not a codec",
            "kind of the representation",
            f"use one of {', '.join(sorted(_CLASSES))}",
        )
    codec = getattr(importlib.import_module(f"latentdyn.codecs.{kind}"), _CLASSES[kind])
    return codec(**{key: value for key, value in settings.items() if key not in ("kind", "dtype")}, device=device)


def frame_count(samples: int, hop_samples: int) -> int:
    """Frames of an utterance: its samples over the hop, rounded up."""
    return -(-samples // hop_samples)
