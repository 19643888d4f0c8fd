"""Moments of windows of latents in memory: equal to those of all windows laid side by side."""

import numpy as np
import pytest
import torch

from latentdyn.stores import lag_sums as module
from latentdyn.stores.lag_sums import OnGPU, RunSums, moments_of, resident_moments
from latentdyn.stores.runs import edges_of

RUNS = ((3, 9), (9, 10), (30, 64), (70, 71))  # rows of targets: gaps smaller and larger than the reach, and none


def walk(n: int = 80, dim: int = 3) -> np.ndarray:
    """Latents far from 0, in float32 as they are stored."""
    return (100 + np.cumsum(np.random.default_rng(0).normal(size=(n, dim)), axis=0)).astype(np.float32)


@pytest.mark.parametrize("reach", [1, 2, 3])
@pytest.mark.parametrize("block", [4, 4096])
@pytest.mark.parametrize("edges", [2, 512])
def test_moments_are_those_of_the_windows_of_these_rows(monkeypatch, edges, block, reach):
    monkeypatch.setattr(module, "_BLOCK_FRAMES", block)
    monkeypatch.setattr(module, "_EDGES", edges)
    latents, rows = walk(), np.concatenate([np.arange(*run) for run in RUNS])
    windows = np.array([latents[t - reach : t + 1][::-1] for t in rows], np.float64)
    moments = resident_moments(torch.from_numpy(latents), edges_of(rows), reach)
    covariance = np.cov(windows.reshape(len(rows), -1).T, bias=True).reshape(moments.covariance.shape)
    assert (moments.n, moments.frames, moments.nonfinite) == (len(rows), len(rows), 0)
    np.testing.assert_allclose(moments.mean, windows.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.covariance, covariance, atol=1e-11 * np.abs(covariance).max())


def test_no_row_gives_no_moments():
    moments = resident_moments(torch.from_numpy(walk()), edges_of(np.array([], np.int64)), 2)
    assert moments.n == 0 and np.isnan(moments.covariance).all() and np.isnan(moments.mean).all()


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_sums_of_tensors_are_those_of_arrays(reach):
    shift = np.full(3, 100.0)
    in_memory, on_device = RunSums(shift, reach), RunSums(shift, reach, OnGPU(torch.device("cpu")))
    latents = walk()
    for batch in ([latents[:9], latents[9:30]], [latents[30:]]):
        in_memory.add_runs(batch)
        on_device.add_runs([torch.from_numpy(run) for run in batch])
    ours, theirs = (moments_of(sums.sums(1, 1, 0), shift) for sums in (on_device, in_memory))
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-13)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-12)
