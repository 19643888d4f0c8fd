"""Graphs of a few operators, written as TFLite files here, beside what they say when read hop by hop."""

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema

from latentdyn.codecs.causal import Carry
from latentdyn.codecs.hop_network import OtherGraph, torch_network

from .tflite_file import FLOAT32, INT8, RESOURCE, File

VALID, SAME = schema.Padding.VALID, schema.Padding.SAME
RNG = np.random.default_rng(0)


def causal(past: int = 4, hop: int = 4, channels: int = 2, **changes):
    """A convolution of 3 taps, dilated by 2, each channel for itself (groups are implicit), then a leaky ReLU."""
    file, weight = File(1, hop, channels), RNG.normal(size=(channels, 1, 3, 1)).astype(np.float32)
    bias = RNG.normal(size=channels).astype(np.float32)
    variable = file.apply("VAR_HANDLE", [], (), kind=RESOURCE)
    kept = file.apply("READ_VARIABLE", [variable], (1, past, channels))
    joined = file.apply("CONCATENATION", [kept, file.input], (1, past + hop, channels), axis=1)
    flat = file.apply("RESHAPE", [joined], (1, 1, past + hop, channels))
    options = {"padding": VALID, "strideW": 1, "strideH": 1, "dilationWFactor": 2, **changes}
    made = file.apply("CONV_2D", [flat, file.constant(weight), file.constant(bias)], (1, 1, hop, channels), **options)
    file.apply("LEAKY_RELU", [made], (1, 1, hop, channels), alpha=0.3)
    return file, weight, bias


def run(content: bytes, x: np.ndarray, *pieces: int) -> np.ndarray:
    """The network's output (n', C') for x (n, C), in pieces of so many rows."""
    carry, state, found = Carry(), {}, []
    network = torch_network(content, carry)
    for piece in np.split(x, pieces):
        with carry.of(state):
            found.append(network(torch.from_numpy(piece.T)[None])[0].T.numpy())
    return np.concatenate(found)


def test_a_convolution_reaches_back_as_far_as_its_variable():
    file, weight, bias = causal()
    x = RNG.normal(size=(12, 2)).astype(np.float32)
    before = np.concatenate([np.zeros((4, 2)), x])
    y = bias + sum(before[2 * tap : 2 * tap + 12] * weight[:, 0, tap, 0] for tap in range(3))
    for pieces in ([], [4, 8], [8]):
        np.testing.assert_allclose(run(file.content(), x, *pieces), np.where(y > 0, y, 0.3 * y), atol=1e-5)


def added_up(file: File, source: int, weight: np.ndarray, bias: np.ndarray, hop: int) -> int:
    """A transposed convolution of stride 2 whose end is kept, less the bias, and added to the next hop's start."""
    out, overlap = len(weight), weight.shape[2] - 2
    whole = 2 * hop + overlap
    variable = file.apply("VAR_HANDLE", [], (), kind=RESOURCE)
    kept = file.apply("READ_VARIABLE", [variable], (1, overlap, out))
    zeros = file.constant(np.zeros((1, 2 * hop, out)))
    padded = file.apply("CONCATENATION", [kept, zeros], (1, whole, out), axis=1)
    flat = file.apply("RESHAPE", [source], (1, 1, hop, weight.shape[3]))
    shape, offset = file.constant([1, 1, whole, out]), file.constant(bias)
    inputs = [shape, file.constant(weight), flat, offset]
    made = file.apply("TRANSPOSE_CONV", inputs, (1, 1, whole, out), padding=VALID, strideW=2, strideH=1)
    total = file.apply("ADD", [file.apply("RESHAPE", [made], (1, whole, out)), padded], (1, whole, out))
    begin, end, steps = (file.constant([0, at, 0]) for at in (0, 2 * hop, 1))
    tail = file.apply("STRIDED_SLICE", [total, end, begin, steps], (1, overlap, out), beginMask=5, endMask=7)
    less = file.apply("SUB", [tail, offset], (1, overlap, out))
    file.apply("ASSIGN_VARIABLE", [variable, less])
    return file.apply("STRIDED_SLICE", [total, begin, end, steps], (1, 2 * hop, out), beginMask=5, endMask=5)


def test_transposed_convolutions_of_parts_of_the_channels_add_up_over_hops():
    file = File(1, 3, 4)
    weights = RNG.normal(size=(2, 1, 1, 4, 2)).astype(np.float32)  # two parts, one output channel each, 4 taps
    biases = np.array([[0.5], [-1.0]], np.float32)
    last = file.apply("SPLIT", [file.constant(np.int32(2)), file.input], (1, 3, 2), (1, 3, 2), numSplits=2)
    parts = [added_up(file, last - 1 + i, weights[i], biases[i], hop=3) for i in range(2)]
    file.apply("CONCATENATION", parts, (1, 6, 2), axis=-1)
    x = RNG.normal(size=(6, 4)).astype(np.float32)
    expected = np.zeros((12 + 2, 2))
    for part in range(2):
        for t, frame in enumerate(x):
            expected[2 * t : 2 * t + 4, part] += weights[part, 0, 0] @ frame[2 * part : 2 * part + 2]
        expected[:, part] += biases[part]
    for pieces in ([], [3]):
        np.testing.assert_allclose(run(file.content(), x, *pieces), expected[:12], atol=1e-5)


def test_a_residual_is_added():
    file = File(1, 2, 3)
    through = file.apply("LEAKY_RELU", [file.input], (1, 2, 3), alpha=0.5)
    file.apply("ADD", [through, file.input], (1, 2, 3))
    x = np.array([[1.0, -1.0, 0.0]], np.float32)
    np.testing.assert_array_equal(run(file.content(), x), [[2.0, -1.5, 0.0]])


def with_operator(name: str, *shape: int, kind: int = FLOAT32, **options) -> File:
    file = File(1, 4, 2)
    file.apply(name, [file.input], shape, kind=kind, **options)
    return file


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (with_operator("QUANTIZE", 1, 4, 2, kind=INT8), "operator QUANTIZE"),
        (with_operator("LEAKY_RELU", 1, 4, 2, kind=INT8, alpha=0.3), "other numbers than float32"),
        (with_operator("RESHAPE", 1, 2, 4), "mixes time and channels"),
        (with_operator("SPLIT", 1, 4, 2, numSplits=1), "SPLIT is put together in another way"),
        (causal(past=2)[0], "another past than its 3 taps"),
        (causal(padding=SAME)[0], "without padding"),
        (causal(fusedActivationFunction=1)[0], "an activation of its own"),
        (causal(strideH=2)[0], "strides in two dimensions"),
    ],
)
def test_another_graph_is_refused_by_what_differs(file, message):
    with pytest.raises(OtherGraph, match=message):
        torch_network(file.content(), Carry())
