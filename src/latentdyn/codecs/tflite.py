"""TFLite files that map one row to one row and keep their past in resource variables, run hop by hop.

Neither `allocate_tensors()` nor `reset_all_variables()` clears these variables, so an utterance gets a fresh
interpreter.
"""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from latentdyn.errors import UserError, whole_path
from latentdyn.pointers import refuse_pointer


class HopModel:
    """A file of this kind, opened and checked.

    Args:
        input_shape, output_shape: of one row. fix: what to do about another file.

    Attributes:
        content: of the file.

    Raises:
        UserError: the file cannot be read, is damaged, or maps other shapes.
    """

    def __init__(self, path: Path, input_shape: tuple[int, ...], output_shape: tuple[int, ...], fix: str) -> None:
        self.path = path
        refuse_pointer(path)
        try:
            self.content = path.read_bytes()
        except OSError as error:
            what = f"a file of SoundStream cannot be read ({error.strerror})"
            raise UserError(what, whole_path(path), fix) from None
        try:
            with quiet_stderr():
                interpreter = Interpreter(model_content=self.content, num_threads=1)
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
        return hashlib.sha256(self.content).digest()

    def open(self) -> "Run":
        return Run(self.content)


class Run:
    """One utterance's pass through a file."""

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


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """TFLite's C++ side announces its delegate once per process on file descriptor 2, and has no switch."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
