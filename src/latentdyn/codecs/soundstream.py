"""SoundStream as shipped with Lyra v1.2.0 (TFLite): 64 dimensions at 50 Hz from 16 kHz audio.

Each graph, the encoder's and the decoder's, takes one hop per call and keeps its past in TFLite resource
variables. Neither `allocate_tensors()` nor `reset_all_variables()` clears these, so an utterance gets a fresh
interpreter. Both are causal.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from latentdyn.codecs.tiling import Tile, TiledCodec
from latentdyn.errors import UserError, whole_path
from latentdyn.pointers import refuse_pointer
from latentdyn.stores.quantizer import Group, Quantizer

_ENCODER, _DECODER, _QUANTIZER = "soundstream_encoder.tflite", "lyragan.tflite", "quantizer.tflite"
_STAGES, _CODEWORDS = 46, 16


class SoundStream(TiledCodec):
    """Lyra's SoundStream encoder and LyraGAN decoder, on one CPU thread.

    Args:
        folder: holds soundstream_encoder.tflite, lyragan.tflite and, to quantize latents, quantizer.tflite.
        device: accepted because every codec takes it; this one always runs on the CPU.

    Raises:
        UserError: a file is missing or is not Lyra's graph.
    """

    sample_rate_hz = 16000
    hop_samples = 320
    dim = 64
    tile_frames = 50  # only how many frames come at a time

    def __init__(self, folder: str, device: str = "cpu") -> None:
        self._folder = Path(folder).expanduser()
        self._encoder = _HopModel(self._folder / _ENCODER, (1, self.hop_samples), (1, 1, self.dim))
        self._decoder = _HopModel(self._folder / _DECODER, (1, 1, self.dim), (1, self.hop_samples))
        self.weights_sha256 = hashlib.sha256(self._encoder.sha256 + self._decoder.sha256).hexdigest()

    def quantizer(self) -> Quantizer | None:
        """Lyra's quantizer, 46 stages of 4 bits; None where the folder has no quantizer.tflite."""
        return _quantizer(self._folder / _QUANTIZER, self.dim) if (self._folder / _QUANTIZER).exists() else None

    def _start(self, batch: int) -> "list[_Run]":
        return [self._encoder.open() for _ in range(batch)]

    def _advance(self, audio: np.ndarray, state: "list[_Run]") -> np.ndarray:
        return np.stack([run(row.reshape(-1, self.hop_samples)) for run, row in zip(state, audio, strict=True)])

    def _start_decoding(self) -> "_Run":
        return self._decoder.open()

    def _decode_tile(self, tile: Tile, state: "_Run") -> np.ndarray:
        return state(tile.latents).reshape(-1)


class _HopModel:
    """A TFLite graph that maps one row to one row and remembers the earlier ones."""

    def __init__(self, path: Path, input_shape: tuple[int, ...], output_shape: tuple[int, ...]) -> None:
        fix = f"copy {_ENCODER} and {_DECODER} there from the release v1.2.0 of Lyra (folder lyra/model_coeffs)"
        refuse_pointer(path)
        try:
            self._content = path.read_bytes()
        except OSError as error:
            what = f"a file of SoundStream cannot be read ({error.strerror})"
            raise UserError(what, whole_path(path), fix) from None
        try:
            with _quiet_stderr():
                interpreter = Interpreter(model_content=self._content, num_threads=1)
                interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise UserError(f"this is not a TFLite model ({str(error).splitlines()[0]})", path, fix) from None
        shapes = [tuple(d[0]["shape"]) for d in (interpreter.get_input_details(), interpreter.get_output_details())]
        if shapes != [input_shape, output_shape]:
            raise UserError(
                f"this graph maps {shapes[0]} to {shapes[1]}, Lyra's maps {input_shape} to {output_shape}",
                path,
                fix,
            )

    @property
    def sha256(self) -> bytes:
        return hashlib.sha256(self._content).digest()

    def open(self) -> "_Run":
        return _Run(self._content)


def _quantizer(path: Path, dim: int) -> Quantizer:
    """The codebooks of a graph that only encodes and decodes: what it decodes each codeword alone to.

    Raises:
        UserError: the file is not Lyra's quantizer.
    """
    refuse_pointer(path)
    fix = f"copy {_QUANTIZER} there from the release v1.2.0 of Lyra (folder lyra/model_coeffs), or remove the file"
    books = np.empty((_STAGES, _CODEWORDS, dim), np.float32)
    try:
        with _quiet_stderr():
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


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """TFLite's C++ side announces its delegate once per process on file descriptor 2, and has no switch."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


class _Run:
    """One utterance's pass through a graph."""

    def __init__(self, content: bytes) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Map the next rows (t, n) to (t, m)."""
        results = np.empty((len(rows), int(np.prod(self._output["shape"]))), np.float32)
        for row, result in zip(rows, results, strict=True):
            self._interpreter.set_tensor(self._input["index"], row.reshape(self._input["shape"]))
            self._interpreter.invoke()
            result[:] = self._interpreter.get_tensor(self._output["index"]).reshape(-1)
        return results


CODEC = SoundStream
