"""SoundStream as shipped with Lyra v1.2.0 (TFLite): 64 dimensions at 50 Hz from 16 kHz audio. It is causal.

Its files are the reference: run hop by hop by TFLite. TFLite encodes in tiles (codecs.tflite_tiles), which gives the
same numbers, to the bit. The weights also make torch networks (codecs.hop_network), on a GPU too and with gradients,
which give the same but for rounding: latents differ by up to 3e-4, audio by 4e-6. A change of 3e-4 can move a frame to
another codeword, so TFLite encodes unless torch is asked for. Torch decodes, in half the time.
"""

import hashlib
import logging
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

from latentdyn.codecs.causal import Carry, State, WholeDecoder
from latentdyn.codecs.hop_network import Network, OtherGraph, torch_network
from latentdyn.codecs.tflite import HopModel, Run, quiet_stderr
from latentdyn.codecs.tflite_tiles import TileModel, TileRun, in_tiles
from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError
from latentdyn.pointers import refuse_pointer
from latentdyn.seeds import numpy_generator
from latentdyn.stores.quantizer import Group, Quantizer

log = logging.getLogger(__name__)

_ENCODER, _DECODER, _QUANTIZER = "soundstream_encoder.tflite", "lyragan.tflite", "quantizer.tflite"
_STAGES, _CODEWORDS = 46, 16
_FIX = f"copy {_ENCODER} and {_DECODER} there from the release v1.2.0 of Lyra (folder lyra/model_coeffs)"
_AUDIO, _LATENTS = 0.1, 4.0  # deviations of the noise that a network is tried with
_TRIED_HOPS = 32
_SAME = 1e-3  # of the deviation of what is compared: more than this is not rounding


class SoundStream(TiledCodec):
    """Lyra's SoundStream encoder and LyraGAN decoder.

    Args:
        folder: holds soundstream_encoder.tflite, lyragan.tflite and, to quantize latents, quantizer.tflite.
        runtime: what encodes. Torch decodes where the decoder's file can be read as a network, and TFLite elsewhere.
        device: of the torch networks. TFLite always runs on one thread of the CPU.

    Raises:
        UserError: a file is missing or is not Lyra's graph, or torch is to encode by a file that is no such network.
    """

    sample_rate_hz = 16000
    hop_samples = 320
    dim = 64
    tile_frames = 256

    def __init__(self, folder: str, runtime: Literal["tflite", "torch"], device: str = "cpu") -> None:
        self._folder, self._device = Path(folder).expanduser(), device
        self._encoder = HopModel(self._folder / _ENCODER, (1, self.hop_samples), (1, 1, self.dim), _FIX)
        self._decoder = HopModel(self._folder / _DECODER, (1, 1, self.dim), (1, self.hop_samples), _FIX)
        self.weights_sha256 = hashlib.sha256(self._encoder.sha256 + self._decoder.sha256).hexdigest()
        self._carry = Carry()
        self._encoding = self._encoding_network() if runtime == "torch" else None

    def quantizer(self) -> Quantizer | None:
        """Lyra's quantizer, 46 stages of 4 bits; None where the folder has no quantizer.tflite."""
        return _quantizer(self._folder / _QUANTIZER, self.dim) if (self._folder / _QUANTIZER).exists() else None

    def decoder_module(self) -> nn.Module:
        if isinstance(network := self._decoding, OtherGraph):
            what = f"no gradient leads through this decoder, which is no network that is known here: {network}"
            raise UserError(what, self._decoder.path, _FIX)
        return WholeDecoder(network, self._carry, self._waveform)

    def _start(self, batch: int) -> list[Run | TileRun] | State:
        return {} if self._encoding else [self._encoding_tiles.open() for _ in range(batch)]

    def _advance(self, audio: np.ndarray, state: Any) -> np.ndarray:
        if self._encoding is None:
            return np.stack([run(row.reshape(-1, self.hop_samples)) for run, row in zip(state, audio, strict=True)])
        with self._carry.of(state):
            x = torch.from_numpy(audio).to(self._device)[:, None]
            return self._encoding(x).transpose(1, 2).cpu().numpy()

    def _start_decoding(self) -> Run | State:
        return self._decoder.open() if isinstance(self._decoding, OtherGraph) else {}

    def _decode_tile(self, tile: Tile, state: Any) -> np.ndarray:
        if isinstance(state, Run):
            return state(tile.latents).reshape(-1)
        with self._carry.of(state):
            z = torch.from_numpy(tile.latents).to(self._device).T[None]
            return self._waveform(z, state)[0].cpu().numpy()

    def _waveform(self, latents: torch.Tensor, state: State) -> torch.Tensor:
        assert isinstance(self._decoding, Network)
        return self._decoding(latents)[:, 0]

    @cached_property
    def _encoding_tiles(self) -> TileModel | HopModel:
        """What encodes by TFLite, in tiles if they give the same numbers."""
        return in_tiles(self._encoder, self._noise().astype(np.float32))

    def _noise(self) -> np.ndarray:
        return _AUDIO * numpy_generator("soundstream", "audio").standard_normal((_TRIED_HOPS, self.hop_samples))

    def _encoding_network(self) -> Network:
        noise = self._noise()
        try:
            return self._tried(self._encoder, noise.reshape(1, 1, -1), noise)
        except OtherGraph as error:
            what = f"torch cannot encode by this file: {error}"
            raise UserError(what, self._encoder.path, "set runtime: tflite for it, or " + _FIX) from None

    @cached_property
    def _decoding(self) -> Network | OtherGraph:
        """The decoder in torch, or why there is none."""
        noise = _LATENTS * numpy_generator("soundstream", "latents").standard_normal((_TRIED_HOPS, self.dim))
        try:
            return self._tried(self._decoder, noise.T[None], noise)
        except OtherGraph as error:
            log.warning("%s: TFLite decodes, hop by hop, because torch cannot: %s", self._decoder.path, error)
            return error

    def _tried(self, model: HopModel, x: np.ndarray, rows: np.ndarray) -> Network:
        """The network of a file, if it gives what the file gives.

        Args:
            x: (1, C, n), the same as `rows` (t, m).

        Raises:
            OtherGraph: the graph is of another form, or gives other numbers than TFLite does.
        """
        network = torch_network(model.content, self._carry)
        reference = model.open()(rows.astype(np.float32))
        try:
            with self._carry.of({}):
                found = network(torch.from_numpy(x.astype(np.float32)))[0].T.reshape(reference.shape).numpy()
        except RuntimeError as error:
            raise OtherGraph("its layers do not fit together") from error
        if not np.abs(found - reference).max() <= _SAME * reference.std():
            raise OtherGraph("its network in torch gives other numbers than TFLite")
        return network.to(self._device)


def _quantizer(path: Path, dim: int) -> Quantizer:
    """The codebooks of a graph that only encodes and decodes: what it decodes each codeword alone to.

    Raises:
        UserError: the file is not Lyra's quantizer.
    """
    refuse_pointer(path)
    fix = f"copy {_QUANTIZER} there from the release v1.2.0 of Lyra (folder lyra/model_coeffs), or remove the file"
    books = np.empty((_STAGES, _CODEWORDS, dim), np.float32)
    try:
        with quiet_stderr():
            interpreter = Interpreter(model_content=path.read_bytes(), num_threads=1)
            encode, decode = (interpreter.get_signature_runner(name) for name in ("encode", "decode"))
        for stage, codeword in np.ndindex(_STAGES, _CODEWORDS):
            alone = np.full((_STAGES, 1, 1), -1, np.int32)  # -1: the stage is not used
            alone[stage] = codeword
            books[stage, codeword] = decode(encoding_indices=alone)["output_0"].reshape(dim)
        quantizer = Quantizer([Group(books)])
        for frame in books.sum(axis=0)[:2]:
            codes = encode(input_frames=frame.reshape(1, 1, dim), num_quantizers=np.int32(_STAGES))["output_0"]
            if (codes.reshape(1, _STAGES) != quantizer.encode(frame[None])).any():
                raise ValueError("it does not take the nearest codeword of each stage")
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise UserError(f"this is not Lyra's quantizer ({str(error).splitlines()[0]})", path, fix) from None
    return quantizer


CODEC = SoundStream
