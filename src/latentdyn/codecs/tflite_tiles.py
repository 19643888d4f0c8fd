"""A file of `codecs.tflite` made anew, so that TFLite maps any number of rows in one call.

Called row by row, TFLite takes more time for calls, and for opening the file for each utterance, than for arithmetic.
Here no shape says how long a row is, and what is kept in variables goes in and out of the graph. TFLite then goes along
a whole tile. Its kernels add up each number in an order that does not depend on how many numbers there are, so every
number stays the same. That is tried each time, and not taken for granted: `in_tiles`.
"""

import logging
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from latentdyn.codecs.tflite import HopModel, quiet_stderr
from latentdyn.codecs.tflite_graph import operator_names

log = logging.getLogger(__name__)

_TIME = -2  # the axis of every tensor and of every new shape, before the channels
_TRIED = (1, 4, 12)  # a call each for the rows up to these, and one for the rest

# what is to be made anew is not there, or does not fit together
_PUT_TOGETHER_OTHERWISE = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class TileModel:
    """The file, open for tiles. Utterances can take turns on it.

    Args:
        content: of a file that maps one row and keeps its past in variables.

    Raises:
        AttributeError, LookupError, RuntimeError, TypeError, ValueError: its graph is put together in another way.
    """

    def __init__(self, content: bytes) -> None:
        self._interpreter = Interpreter(model_content=_of_any_length(content), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input, *before), (self._output, *after) = (
            [(one["index"], tuple(one["shape"])) for one in details]
            for details in (self._interpreter.get_input_details(), self._interpreter.get_output_details())
        )
        self._before, self._after = ([index for index, _ in past] for past in (before, after))
        self._past_shapes = [shape for _, shape in before]
        self._tile = self._input[1]

    def __deepcopy__(self, memo: dict[int, Any]) -> "TileModel":
        return self  # it keeps nothing of an utterance, and TFLite's interpreter can't be copied

    def open(self) -> "TileRun":
        return TileRun(self, [np.zeros(shape, np.float32) for shape in self._past_shapes])

    def map(self, rows: np.ndarray, past: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        """Map rows (t, n) to (t, m), given what is kept of the rows before them; and what is kept for the next ones."""
        run, tile = self._interpreter, (1, rows.size)
        if tile != self._tile:
            run.resize_tensor_input(self._input[0], tile)
            run.allocate_tensors()
            self._tile = tile
        run.set_tensor(self._input[0], rows.reshape(tile))
        for index, values in zip(self._before, past, strict=True):
            run.set_tensor(index, values)
        run.invoke()
        return run.get_tensor(self._output[0]).reshape(len(rows), -1), [run.get_tensor(index) for index in self._after]


class TileRun:
    """One utterance's pass through a file, as `codecs.tflite.Run`."""

    def __init__(self, model: TileModel, past: list[np.ndarray]) -> None:
        self._model, self._past = model, past

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Map the next rows (t, n) to (t, m)."""
        results, self._past = self._model.map(rows, self._past)
        return results


def in_tiles(model: HopModel, noise: np.ndarray) -> TileModel | HopModel:
    """The file for tiles, if it then maps the rows `noise` (t, n) to the very numbers that it maps them to hop by hop;
    the file as it is otherwise."""
    reference = model.open()(noise)
    try:
        with quiet_stderr():
            tiles = TileModel(model.content)
            run = tiles.open()
            found = np.concatenate([run(rows) for rows in np.split(noise, _TRIED)])
        why = "it then gives other numbers"
    except _PUT_TOGETHER_OTHERWISE as error:
        found, why = None, f"it is put together in another way ({error!r})"
    if found is not None and np.array_equal(found, reference):
        return tiles
    log.warning("%s: TFLite takes it hop by hop, which takes twice the time, not in tiles: %s", model.path, why)
    return model


def _of_any_length(content: bytes) -> bytes:
    """The file with its variables as further inputs and outputs, and with new shapes that leave the time open."""
    model: Any = schema.ModelT.InitFromPackedBuf(content, 0)
    main = model.subgraphs[0]
    read, kept, operators = {}, {}, []
    for name, operator in zip(operator_names(model), main.operators, strict=True):
        match name:
            case "CALL_ONCE" | "VAR_HANDLE":
                continue
            case "READ_VARIABLE":
                read[operator.inputs[0]] = operator.outputs[0]
                continue
            case "ASSIGN_VARIABLE":
                kept[operator.inputs[0]] = operator.inputs[1]
                continue
            case "RESHAPE":
                buffer = model.buffers[main.tensors[operator.inputs[1]].buffer]
                shape = np.frombuffer(bytes(buffer.data), np.int32).copy()
                shape[_TIME] = -1
                buffer.data = shape.view(np.uint8)
        operators.append(operator)
    main.operators = operators
    main.inputs = [main.inputs[0], *read.values()]
    main.outputs = [main.outputs[0], *(kept[variable] for variable in read)]
    model.subgraphs, model.signatureDefs = [main], None
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
