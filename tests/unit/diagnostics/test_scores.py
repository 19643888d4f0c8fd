"""Scores of a density by direction and length, against exact values and the identity that ties them to R^D."""

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln

from latentdyn.diagnostics.scores import fit_log_lengths, score_frames
from latentdyn.distributions.bessel import kappa_from_resultant_length
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.predictors.base import Predictor
from latentdyn.stores.windows import Scaling, Windows


class Constant(Predictor):
    """The first axis at one concentration, and one law of the length, whatever the context."""

    def __init__(self, dim: int, kappa: float, mu_logm: float, sigma: float, slope: float | None = None) -> None:
        super().__init__(dim, 1)
        self.law = (kappa, mu_logm, math.log(sigma))
        self.slope = slope

    def density(self, context):
        ones = torch.ones(len(context))
        kappa, mu_logm, log_sigma = (value * ones for value in self.law)
        slope = None if self.slope is None else self.slope * ones
        axis = torch.eye(self.dim)[:1].expand(len(context), -1)
        return VonMisesFisherLogNormal(axis, kappa, mu_logm, log_sigma, slope)


def windows_of(steps: torch.Tensor) -> Windows:
    """Windows of one frame whose targets are these steps."""
    latents = torch.cat([torch.zeros(2, steps.shape[1]), steps.double().cumsum(0).float()])
    return Windows(latents, torch.arange(2, len(latents)), 1)


def scores_of(predictor: Predictor, windows: Windows, train: Windows | None = None):
    unit = torch.ones(windows.dim, dtype=torch.float64)
    scaling = Scaling(0 * unit, unit, 0 * unit, unit, torch.diag(unit))
    return score_frames(predictor, windows, 1, scaling, log_lengths=fit_log_lengths(train or windows))


@pytest.mark.parametrize(
    ("cosine", "expected"), [(0.058, -0.86), (0.151, -5.9), (0.444, -56.2), (0.611, -119.6), (0.732, -196.3)]
)
def test_the_gain_of_a_direction_follows_from_its_cosine(cosine: float, expected: float):
    dim, n = 512, 50
    generator = torch.Generator().manual_seed(0)
    across = torch.randn(n, dim, generator=generator)
    across[:, 0] = 0
    steps = math.sqrt(1 - cosine**2) * across / across.norm(dim=1, keepdim=True)
    steps[:, 0] = cosine
    steps *= torch.exp(0.3 * torch.randn(n, 1, generator=generator))
    kappa = float(kappa_from_resultant_length(torch.tensor(cosine, dtype=torch.float64), dim))
    scores = scores_of(Constant(dim, kappa, 0.0, 1.0), windows_of(steps))
    np.testing.assert_allclose(scores.cosine, cosine, atol=1e-4)
    digits = 2 if cosine == 0.058 else 1
    assert scores.dnll_direction.mean() == pytest.approx(expected, abs=0.5 * 10**-digits)


@pytest.mark.parametrize("slope", [None, 0.7])
def test_the_nll_is_that_of_the_factors_and_the_volume(slope: float | None):
    dim = 6
    steps = torch.randn(200, dim, generator=torch.Generator().manual_seed(1)) * torch.logspace(-1, 1, 200)[:, None]
    windows = windows_of(steps)
    scores = scores_of(Constant(dim, 4.0, 0.5, 0.8, slope), windows)
    lengths = (windows.latents[2:] - windows.latents[1:-1]).double().norm(dim=1).log().numpy()
    log_area = math.log(2) + 0.5 * dim * math.log(math.pi) - gammaln(dim / 2)
    a, b = lengths.mean(), lengths.std()
    length_baseline = 0.5 * np.square((lengths - a) / b) + math.log(b) + 0.5 * math.log(2 * math.pi) + lengths
    factored = (scores.dnll_direction + log_area) + (scores.dnll_length + length_baseline)
    np.testing.assert_allclose(scores.nll, factored + (dim - 1) * lengths, rtol=1e-5, atol=1e-5)


def test_a_log_normal_that_is_the_baseline_gains_nothing_and_a_narrower_one_its_ratio():
    # ln m = ±1 about 2: the fitted log-normal has sigma 1, whose z² is 1 everywhere
    steps = torch.eye(3)[[0, 1, 2, 0]] * torch.tensor([1.0, 3.0, 1.0, 3.0]).exp()[:, None]
    same = scores_of(Constant(3, 0.0, 2.0, 1.0), windows_of(steps))
    np.testing.assert_allclose(same.dnll_length, 0, atol=1e-5)
    np.testing.assert_allclose(same.dnll_direction, 0, atol=1e-5)  # κ = 0 is the uniform law
    narrow = scores_of(Constant(3, 0.0, 2.0, 0.5), windows_of(steps))
    np.testing.assert_allclose(narrow.dnll_length, 0.5 * (4 - 1) - math.log(2), atol=1e-5)
    # and the baseline is of the training steps: there of one length e³ or e⁷, so sigma 2 about 5
    train = windows_of(torch.eye(3)[[0, 1]] * torch.tensor([3.0, 7.0]).exp()[:, None])
    other = scores_of(Constant(3, 0.0, 2.0, 1.0), windows_of(steps), train)
    expected = 0.5 - (0.5 * np.square((np.array([1, 3, 1, 3]) - 5) / 2) + math.log(2))
    np.testing.assert_allclose(other.dnll_length, expected, atol=1e-5)


def test_a_step_of_length_zero_is_nobodys_and_spoils_no_fit():
    steps = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
    still = torch.cat([steps[:10], torch.zeros(1, 4), steps[10:]])
    moving, with_still = (scores_of(Constant(4, 3.0, 0.0, 1.0), windows_of(s)) for s in (steps, still))
    for name in ("dnll_direction", "dnll_length"):
        assert np.isnan(with_still[name][10]) and with_still[name].isna().sum() == 1
        np.testing.assert_allclose(with_still[name].drop(10), moving[name], rtol=1e-4, atol=1e-4)


def test_lengths_that_do_not_vary_have_no_log_normal():
    scores = scores_of(Constant(3, 1.0, 0.0, 1.0), windows_of(2 * torch.eye(3)))
    assert scores.dnll_length.isna().all() and scores.dnll_direction.notna().all()
