"""A TFLite graph that maps one hop of audio, or one frame, to the other, as a torch network of any number of hops.

Such a graph keeps its past in variables. A convolution puts its variable before its input; a transposed convolution
adds its variable to the start of its output. Over a whole utterance these are the causal layers of `codecs.causal`:
nothing but padding on the left, and nothing that is kept on the right.

The graph is walked operator by operator. Groups are implicit in it (channels of the input over those of the weight),
all padding is VALID, so a variable's length is all that stands on the left, and what a transposed convolution keeps is
stored less its bias. Whatever is not of this form is refused by its name: no number is guessed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from latentdyn.codecs.causal import Carry, CarryingConv1d, CarryingConvTranspose1d
from latentdyn.codecs.tflite_graph import Graph, Operator, read_graph

_VALID, _NO_ACTIVATION = 1, 0
_OF_VARIABLES = frozenset({"CALL_ONCE", "VAR_HANDLE", "ASSIGN_VARIABLE", "SUB"})  # of what is kept for the next hop


# what it takes is not there, or of other shapes
_PUT_TOGETHER_OTHERWISE = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class OtherGraph(Exception):
    """The graph has something that is not of this form; the text says what."""


class Network(nn.Module):
    """Layers, each of which takes the outputs of earlier ones.

    Args:
        layers: in order. sources: of each, the numbers of its inputs; 0 is the network's own, i + 1 what layer i gives.
    """

    def __init__(self, layers: Sequence[nn.Module], sources: Sequence[tuple[int, ...]]) -> None:
        super().__init__()
        self.layers, self.sources = nn.ModuleList(layers), sources

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, C, n) to (B, C', n')."""
        found = [x]
        for layer, sources in zip(self.layers, self.sources, strict=True):
            found.append(layer(*(found[source] for source in sources)))
        return found[-1]


def torch_network(content: bytes, carry: Carry) -> Network:
    """The network of a TFLite file that the interpreter has taken, in float32 and frozen.

    Args:
        carry: where its layers keep the past.

    Raises:
        OtherGraph: the graph is not of this form.
    """
    walk = _Walk(read_graph(content), carry)
    return Network(walk.layers, walk.sources).eval().requires_grad_(False)


@dataclass(frozen=True)
class _Signal:
    """A layer's output. context: values of a variable that stand before it. overlap: values at its end that a variable
    is still to be added to, from the last hop, and that are kept for the next one."""

    layer: int
    context: int = 0
    overlap: int = 0
    added: bool = False


@dataclass(frozen=True)
class _Variable:
    """What was kept of the last hop. padded: with zeros after it."""

    length: int
    padded: bool = False


class _Walk:
    """layers and sources: as of `Network`."""

    def __init__(self, graph: Graph, carry: Carry) -> None:
        self.graph, self.carry = graph, carry
        self.layers: list[nn.Module] = []
        self.sources: list[tuple[int, ...]] = []
        self.values: dict[int, _Signal | _Variable] = {graph.input: _Signal(0)}
        for operator in graph.operators:
            self._take(operator)
        found = self.values.get(graph.output)
        if found != _Signal(len(self.layers)):
            raise OtherGraph("the last operator is not what the graph gives")

    def _take(self, operator: Operator) -> None:
        if operator.name in _OF_VARIABLES:
            return
        method = getattr(self, f"_{operator.name.lower()}", None)
        if method is None:
            raise OtherGraph(f"it has the operator {operator.name}")
        for number in (*operator.inputs, *operator.outputs):
            if number >= 0 and self.graph.tensors[number].dtype is None and operator.name != "READ_VARIABLE":
                raise OtherGraph(f"{operator.name} computes with other numbers than float32")
        if getattr(operator.options, "fusedActivationFunction", _NO_ACTIVATION) != _NO_ACTIVATION:
            raise OtherGraph(f"{operator.name} has an activation of its own")
        try:
            for number, value in zip(operator.outputs, method(operator), strict=True):
                self.values[number] = value
        except _PUT_TOGETHER_OTHERWISE as error:
            raise OtherGraph(f"{operator.name} is put together in another way") from error

    def _read_variable(self, operator: Operator) -> list[Any]:
        return [_Variable(self._shape(operator.outputs[0])[1])]

    def _reshape(self, operator: Operator) -> list[Any]:
        before, after = self._shape(operator.inputs[0]), self._shape(operator.outputs[0])
        if _channels(before) != _channels(after):
            raise OtherGraph(f"RESHAPE mixes time and channels, {before} to {after}")
        return [self.values[operator.inputs[0]]]

    def _concatenation(self, operator: Operator) -> list[Any]:
        axis, rank = operator.options.axis, len(self._shape(operator.outputs[0]))
        parts = [self.values.get(number) for number in operator.inputs]
        constants = [self._constant(number) for number in operator.inputs]
        match parts:
            case [_Variable(length), _Signal(layer)] if axis == 1:
                return [_Signal(layer, context=length)]
            case [_Variable(length), None] if axis == 1 and constants[1] is not None and not constants[1].any():
                return [_Variable(length, padded=True)]
        if axis not in (-1, rank - 1):
            raise OtherGraph("CONCATENATION joins other things than a variable and a signal, or channels")
        return [self._add_layer(_Join(), *(self._signal(number) for number in operator.inputs))]

    def _strided_slice(self, operator: Operator) -> list[Any]:
        value = self.values[operator.inputs[0]]
        if operator.options.endMask & 2:  # the end of a signal: what a variable keeps
            return [None]
        begin, end = (self._constant(number) for number in operator.inputs[1:3])
        kept = isinstance(value, _Signal) and value.added and begin is not None and end is not None
        whole = self._shape(operator.inputs[0])[1]
        if not kept or begin[1] != 0 or end[1] != whole - value.overlap:  # type: ignore[index, union-attr]
            raise OtherGraph("STRIDED_SLICE takes other parts of a signal than its end or what is not kept")
        return [_Signal(value.layer)]  # type: ignore[union-attr]

    def _split(self, operator: Operator) -> list[Any]:
        axis, rank = self._constant(operator.inputs[0]), len(self._shape(operator.inputs[1]))
        if axis is None or int(axis) not in (-1, rank - 1):
            raise OtherGraph("SPLIT cuts along another axis than channels")
        source, found, first = self._signal(operator.inputs[1]), [], 0
        for number in operator.outputs:
            channels = self._shape(number)[-1]
            found.append(self._add_layer(_Channels(first, channels), source))
            first += channels
        return found

    def _leaky_relu(self, operator: Operator) -> list[Any]:
        return [self._add_layer(nn.LeakyReLU(operator.options.alpha), self._signal(operator.inputs[0]))]

    def _add(self, operator: Operator) -> list[Any]:
        match [self.values.get(number) for number in operator.inputs]:
            case [_Signal(layer, 0, overlap, False), _Variable(length, True)] if overlap and length == overlap:
                return [_Signal(layer, overlap=overlap, added=True)]
        return [self._add_layer(_Sum(), *(self._signal(number) for number in operator.inputs))]

    def _conv_2d(self, operator: Operator) -> list[Any]:
        weight = self._weight(operator, 1)[:, 0].transpose(0, 2, 1)  # (out, in / groups, taps)
        return [self._convolution(operator, weight)]

    def _depthwise_conv_2d(self, operator: Operator) -> list[Any]:
        weight = self._weight(operator, 1)[0, 0].T[:, None]
        return [self._convolution(operator, weight)]

    def _convolution(self, operator: Operator, weight: np.ndarray) -> _Signal:
        value, options = self.values[operator.inputs[0]], operator.options
        channels, taps = self._shape(operator.inputs[0])[-1], weight.shape[2]
        if channels % weight.shape[1]:
            raise OtherGraph(f"{operator.name} has {channels} channels and a weight for {weight.shape[1]}")
        conv = nn.Conv1d(
            channels, len(weight), taps, options.strideW, dilation=options.dilationWFactor,
            groups=channels // weight.shape[1],
        )  # fmt: skip
        layer = CarryingConv1d(_filled(conv, weight, self._bias(operator, 2)), "constant", self.carry)
        if not isinstance(value, _Signal) or value.overlap or value.context != layer.context:
            raise OtherGraph(f"{operator.name} has another past than its {taps} taps reach back")
        return self._add_layer(layer, value.layer)

    def _transpose_conv(self, operator: Operator) -> list[Any]:
        weight = self._weight(operator, 1)[:, 0].transpose(2, 0, 1)  # (in, out, taps)
        stride, taps = operator.options.strideW, weight.shape[2]
        conv = nn.ConvTranspose1d(weight.shape[0], weight.shape[1], taps, stride)
        layer = CarryingConvTranspose1d(_filled(conv, weight, self._bias(operator, 3)), self.carry)
        found = self._add_layer(layer, self._signal(operator.inputs[2]))
        return [_Signal(found.layer, overlap=taps - stride)]

    def _weight(self, operator: Operator, place: int) -> np.ndarray:
        weight, options = self._constant(operator.inputs[place]), operator.options
        if weight is None or weight.ndim != 4 or weight.shape[1] != 1 or options.padding != _VALID:
            raise OtherGraph(f"{operator.name} is not a convolution over time without padding, of a constant weight")
        if options.strideH != 1:
            raise OtherGraph(f"{operator.name} has strides in two dimensions")
        return weight

    def _bias(self, operator: Operator, place: int) -> np.ndarray:
        bias = self._constant(operator.inputs[place]) if len(operator.inputs) > place else None
        if bias is None:
            raise OtherGraph(f"{operator.name} has no constant bias")
        return bias

    def _add_layer(self, layer: nn.Module, *sources: int) -> _Signal:
        self.layers.append(layer)
        self.sources.append(sources)
        return _Signal(len(self.layers))

    def _signal(self, number: int) -> int:
        """The layer that gives this tensor, if it is a whole signal."""
        match self.values.get(number):
            case _Signal(layer, 0, 0):
                return layer
        raise OtherGraph("an operator takes what is no whole signal")

    def _shape(self, number: int) -> tuple[int, ...]:
        return self.graph.tensors[number].shape

    def _constant(self, number: int) -> np.ndarray | None:
        return self.graph.tensors[number].constant if number >= 0 else None


class _Join(nn.Module):
    def forward(self, *parts: torch.Tensor) -> torch.Tensor:
        return torch.cat(parts, dim=1)


class _Sum(nn.Module):
    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return a + b


class _Channels(nn.Module):
    def __init__(self, first: int, count: int) -> None:
        super().__init__()
        self.first, self.count = first, count

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, self.first : self.first + self.count]


def _channels(shape: tuple[int, ...]) -> int:
    """Of (1, time), (1, time, channels) or (1, 1, time, channels)."""
    return shape[-1] if len(shape) > 2 else 1


def _filled(layer: Any, weight: np.ndarray, bias: np.ndarray) -> Any:
    """A layer with these for its weights, frozen."""
    layer.weight, layer.bias = (
        nn.Parameter(torch.from_numpy(np.array(values, np.float32, order="C")), requires_grad=False)
        for values in (weight, bias)
    )
    return layer
