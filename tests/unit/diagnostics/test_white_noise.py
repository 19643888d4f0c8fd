"""The cosine of white noise: closed forms, a Monte Carlo of the definition, and the moments it is taken from."""

import math

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.white_noise import frame_variances, white_noise_cosine
from latentdyn.stores.windows import Windows


def test_one_dimension_is_right_three_times_of_four():
    # the angle between x and x - y is 45° in the plane of (x, y): E[sign] = 1 - 2 · 45/180
    assert white_noise_cosine(np.array([3.0]), 1) == pytest.approx(0.5, abs=1e-7)


@pytest.mark.parametrize("dim", [2, 6, 512])
def test_equal_variances_give_the_quadrature_over_the_angle(dim):
    """In D dimensions cos = (r - c) / sqrt(1 - 2 c r + r²) for r = |x| / |y| and c the cosine of two uniform
    directions; by scipy's quadrature over the ratio (a beta law) and c (another)."""
    from scipy import integrate, stats

    c, wc = np.polynomial.legendre.leggauss(400)
    if dim == 2:  # a density with poles at its ends: by the angle instead
        angle = (c + 1) * np.pi / 2
        c, wc = np.cos(angle), wc / 2
    else:
        wc = wc * stats.beta.pdf((c + 1) / 2, (dim - 1) / 2, (dim - 1) / 2) / 2

    def given(share: float) -> float:  # share: |x|² of |x|² + |y|²
        r = math.sqrt(share / (1 - share))
        return float(wc @ ((r - c) / np.sqrt(1 - 2 * c * r + r * r))) * stats.beta.pdf(share, dim / 2, dim / 2)

    low, high = stats.beta.ppf([1e-12, 1 - 1e-12], dim / 2, dim / 2)
    expected = integrate.quad(given, low, high, limit=200)[0]
    assert white_noise_cosine(np.full(dim, 7.0), 1) == pytest.approx(expected, abs=2e-5)
    if dim == 512:
        assert expected == pytest.approx(math.sqrt(0.5), abs=1e-3)


def test_unequal_variances_give_the_mean_of_drawn_noise():
    variances, rng = np.array([9.0, 1.0, 0.5, 0.0]), np.random.default_rng(0)
    x, y = (rng.normal(size=(400_000, 4)) * np.sqrt(variances) for _ in range(2))
    cosine = (x * (x - y)).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(x - y, axis=1)
    error = cosine.std() / math.sqrt(len(cosine))
    assert white_noise_cosine(variances, 1) == pytest.approx(cosine.mean(), abs=4 * error) and error < 1.5e-3


def test_a_stale_context_knows_no_direction():
    assert white_noise_cosine(np.ones(3), 2) == white_noise_cosine(np.ones(3), 8) == 0.0


@pytest.mark.parametrize("scale", [1.0, 1e12, 1e-12])
def test_variances_are_shares_along_principal_axes_of_the_target_frames(scale):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(5000, 3)) @ np.diag([2.0, 1.0, 0.1]) @ np.linalg.qr(rng.normal(size=(3, 3)))[0]
    latents = torch.from_numpy(scale * (x + np.array([3.0, 0.0, -3.0]))).float()
    frames = latents[1000:].double()
    windows = Windows(latents, torch.arange(1000, 5000), 1)
    expected = np.linalg.eigvalsh(np.cov(frames.numpy().T, bias=True))
    found = frame_variances(windows, frames.mean(0), frames.std(0, correction=0))
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-5)
