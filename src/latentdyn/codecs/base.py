"""What a codec is, and how to open one by its kind.

Frame t of every codec here covers the samples [t * hop, (t + 1) * hop). An utterance of n samples has
`frame_count(n, hop)` frames: the *audio* is padded at its end with zeros to a whole hop. No inner layer pads
the end, so that batched, padded, single and streamed encodings agree.

A new codec is one module `codecs/{kind}.py` that names its class `CODEC`. Nothing lists the kinds.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import numpy as np

from latentdyn.families import CODECS
from latentdyn.stores.quantizer import Quantizer

if TYPE_CHECKING:
    from torch import nn


class Codec(Protocol):
    """An encoder from mono audio in [-1, 1] to continuous latents, and its decoder.

    Attributes:
        needs_gpu: encoding much audio takes a GPU; a CPU can do it, slowly.
        sample_rate_hz: rate of the audio that goes in and comes out; the caller resamples.
        hop_samples: samples per frame.
        dim: D, dimensions of a latent.
        look_ahead_frames: frame t depends on no sample after the end of frame t plus this, except as told next; 0 for
            a causal encoder. (codecs.look_ahead measures it.)
        start_look_ahead_frames: the first frames may depend on what comes later, up to and including the frame
            of this index (a codec that pads its start by reflection); 0 when there is no exception. This holds
            for encoding and for decoding.
        decode_look_ahead_frames: the audio of frame t depends on no latent after frame t plus this, except at
            the start as above; 0 for a causal decoder.
        weights_sha256: digest of the weights in use; None where there are none.
    """

    needs_gpu: ClassVar[bool]
    sample_rate_hz: int
    hop_samples: int
    dim: int
    look_ahead_frames: int
    start_look_ahead_frames: int
    decode_look_ahead_frames: int
    weights_sha256: str | None

    @property
    def frame_rate_hz(self) -> float: ...

    def quantizer(self) -> Quantizer | None:
        """The codec's own quantizer of its latents; None where it has none."""
        ...

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
        """Decode (T, D) to (T * hop,) float32 at `sample_rate_hz`; beside the result, memory does not grow with T."""
        ...

    def decode_stream(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Decode one utterance that comes in blocks (T_i, D) of any size; yields (n_i,) float32.

        The pieces, concatenated, are `decode` of the whole utterance. Memory does not depend on the length.
        """
        ...

    def decoder_module(self) -> "nn.Module":
        """The decoder as a torch module, through which gradients flow: latents (B, D, T) to audio (B, T * hop).

        Whole utterances, in one piece: memory grows with T. Rows are apart. Its output is what `decode` gives. Its
        weights are the codec's own and frozen; who wants to train them takes a copy (`copy.deepcopy`).

        Raises:
            UserError: the codec's decoder is no network of torch.
        """
        ...


def open_codec(settings: Mapping[str, Any], device: str = "cpu") -> Codec:
    """Open the codec of a representation's config section.

    Args:
        settings: `kind` names the codec; `dtype` (how latents are stored) is the caller's; the other keys go
            to the codec.
        device: where the neural codecs run, in torch's notation. SoundStream and log-mel run on the CPU.

    Raises:
        UserError: the kind is not that of a codec, or the codec cannot be opened (its own message).
    """
    options = {key: value for key, value in settings.items() if key not in ("kind", "dtype")}
    kind: Any = codec_class(settings["kind"])
    return cast(Codec, kind(**options, device=device))


def codec_class(kind: str) -> type[Codec]:
    """The class of a kind of codec; nothing is opened.

    Raises:
        UserError: there is no such codec.
    """
    return cast(type[Codec], CODECS.load(kind))


def frame_count(samples: int, hop_samples: int) -> int:
    """Frames of an utterance: its samples over the hop, rounded up."""
    return -(-samples // hop_samples)
