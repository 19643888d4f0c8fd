"""A small file that keeps its past in a variable: hop by hop, and made anew for tiles."""

import logging
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from latentdyn.codecs.tflite import HopModel
from latentdyn.codecs.tflite_tiles import TileModel, in_tiles

from .tflite_file import File

HOP, PAST = 4, 2
RNG = np.random.default_rng(0)
TAPS = RNG.normal(size=PAST + 1).astype(np.float32)
OUT = RNG.normal(size=(2, HOP)).astype(np.float32)
VALID = {"padding": schema.Padding.VALID, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1}


def file_of(begins_with: float = 0.0, keeps: bool = True) -> bytes:
    """Four samples to two numbers: three taps over the samples and the two before the hop, then all four of a hop."""
    file = File(1, HOP)
    variable = file.variable(np.full((1, PAST, 1), begins_with))
    signal = file.apply("RESHAPE", [file.input, file.constant([1, HOP, 1])], (1, HOP, 1))
    before = file.apply("READ_VARIABLE", [variable], (1, PAST, 1))
    joined = file.apply("CONCATENATION", [before, signal], (1, PAST + HOP, 1), axis=1)
    begin, end, steps = (file.constant(numbers) for numbers in ([0, -PAST, 0], [0, 0, 0], [1, 1, 1]))
    last = file.apply("STRIDED_SLICE", [joined, begin, end, steps], (1, PAST, 1), beginMask=5, endMask=7)
    if keeps:
        file.apply("ASSIGN_VARIABLE", [variable, last])
    flat = file.apply("RESHAPE", [joined, file.constant([1, 1, PAST + HOP, 1])], (1, 1, PAST + HOP, 1))
    taps, none = file.constant(TAPS.reshape(1, 1, -1, 1)), file.constant(np.zeros(1))
    made = file.apply("CONV_2D", [flat, taps, none], (1, 1, HOP, 1), strideW=1, **VALID)
    out, bias = file.constant(OUT.reshape(2, 1, HOP, 1)), file.constant(np.array([0.5, -0.5]))
    made = file.apply("CONV_2D", [made, out, bias], (1, 1, 1, 2), strideW=HOP, **VALID)
    file.apply("RESHAPE", [made, file.constant([1, 1, 2])], (1, 1, 2))
    return file.content()


def model_of(content: bytes, folder: Path) -> HopModel:
    (folder / "model.tflite").write_bytes(content)
    return HopModel(folder / "model.tflite", (1, HOP), (1, 1, 2), "")


@pytest.fixture
def rows() -> np.ndarray:
    return RNG.normal(size=(60, HOP)).astype(np.float32)


def by_hand(rows: np.ndarray) -> np.ndarray:
    samples = np.concatenate([np.zeros(PAST), rows.reshape(-1)])
    made = np.convolve(samples, TAPS[::-1], mode="valid")
    return made.reshape(-1, HOP) @ OUT.T + [0.5, -0.5]


@pytest.mark.parametrize("pieces", [[], [1], [1, 2, 3], [7, 50], [40]])
def test_tiles_of_any_length_give_what_hops_give(rows, tmp_path, pieces):
    model = model_of(file_of(), tmp_path)
    tiles = in_tiles(model, rows[:32])
    assert isinstance(tiles, TileModel)
    run = tiles.open()
    found = np.concatenate([run(piece) for piece in np.split(rows, pieces)])
    np.testing.assert_array_equal(found, model.open()(rows))
    np.testing.assert_allclose(found, by_hand(rows), atol=1e-5)


def test_utterances_take_turns_and_each_begins_anew(rows, tmp_path):
    tiles = TileModel(file_of())
    one, other = tiles.open(), tiles.open()
    turns = [run(piece) for piece in np.split(rows, 4) for run in (one, other)]
    np.testing.assert_array_equal(np.concatenate(turns[::2]), tiles.open()(rows))
    np.testing.assert_array_equal(np.concatenate(turns[1::2]), tiles.open()(rows))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (file_of(begins_with=1.0), "it then gives other numbers"),  # where tiles begin with zeros
        (file_of(keeps=False), "put together in another way (KeyError"),
    ],
)
def test_another_file_is_taken_hop_by_hop(content, why, rows, tmp_path, caplog):
    model = model_of(content, tmp_path)
    with caplog.at_level(logging.WARNING):
        assert in_tiles(model, rows[:32]) is model
    assert "model.tflite: TFLite takes it hop by hop" in caplog.text and why in caplog.text
