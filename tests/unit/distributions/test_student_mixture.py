"""The mixture of t distributions against scipy, torch.distributions, the Gaussian mixture and sampling."""

import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import distributions as td

from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture
from latentdyn.distributions.rotated import RotatedMixture
from latentdyn.distributions.student_mixture import DiagonalStudentMixture, bounded_log_dofs

B, K, D = 5, 3, 4


def draw_mixture(rows=B, dim=D, dofs=(3.0, 10.0, 40.0)) -> DiagonalStudentMixture:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, K, generator=generator, dtype=torch.float64)
    return DiagonalStudentMixture(
        torch.log_softmax(logits, dim=1),
        torch.randn(rows, K, dim, generator=generator, dtype=torch.float64),
        0.4 * torch.randn(rows, K, dim, generator=generator, dtype=torch.float64),
        torch.tensor(dofs, dtype=torch.float64).log().expand(rows, K),
    )


def repeated(mixture: DiagonalStudentMixture, n: int) -> DiagonalStudentMixture:
    return DiagonalStudentMixture(*(p.expand(n, *p.shape[1:]) for p in vars(mixture).values()))


@pytest.fixture
def x():
    return 3 * torch.randn(B, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def test_the_density_is_a_sum_of_scipys_multivariate_t(x):
    mixture = draw_mixture()
    expected = np.zeros(B)
    for b in range(B):
        for k in range(K):
            component = scipy.stats.multivariate_t(
                mixture.means[b, k].numpy(),
                np.diag(np.exp(2 * mixture.log_sigmas[b, k].numpy())),
                df=math.exp(mixture.log_dofs[b, k]),
            )
            expected[b] += math.exp(mixture.log_weights[b, k]) * component.pdf(x[b].numpy())
    np.testing.assert_allclose(mixture.log_prob(x).numpy(), np.log(expected), rtol=1e-10)


def test_in_one_dimension_it_is_a_mixture_of_torchs_student_t():
    mixture, x = draw_mixture(dim=1), torch.linspace(-9, 9, B, dtype=torch.float64)
    reference = td.MixtureSameFamily(
        td.Categorical(logits=mixture.log_weights),
        td.StudentT(mixture.log_dofs.exp(), mixture.means[..., 0], mixture.log_sigmas[..., 0].exp()),
    )
    torch.testing.assert_close(mixture.log_prob(x[:, None]), reference.log_prob(x), rtol=1e-12, atol=1e-12)


def test_many_degrees_of_freedom_make_it_the_gaussian_mixture(x):
    mixture = draw_mixture(dofs=(1e7, 1e8, 1e9))
    gaussian = DiagonalGaussianMixture(mixture.log_weights, mixture.means, mixture.log_sigmas)
    for answer in ("mean", "mean_log_norm"):
        torch.testing.assert_close(getattr(mixture, answer)(), getattr(gaussian, answer)(), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(mixture.log_prob(x), gaussian.log_prob(x), rtol=1e-4, atol=1e-6)


def test_components_may_be_permuted(x):
    mixture = draw_mixture()
    permuted = DiagonalStudentMixture(*(p[:, [2, 0, 1]] for p in vars(mixture).values()))
    torch.testing.assert_close(permuted.log_prob(x), mixture.log_prob(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(permuted.mean_log_norm(), mixture.mean_log_norm(), rtol=1e-12, atol=1e-12)


def test_samples_have_the_mixtures_moments():
    mixture = draw_mixture(rows=1, dofs=(5.0, 10.0, 40.0))
    draws = repeated(mixture, 200_000).sample(torch.Generator().manual_seed(2))
    weights, dofs = mixture.log_weights[0].exp(), mixture.log_dofs[0].exp()
    variances = (2 * mixture.log_sigmas[0]).exp() * (dofs / (dofs - 2))[:, None]
    mean = weights @ mixture.means[0]
    second = torch.einsum("k,kd,ke->de", weights, mixture.means[0], mixture.means[0]) + (weights @ variances).diag()
    torch.testing.assert_close(mixture.mean()[0], mean, rtol=1e-12, atol=1e-12)
    assert ((draws.mean(0) - mean).abs() < 5 * draws.std(0) / len(draws) ** 0.5).all()
    torch.testing.assert_close(torch.cov(draws.T), second - torch.outer(mean, mean), rtol=0.03, atol=0.03)


def test_one_draw_has_one_scale_in_all_its_dimensions():
    mixture = DiagonalStudentMixture(
        torch.zeros(1, 1), torch.zeros(1, 1, 200), torch.zeros(1, 1, 200), torch.full((1, 1), math.log(5.0))
    )
    squares = repeated(mixture, 20_000).sample(torch.Generator().manual_seed(3)).square().mean(1)
    assert scipy.stats.kstest((1 / squares).numpy() * 5, scipy.stats.chi2(5).cdf).statistic < 0.02


@pytest.mark.parametrize("dof", [2.1, 3.0, 20.0, 1000.0])
@pytest.mark.parametrize("dim", [1, 16, 512])
def test_expected_log_norm_is_exact_for_one_isotropic_component_at_zero(dof, dim):
    zeros = torch.zeros(1, 1, dim, dtype=torch.float64)
    mixture = DiagonalStudentMixture(zeros[..., 0], zeros, zeros, zeros[..., 0] + math.log(dof))
    # ||x||² = χ²_D / u with u = χ²_ν / ν
    expected = 0.5 * (scipy.special.digamma(dim / 2) - scipy.special.digamma(dof / 2) + math.log(dof))
    assert float(mixture.mean_log_norm()) == pytest.approx(expected, abs=3e-5)


@pytest.mark.parametrize(("dim", "bias"), [(2, 0.1), (16, 0.005), (256, 0.003)])
def test_expected_log_norm_against_sampling(dim, bias):
    mixture = draw_mixture(rows=1, dim=dim)
    log_norm = repeated(mixture, 40_000).sample(torch.Generator().manual_seed(4)).norm(dim=1).log()
    error = 3 * float(log_norm.std()) / len(log_norm) ** 0.5
    assert abs(float(mixture.mean_log_norm()) - float(log_norm.mean())) < bias + error


def test_degrees_of_freedom_start_at_20_and_stay_between_their_bounds():
    raw = torch.tensor([-1e4, -1.0, 0.0, 1.0, 1e4], dtype=torch.float64)
    dofs = bounded_log_dofs(raw).exp()
    torch.testing.assert_close(dofs[[0, 2, 4]], torch.tensor([2.1, 20.0, 1000.0], dtype=torch.float64))
    assert (dofs.diff() > 0).all()


def test_a_rotated_mixture_is_the_density_of_the_rotated_variable(x):
    mixture = draw_mixture(rows=1)
    axes = torch.linalg.qr(torch.randn(D, D, generator=torch.Generator().manual_seed(5), dtype=torch.float64))[0]
    rotated = RotatedMixture(mixture, axes, (torch.tensor(-5.0), torch.tensor(3.0)))
    torch.testing.assert_close(rotated.log_prob(x @ axes.T), mixture.log_prob(x), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(rotated.mean(), mixture.mean() @ axes.T, rtol=1e-12, atol=1e-12)
    many = RotatedMixture(repeated(mixture, 50_000), axes, rotated.log_sigma_bounds)
    draws = many.sample(torch.Generator().manual_seed(6))
    torch.testing.assert_close(draws.mean(0), rotated.mean()[0], rtol=0.05, atol=0.05)


def test_the_share_of_log_sigmas_at_their_bounds_weighs_components():
    log_sigmas = torch.tensor([[[-1.0, 0, 0, 2], [0, 0, 0, 2]], [[0, 0, 0, 0], [-1, -1, 2, 2]]])
    weights = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    mixture = DiagonalStudentMixture(weights.log(), torch.zeros(2, 2, 4), log_sigmas, torch.ones(2, 2))
    facts = RotatedMixture(mixture, torch.eye(4), (torch.full((4,), -1.0), torch.full((4,), 2.0))).facts()
    torch.testing.assert_close(facts, {"sigma_at_clamp": torch.tensor([0.25 * 0.5 + 0.75 * 0.25, 0.5])})
