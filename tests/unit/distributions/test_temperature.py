"""Draws at a temperature: each factor of a draw is p^(1/T), renormalised."""

import math

import pytest
import torch

from latentdyn.distributions.bessel import mean_resultant_length
from latentdyn.distributions.gaussian import FullGaussian
from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture, diagonal_gaussian
from latentdyn.distributions.rotated import RotatedMixture
from latentdyn.distributions.student_mixture import DiagonalStudentMixture
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from tests.settings import predictor_of

N, T = 40_000, 0.4
SIGMA = torch.tensor([0.5, 1.0, 2.0])
AXES = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(0))).Q


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def one_component(kind: str):
    mean, log_sigma = torch.ones(N, 3), SIGMA.log().expand(N, 3)
    gaussian = diagonal_gaussian(mean, log_sigma)
    if kind == "full":
        return FullGaussian(mean, AXES @ SIGMA.diag())
    if kind == "student":
        log_dofs = torch.full((N, 1), math.log(8.0))
        return DiagonalStudentMixture(gaussian.log_weights, gaussian.means, gaussian.log_sigmas, log_dofs)
    return gaussian if kind == "diagonal" else RotatedMixture(gaussian, AXES, (log_sigma, log_sigma))


@pytest.mark.parametrize("kind", ["full", "diagonal", "rotated", "student"])
def test_a_temperature_multiplies_the_covariance_and_leaves_the_mean(kind):
    density = one_component(kind)
    axes = AXES if kind in ("full", "rotated") else torch.eye(3)
    variance = SIGMA.square() * (8 / 6 if kind == "student" else 1)  # ν / (ν - 2)
    draws = density.sample(generator(), T)
    torch.testing.assert_close(draws.mean(0), density.mean()[0], atol=0.03, rtol=0)
    expected = T * axes @ variance.diag() @ axes.T
    torch.testing.assert_close(torch.cov(draws.T), expected, atol=0.06, rtol=0)
    assert torch.equal(density.sample(generator(), 1.0), density.sample(generator()))


@pytest.mark.parametrize("kind", ["gaussian", "student"])
def test_a_temperature_sharpens_the_weights_of_components(kind):
    weights, far = torch.tensor([0.2, 0.3, 0.5]), torch.tensor([-100.0, 0.0, 100.0])
    parameters = (weights.log().expand(N, 3), far[:, None].expand(N, 3, 2), torch.zeros(N, 3, 2))
    if kind == "student":
        density = DiagonalStudentMixture(*parameters, torch.full((N, 3), math.log(50.0)))
    else:
        density = DiagonalGaussianMixture(*parameters)
    for temperature in (1.0, T):
        drawn = (density.sample(generator(), temperature)[:, :1] - far).abs().argmin(dim=1)
        expected = weights ** (1 / temperature)
        shares = torch.bincount(drawn, minlength=3) / N
        torch.testing.assert_close(shares, expected / expected.sum(), atol=0.01, rtol=0)


def test_directions_and_log_lengths_have_a_temperature_each():
    dim, kappa, log_sigma = 8, 20.0, -0.7
    mu = torch.eye(dim)[:1].expand(N, dim)
    density = VonMisesFisherLogNormal(mu, torch.full((N,), kappa), torch.ones(N), torch.full((N,), log_sigma))
    draws = density.sample(generator(), T)
    length = draws.norm(dim=1)
    resultant = float(mean_resultant_length(torch.tensor(kappa / T, dtype=torch.float64), dim))
    assert float((draws[:, 0] / length).mean()) == pytest.approx(resultant, abs=2e-3)
    assert float(length.log().mean()) == pytest.approx(1, abs=0.01)
    assert float(length.log().std()) == pytest.approx(math.exp(log_sigma) * math.sqrt(T), rel=0.02)


def test_a_flow_draws_from_a_normal_at_the_temperature():
    torch.manual_seed(0)
    options = {"window_frames": 2, "univariate": "affine", "hidden_width": 8, "features": 3, "transforms": 2}
    predictor = predictor_of("flow", 3, network={"kind": "linear"}, **options).eval()
    with torch.inference_mode():
        density = predictor.density(torch.randn(5, 2, 3))
        z = torch.randn(5, 3, generator=generator())
        back = density.transform(density.target.standardized(density.sample(generator(), T)))
    torch.testing.assert_close(back, math.sqrt(T) * z, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", ["gaussian", "student"])
def test_a_row_that_is_no_number_does_not_stop_the_others(kind):
    log_weights, means = torch.full((3, 2), 0.5).log(), torch.zeros(3, 2, 4)
    log_weights[1], means[1] = math.nan, math.nan
    parameters = (log_weights, means, torch.zeros(3, 2, 4))
    if kind == "student":
        density = DiagonalStudentMixture(*parameters, torch.full((3, 2), math.log(5.0)))
    else:
        density = DiagonalGaussianMixture(*parameters)
    draws = density.sample(generator())
    assert draws[1].isnan().all() and draws[[0, 2]].isfinite().all()


def test_a_density_without_a_heavy_tail_has_no_median_of_its_own():
    density = one_component("rotated")
    assert density.gives("mean") and not density.gives("median")
