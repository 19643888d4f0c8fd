"""The law of codes on sequences whose entropy is known."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.tokens import TokenModel, TokenSettings, fit, frame_bits, predicted, stage_books
from latentdyn.measurements.tokens import _whole
from latentdyn.stores.quantizer import Group, Quantizer
from tests.indexed import whole_index

SETTINGS = TokenSettings(window_frames=2, width=32, steps=300, batch_frames=128, learning_rate=1e-2)
CPU = torch.device("cpu")


def books(stages: int, codewords: int = 4, dim: int = 3) -> np.ndarray:
    rng = np.random.default_rng(0)
    return stage_books(Quantizer([Group(rng.normal(size=(stages, codewords, dim)).astype(np.float32))]))


def bits(codes: np.ndarray) -> tuple[float, float]:
    """Held-out bits a frame with the past and without it, of one long sequence of codes (n, S)."""
    own = books(codes.shape[1])
    parts = np.array_split(np.arange(2, len(codes)), 3)
    train, validation, held_out = (predicted(codes, rows, own, 2) for rows in parts)
    models = [fit(train, validation, own, SETTINGS, past=past, seed=0, device=CPU) for past in (True, False)]
    return tuple(float(frame_bits(model, held_out, CPU).mean()) for model in models)


def test_a_cycle_needs_no_bits_given_its_past_and_all_of_them_without():
    codes = np.stack([np.arange(6000) % 4, np.random.default_rng(1).integers(0, 4, 6000)], axis=1).astype(np.int16)
    given, alone = bits(codes)
    assert given == pytest.approx(2, abs=0.05)  # the second stage is noise
    assert alone == pytest.approx(4, abs=0.05)


def test_a_stage_that_follows_from_the_one_before_it_needs_no_bits():
    first = np.random.default_rng(2).integers(0, 4, 6000)
    given, alone = bits(np.stack([first, (first + 1) % 4], axis=1).astype(np.int16))
    assert given == pytest.approx(2, abs=0.05) and alone == pytest.approx(2, abs=0.05)


def test_an_untrained_law_is_uniform():
    model = TokenModel(torch.from_numpy(books(3)), 6, 8)
    codes = torch.zeros(5, 3, dtype=torch.int64)
    np.testing.assert_allclose(model.bits(torch.randn(5, 6), codes).detach(), 2, rtol=1e-6)


def test_the_past_is_that_of_the_rows_before():
    codes, own = np.array([[0], [1], [2], [3]], np.int16), books(1)
    past = predicted(codes, np.array([2, 3]), own, 2).past
    np.testing.assert_array_equal(past, [[*own[0, 0], *own[0, 1]], [*own[0, 1], *own[0, 2]]])


def test_groups_have_dimensions_of_their_own():
    wide = stage_books(Quantizer([Group(np.ones((1, 2, 3), np.float32)), Group(2 * np.ones((2, 2, 1), np.float32))]))
    assert wide.shape == (3, 2, 4)
    assert (wide[0, 0] != 0).tolist() == [True, True, True, False]
    assert (wide[1, 0] != 0).tolist() == [False, False, False, True]


def test_only_frames_with_a_whole_past_are_predicted():
    codes = np.array([[0], [1], [-1], [1], [1], [1], [0]], np.int16)
    frames = whole_index([6, 1])
    assert _whole(frames, codes, 1).rows().tolist() == [1, 4, 5]
    assert _whole(frames, codes, 2).rows().tolist() == [5]
