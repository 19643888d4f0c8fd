"""The mixture against torch.distributions, autograd and sampling."""

import math

import pytest
import torch
from torch import distributions as td

from latentdyn.distributions.gaussian import FullGaussian
from latentdyn.distributions.gaussian_mixture import (
    DiagonalGaussianMixture,
    diagonal_gaussian,
    mixture_nll,
    split_parameters,
)
from latentdyn.distributions.student_mixture import DiagonalStudentMixture

B, K, D = 5, 3, 4
CLAMP = (-1.5, 1.0)


@pytest.fixture
def parameters():
    return 1.5 * torch.randn(B, K * (1 + 2 * D), generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.fixture
def x():
    return torch.randn(B, D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def reference(mixture: DiagonalGaussianMixture) -> td.MixtureSameFamily:
    return td.MixtureSameFamily(
        td.Categorical(logits=mixture.log_weights),
        td.Independent(td.Normal(mixture.means, mixture.log_sigmas.exp()), 1),
    )


def test_density_and_mean_are_those_of_torch_distributions(parameters, x):
    mixture = split_parameters(parameters, K, *CLAMP)
    torch.testing.assert_close(mixture.log_prob(x), reference(mixture).log_prob(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(mixture.mean(), reference(mixture).mean, rtol=1e-12, atol=1e-12)


def test_the_fused_loss_is_the_same_density_with_the_same_gradient(parameters, x):
    fused = parameters.clone().requires_grad_()
    plain = parameters.clone().requires_grad_()
    weights = torch.arange(1.0, B + 1, dtype=torch.float64)
    loss = mixture_nll(fused, x, K, *CLAMP)
    expected = -reference(split_parameters(plain, K, *CLAMP)).log_prob(x)
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)
    (loss * weights).sum().backward()
    (expected * weights).sum().backward()
    raw = parameters[:, K + K * D :]
    assert ((raw < CLAMP[0]) | (raw > CLAMP[1])).any(), "the clamp's zero gradient must be seen"
    torch.testing.assert_close(fused.grad, plain.grad, rtol=1e-10, atol=1e-12)


def test_components_may_be_permuted(parameters, x):
    mixture = split_parameters(parameters, K, *CLAMP)
    order = torch.tensor([2, 0, 1])
    permuted = DiagonalGaussianMixture(
        mixture.log_weights[:, order], mixture.means[:, order], mixture.log_sigmas[:, order]
    )
    torch.testing.assert_close(permuted.log_prob(x), mixture.log_prob(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dim", [2, 16, 512])
def test_expected_log_norm_against_sampling(dim):
    generator = torch.Generator().manual_seed(2)
    mixture = DiagonalGaussianMixture(
        torch.log(torch.tensor([[0.3, 0.7]])),
        torch.randn(1, 2, dim, generator=generator),
        0.4 * torch.randn(1, 2, dim, generator=generator),
    )
    many = DiagonalGaussianMixture(*(p.expand(20_000, *p.shape[1:]) for p in vars(mixture).values()))
    log_norm = many.sample(generator).norm(dim=1).log()
    error = 3 * float(log_norm.std()) / 20_000**0.5
    # the Gamma law is an approximation where sigmas differ: in two dimensions it is .01 off, from 16 on under .003
    assert abs(float(mixture.mean_log_norm()) - float(log_norm.mean())) < error + (0.02 if dim == 2 else 0.003)


def test_expected_log_norm_is_exact_for_one_isotropic_gaussian_at_zero():
    dim = 6
    gaussian = diagonal_gaussian(torch.zeros(1, dim, dtype=torch.float64), torch.zeros(1, dim, dtype=torch.float64))
    expected = 0.5 * (torch.digamma(torch.tensor(dim / 2, dtype=torch.float64)) + math.log(2))
    torch.testing.assert_close(gaussian.mean_log_norm()[0], expected, rtol=1e-12, atol=1e-12)


def test_samples_have_the_mixtures_moments(parameters):
    mixture = split_parameters(parameters[:1], K, *CLAMP)
    many = DiagonalGaussianMixture(*(p.expand(200_000, *p.shape[1:]) for p in vars(mixture).values()))
    draws = many.sample(torch.Generator().manual_seed(3))
    error = 5 * draws.std(0) / len(draws) ** 0.5
    assert ((draws.mean(0) - mixture.mean()[0]).abs() < error).all()


def test_full_gaussian_is_the_multivariate_normal(x):
    factor = torch.linalg.cholesky(torch.eye(D, dtype=torch.float64) + 0.5)
    means = x.flip(0)
    gaussian = FullGaussian(means, factor)
    torch.testing.assert_close(
        gaussian.log_prob(x), td.MultivariateNormal(means, scale_tril=factor).log_prob(x), rtol=1e-12, atol=1e-12
    )
    many = FullGaussian(means[:1].expand(100_000, D), factor)
    draws = many.sample(torch.Generator().manual_seed(4))
    torch.testing.assert_close(torch.cov(draws.T), factor @ factor.T, rtol=0.03, atol=0.03)
    log_norm = draws.norm(dim=1).log()
    assert abs(float(gaussian.mean_log_norm()[0]) - float(log_norm.mean())) < 0.02


@pytest.mark.parametrize("scale", [1e-15, 1e-3, 1e3, 1e15])
def test_the_expected_log_norm_follows_the_scale(scale):
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(5, 2, generator=generator).log_softmax(1)
    means, log_sigmas = torch.randn(2, 5, 2, 16, generator=generator)
    shift, factor = math.log(scale), torch.tril(torch.randn(16, 16, generator=generator))
    for one, other in (
        (DiagonalGaussianMixture(weights, means, log_sigmas),
         DiagonalGaussianMixture(weights, scale * means, log_sigmas + shift)),
        (DiagonalStudentMixture(weights, means, log_sigmas, torch.ones(5, 2)),
         DiagonalStudentMixture(weights, scale * means, log_sigmas + shift, torch.ones(5, 2))),
        (FullGaussian(means[:, 0], factor), FullGaussian(scale * means[:, 0], scale * factor)),
    ):  # fmt: skip
        torch.testing.assert_close(other.mean_log_norm(), one.mean_log_norm() + shift, rtol=1e-5, atol=1e-4)
