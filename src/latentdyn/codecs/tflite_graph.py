"""The operators of a TFLite file, read from its flatbuffer: names, options, constants, and which tensors they join."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

_DTYPES = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT32: np.int32}
_NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)}


@dataclass(frozen=True)
class Tensor:
    """shape: as the file says it. dtype: float32 or int32; None for any other. constant: its values, if it has any."""

    shape: tuple[int, ...]
    dtype: type[np.generic] | None
    constant: np.ndarray | None


@dataclass(frozen=True)
class Operator:
    """name: as TFLite's schema has it (CONV_2D). inputs, outputs: numbers of tensors. options: those of its kind, as
    attributes; None where it has none."""

    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Any


@dataclass(frozen=True)
class Graph:
    """The main graph of a file, of one input and one output; operators stand in an order in which they can be run."""

    operators: Sequence[Operator]
    tensors: Sequence[Tensor]
    input: int
    output: int


def read_graph(content: bytes) -> Graph:
    """The main graph of a TFLite file that the interpreter has taken: nothing of the file's form is checked here."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    main = model.subgraphs[0]
    operators = [
        Operator(name, _numbers(one.inputs), _numbers(one.outputs), one.builtinOptions)
        for name, one in zip(operator_names(model), main.operators, strict=True)
    ]
    tensors = [_tensor(one, model.buffers[one.buffer].data) for one in main.tensors]
    return Graph(operators, tensors, int(main.inputs[0]), int(main.outputs[0]))


def operator_names(model: Any) -> list[str]:
    """The name of each operator of the main graph of a `ModelT`, as TFLite's schema has it."""
    codes = [_NAMES.get(max(code.builtinCode, code.deprecatedBuiltinCode), "unknown") for code in model.operatorCodes]
    return [codes[operator.opcodeIndex] for operator in model.subgraphs[0].operators]


def _numbers(array: Any) -> tuple[int, ...]:
    return () if array is None else tuple(int(number) for number in array)


def _tensor(tensor: Any, data: Any) -> Tensor:
    shape, dtype = _numbers(tensor.shape), _DTYPES.get(tensor.type)
    if dtype is None or data is None or not len(data):
        return Tensor(shape, dtype, None)
    return Tensor(shape, dtype, np.frombuffer(bytes(data), dtype).reshape(shape))
