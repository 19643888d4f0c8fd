"""Leaky integration: by hand, exactly back, anew at every utterance and after every gap."""

import numpy as np
import pytest

from latentdyn.representations.base import Source, Utterance
from latentdyn.representations.leaky import Leaky


def apply(x, coefficient=0.5):
    x = np.asarray(x, np.float32)
    levels = np.arange(len(x), dtype=np.float32)
    return Leaky(Source(x.shape[1], 50.0), "float32", coefficient).apply(Utterance("u", "s", "train", x, levels))


def test_by_hand():
    y, levels = apply([[1, 0], [1, 4], [0, 0], [8, -2]])
    assert y.tolist() == [[1, 0], [1.5, 4], [0.75, 2], [8.375, -1]]
    assert levels.tolist() == [0, 1, 2, 3] and y.dtype == np.float32


@pytest.mark.parametrize("coefficient", [0.0, 0.5, 0.9, 0.99])
def test_the_way_back_is_exact_but_for_rounding_of_the_larger_sums(coefficient):
    x = np.random.default_rng(0).normal(3, 1, size=(2000, 3)).astype(np.float32)
    y, _ = apply(x, coefficient)
    back = Leaky(Source(3, 50.0), "float32", coefficient).invert(y, "u")
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, x, atol=2 * np.finfo(np.float32).eps * np.abs(y).max())


def test_after_a_frame_that_is_not_finite_it_begins_anew():
    y, _ = apply([[1], [1], [np.nan], [2], [2], [np.inf], [np.nan], [4]])
    np.testing.assert_array_equal(y[:, 0], [1, 1.5, np.nan, 2, 3, np.nan, np.nan, 4])
    back = Leaky(Source(1, 50.0), "float32", 0.5).invert(y, "u")
    np.testing.assert_array_equal(back[:, 0], [1, 1, np.nan, 2, 2, np.nan, np.nan, 4])


def test_an_utterance_without_frames_stays_one():
    y, _ = apply(np.empty((0, 3)))
    assert y.shape == Leaky(Source(3, 50.0), "float32", 0.9).invert(y, "u").shape == (0, 3)
