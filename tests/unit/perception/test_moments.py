"""Moments of training frames, block by block, against numpy's of all of them at once."""

import numpy as np
import pytest
import torch

from latentdyn.perception import experiment
from latentdyn.perception.experiment import Moments
from tests.indexed import whole_index


@pytest.mark.parametrize("block", [1, 7, 4096])
@pytest.mark.parametrize("dim", [2, 5, 64])
def test_blocks_change_no_bit(dim, block, monkeypatch):
    monkeypatch.setattr(experiment, "_BLOCK", block)
    x = np.random.default_rng(0).normal(5, 3, size=(300, dim)).astype(np.float32)
    finite = np.ones(300, bool)
    finite[[0, 40, 41, 299]] = False
    x[~finite] = np.nan
    frames = whole_index([90, 110, 100], splits={"s0": "train", "s1": "eval", "s2": "train"}).with_finite(finite)
    used = x[finite & ~((np.arange(300) >= 90) & (np.arange(300) < 200))]
    found = Moments.of(torch.from_numpy(x), frames)
    std = used.std(axis=0, dtype=np.float64)
    np.testing.assert_array_equal(found.std, std)
    assert found.spread == float(np.sqrt(np.square(std).sum()))
