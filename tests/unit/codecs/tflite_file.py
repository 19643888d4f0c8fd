"""TFLite files of a few operators, written by hand."""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

FLOAT32, INT32, INT8, RESOURCE = (getattr(schema.TensorType, name) for name in ("FLOAT32", "INT32", "INT8", "RESOURCE"))
_OPTIONS = {"CONV_2D": "Conv2D", "LEAKY_RELU": "LeakyRelu"}  # names that do not follow from the operator's


class File:
    """A TFLite file in the making. Its graph's input is the first tensor, its output the last."""

    def __init__(self, *shape: int) -> None:
        self.buffers, self.tensors, self.operators, self.codes = [schema.BufferT()], [], [], []
        self.begins_with: dict[str, np.ndarray] = {}
        self.input = self.tensor(shape)

    def tensor(self, shape=(), constant: np.ndarray | None = None, kind: int = FLOAT32) -> int:
        one = schema.TensorT()
        if constant is not None:
            constant = np.asarray(constant)
            shape, kind = constant.shape, INT32 if constant.dtype == np.int32 else FLOAT32
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(constant.tobytes(), np.uint8)
            self.buffers.append(buffer)
            one.buffer = len(self.buffers) - 1
        one.shape, one.type = np.array(shape, np.int32), kind
        self.tensors.append(one)
        return len(self.tensors) - 1

    def constant(self, values) -> int:
        values = np.asarray(values)
        return self.tensor(constant=values.astype(np.int32 if values.dtype.kind == "i" else np.float32))

    def apply(self, name: str, inputs, *shapes, kind: int = FLOAT32, **options) -> int:
        """Add an operator; the number of its last output."""
        code, one = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        self.codes.append(code)
        one.opcodeIndex, one.inputs = len(self.codes) - 1, np.array(inputs, np.int32)
        one.outputs = np.array([self.tensor(shape, kind=kind) for shape in shapes], np.int32)
        if options:
            of = _OPTIONS.get(name) or name.title().replace("_", "")
            one.builtinOptionsType = getattr(schema.BuiltinOptions, f"{of}Options")
            one.builtinOptions = getattr(schema, f"{of}OptionsT")()
            vars(one.builtinOptions).update(options)
        self.operators.append(one)
        return len(self.tensors) - 1

    def variable(self, begins_with: np.ndarray) -> int:
        """A variable that TFLite can run: a second graph gives it its first values."""
        name = f"variable {len(self.begins_with)}"
        self.begins_with[name] = begins_with
        if len(self.begins_with) == 1:
            self.apply("CALL_ONCE", [], initSubgraphIndex=1)
        return self._handle(name)

    def _handle(self, name: str) -> int:
        return self.apply("VAR_HANDLE", [], (), kind=RESOURCE, container="", sharedName=name)

    def content(self) -> bytes:
        graphs = [self._graph([self.input], [len(self.tensors) - 1])]
        if self.begins_with:
            self.tensors, self.operators = [], []
            for name, values in self.begins_with.items():
                self.apply("ASSIGN_VARIABLE", [self._handle(name), self.constant(values)])
            graphs.append(self._graph([], []))
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers, model.operatorCodes = 3, graphs, self.buffers, self.codes
        builder = flatbuffers.Builder(0)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def _graph(self, inputs, outputs):
        graph = schema.SubGraphT()
        graph.tensors, graph.operators = self.tensors, self.operators
        graph.inputs, graph.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        return graph
