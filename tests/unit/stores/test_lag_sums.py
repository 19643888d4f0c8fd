"""Moments of windows of latents in memory: equal to those of all windows laid side by side."""

import numpy as np
import pytest

from latentdyn.stores import lag_sums as module
from latentdyn.stores.lag_sums import resident_moments

RUNS = ((3, 9), (9, 10), (30, 64), (70, 71))  # rows of targets: gaps smaller and larger than the reach, and none


def walk(n: int = 80, dim: int = 3) -> np.ndarray:
    """Latents far from 0, in float32 as they are stored."""
    return (100 + np.cumsum(np.random.default_rng(0).normal(size=(n, dim)), axis=0)).astype(np.float32)


@pytest.mark.parametrize("reach", [1, 2, 3])
@pytest.mark.parametrize("block", [4, 4096])
def test_moments_are_those_of_the_windows_of_these_rows(monkeypatch, block, reach):
    monkeypatch.setattr(module, "_BLOCK_FRAMES", block)
    latents, rows = walk(), np.concatenate([np.arange(*run) for run in RUNS])
    windows = np.array([latents[t - reach : t + 1][::-1] for t in rows], np.float64)
    moments = resident_moments(latents, rows, reach)
    covariance = np.cov(windows.reshape(len(rows), -1).T, bias=True).reshape(moments.covariance.shape)
    assert (moments.n, moments.frames, moments.nonfinite) == (len(rows), len(rows), 0)
    np.testing.assert_allclose(moments.mean, windows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, covariance, atol=1e-11 * np.abs(covariance).max())


def test_no_row_gives_no_moments():
    moments = resident_moments(walk(), np.array([], np.int64), 2)
    assert moments.n == 0 and np.isnan(moments.covariance).all() and np.isnan(moments.mean).all()
