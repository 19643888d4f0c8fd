"""The density against scipy, quadrature and its own draws; the sampler's moments against their closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from latentdyn.distributions.bessel import kappa_from_resultant_length, log_vmf_normalizer, mean_resultant_length
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal, sample_vmf

SLOPE = pytest.mark.parametrize("slope", [None, 0.8])


def directions(n: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    x = torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return x / x.norm(dim=1, keepdim=True)


def one_density(
    dim: int, n: int = 1, *, kappa: float = 5.0, mu: float = 0.3, log_sigma: float = -0.7, slope: float | None = None
) -> VonMisesFisherLogNormal:
    """The same density in n rows."""
    full = torch.ones(n, dtype=torch.float64)
    return VonMisesFisherLogNormal(
        directions(1, dim).expand(n, dim),
        kappa * full,
        mu * full,
        log_sigma * full,
        None if slope is None else slope * full,
        (-3.0, 8.0),
    )


@pytest.mark.parametrize("dim", [2, 3, 16])
def test_density_is_the_product_of_scipys(dim):
    mu, x = directions(6, dim), 2 * torch.randn(6, dim, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    kappa = torch.tensor([0.1, 1, 5, 20, 100, 400], dtype=torch.float64)
    mu_logm, log_sigma = torch.linspace(-1, 1, 6, dtype=torch.float64), torch.linspace(-1, 0.5, 6, dtype=torch.float64)
    density = VonMisesFisherLogNormal(mu, kappa, mu_logm, log_sigma)
    m = x.norm(dim=1).numpy()
    of_length = stats.lognorm.logpdf(m, log_sigma.exp().numpy(), scale=mu_logm.exp().numpy())
    of_direction = [stats.vonmises_fisher(mu[i].numpy(), float(kappa[i])).logpdf(x[i].numpy() / m[i]) for i in range(6)]
    found = density.log_prob_factors(x)
    np.testing.assert_allclose(found["direction"], of_direction, rtol=1e-9)
    np.testing.assert_allclose(found["length"], of_length, rtol=1e-9)
    np.testing.assert_allclose(density.log_prob(x), of_direction + of_length - (dim - 1) * np.log(m), rtol=1e-9)


@SLOPE
def test_density_integrates_to_one_over_the_plane_and_mean_is_its_centre(slope):
    axis = torch.linspace(-9, 9, 601, dtype=torch.float64)
    x = torch.cartesian_prod(axis, axis)
    density = one_density(2, kappa=3.0, mu=0.0, log_sigma=-1.0, slope=slope)
    weight = density.log_prob(x).exp() * float(axis[1] - axis[0]) ** 2
    assert float(weight.sum()) == pytest.approx(1, abs=1e-8)
    torch.testing.assert_close(weight @ x, density.mean()[0], rtol=1e-7, atol=1e-7)


@SLOPE
@pytest.mark.parametrize("dim", [2, 3, 32, 512])
def test_entropy_and_moments_are_those_of_draws(dim, slope):
    n = 20_000
    density = one_density(dim, n, kappa=dim / 2, slope=slope)
    x = density.sample(torch.Generator().manual_seed(2))

    def agrees(expected: torch.Tensor, draws: torch.Tensor) -> bool:
        return abs(float(expected[0]) - float(draws.mean())) < 3.5 * float(draws.std()) / n**0.5

    assert agrees(density.entropy(), -density.log_prob(x))
    assert agrees(density.mean_log_norm(), x.norm(dim=1).log())
    direction = density.mean_direction[0]
    assert agrees(density.mean() @ direction, x @ direction)
    torch.testing.assert_close(density.median()[0], math.exp(0.3) * direction, rtol=1e-14, atol=0)
    mean = density.mean()[0]
    torch.testing.assert_close(mean, (mean @ direction) * direction, rtol=1e-12, atol=1e-12)


def test_kappa_follows_the_length():
    density = one_density(4, kappa=5.0, mu=0.3, slope=0.8)
    for m in (0.02, math.exp(0.3), 4.0, 1e6):
        kappa = min(max(5 * (m / math.exp(0.3)) ** 0.8, math.exp(-3.0)), math.exp(8.0))
        same = one_density(4, kappa=kappa, mu=0.3)
        x = m * directions(1, 4, seed=5)
        torch.testing.assert_close(density.log_prob(x), same.log_prob(x), rtol=1e-12, atol=1e-12)


def test_rotating_all_changes_nothing():
    turn = torch.linalg.qr(torch.randn(8, 8, generator=torch.Generator().manual_seed(3), dtype=torch.float64))[0]
    density = one_density(8, 4)
    turned = VonMisesFisherLogNormal(density.mean_direction @ turn, density.kappa, density.mu_logm, density.log_sigma)
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    torch.testing.assert_close(turned.log_prob(x @ turn), density.log_prob(x), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(turned.mean(), density.mean() @ turn, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("cosine", "expected"), [(0.058, -0.86), (0.151, -5.9), (0.444, -56.2), (0.611, -119.6), (0.732, -196.3)]
)
def test_gain_over_the_uniform_sphere_follows_the_cosine(cosine, expected):
    kappa = kappa_from_resultant_length(torch.tensor([cosine], dtype=torch.float64), 512)
    concentrated, uniform = (one_density(512, kappa=float(k), mu=2.0) for k in (kappa, 0.0))
    digits = 2 if cosine == 0.058 else 1
    assert float(concentrated.entropy() - uniform.entropy()) == pytest.approx(expected, abs=0.5 * 10**-digits)


def test_a_step_of_length_zero_is_impossible_and_disturbs_no_other_row():
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(6), dtype=torch.float64)
    kappa, mu_logm, log_sigma = (torch.full((3,), v, dtype=torch.float64, requires_grad=True) for v in (5.0, 0.0, -1.0))
    leaves = [kappa, mu_logm, log_sigma, directions(3, 4).requires_grad_(), x]
    still = torch.tensor([[0.0], [1], [1]], dtype=torch.float64)
    gradients = []
    for points in (x, x * still):
        density = VonMisesFisherLogNormal(leaves[3], kappa, mu_logm, log_sigma)
        log_prob = density.log_prob(points.requires_grad_())
        gradients.append(torch.autograd.grad(log_prob.mean(), [*leaves[:4], points]))
    assert log_prob[0] == -math.inf and log_prob[1:].isfinite().all()
    for factor in density.log_prob_factors(x * still).values():
        assert factor.isnan().tolist() == [True, False, False]
    for moved, one_still in zip(*gradients, strict=True):
        assert (one_still[0] == 0).all()
        torch.testing.assert_close(one_still[1:], moved[1:], rtol=0, atol=0)


@SLOPE
@pytest.mark.parametrize("dim", [2, 3, 33, 512, 4096])
def test_all_is_finite_at_any_concentration(dim, slope):
    kappa = torch.tensor([1e-30 if slope else 0.0, 1e-6, 1, 10, 1e3, 1e5, 1e6], dtype=torch.float32).requires_grad_()
    n = len(kappa)
    mu = directions(n, dim, dtype=torch.float32).requires_grad_()
    zeros = torch.zeros(n, requires_grad=True)
    tilt = None if slope is None else torch.full((n,), slope)
    density = VonMisesFisherLogNormal(mu, kappa, zeros, zeros - 1, tilt, (-80.0, 14.0))
    x = density.sample(torch.Generator().manual_seed(7))
    assert x.isfinite().all()
    quantities = torch.stack([density.log_prob(x), density.log_prob(-x), density.mean().sum(1), density.entropy()])
    assert quantities.isfinite().all() and quantities.dtype == torch.float32
    for quantity in quantities:
        for gradient in torch.autograd.grad(
            quantity.sum(), [mu, kappa, zeros], retain_graph=True, materialize_grads=True
        ):
            assert gradient.isfinite().all()


@pytest.mark.parametrize("dim", [2, 3, 32, 512])
def test_sampled_cosines_have_the_moments_of_the_law(dim):
    kappas = torch.tensor([0.0, 0.5, 5.0, 100.0, 700.0, 1e5], dtype=torch.float64)
    rows = 4000
    kappa = kappas.repeat_interleave(rows)
    mu = directions(len(kappa), dim)
    draws = sample_vmf(mu, kappa, torch.Generator().manual_seed(8))
    torch.testing.assert_close(draws.norm(dim=1), torch.ones_like(kappa), rtol=1e-13, atol=0)
    cosine = (draws * mu).sum(1).view(-1, rows)
    a = mean_resultant_length(kappas, dim)
    second = 1 - (dim - 1) * torch.where(kappas > 0, a / kappas, 1 / dim)  # from A' = E[cos²] - A²
    for moment, expected in ((cosine, a), (cosine.square(), second)):
        assert ((moment.mean(1) - expected).abs() < 3 * moment.std(1) / rows**0.5).all()


def test_sampled_cosines_have_the_law_of_the_ordinary_sphere():
    kappa = 2.5  # in three dimensions the cosine's distribution function is elementary
    mu = directions(1, 3).expand(20_000, 3)
    draws = sample_vmf(mu, torch.full((20_000,), kappa), torch.Generator().manual_seed(9))
    test = stats.kstest((draws @ mu[0]).numpy(), lambda w: np.expm1(kappa * (w + 1)) / np.expm1(2 * kappa))
    assert test.pvalue > 0.01


AXIS = torch.eye(5, dtype=torch.float64)


@pytest.mark.parametrize("mu", [directions(1, 5)[0], AXIS[0], -AXIS[0], AXIS[1]])
def test_draws_turn_with_their_mean_and_have_no_other_preference(mu):
    dim, kappa, n = 5, 4.0, 50_000
    x = sample_vmf(mu.expand(n, dim), torch.full((n,), kappa, dtype=torch.float64), torch.Generator().manual_seed(10))
    along = float((x @ mu).square().mean())
    across = (1 - along) / (dim - 1)
    expected = across * torch.eye(dim, dtype=torch.float64) + (along - across) * torch.outer(mu, mu)
    torch.testing.assert_close(x.T @ x / n, expected, rtol=0, atol=0.005)
    a = mean_resultant_length(torch.tensor(kappa, dtype=torch.float64), dim)
    torch.testing.assert_close(x.mean(0), a * mu, rtol=0, atol=0.01)


def test_draws_are_the_generators_and_keep_the_dtype_even_in_the_plane():
    mu, kappa = directions(9, 16, dtype=torch.float32), torch.linspace(0, 800, 9)
    one, same, other = (sample_vmf(mu, kappa, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert one.dtype == torch.float32
    assert torch.equal(one, same) and not torch.isclose(one, other).any(1).all()
    many = sample_vmf(directions(1, 2, dtype=torch.float32).expand(50_000, 2), torch.ones(50_000), torch.Generator())
    torch.testing.assert_close(many.norm(dim=1), torch.ones(50_000), rtol=1e-6, atol=0)  # some noise lies along μ


def test_a_tangent_without_a_length_is_still_one(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "normal_", lambda normals, **_: normals.zero_())
    mu, kappa = directions(50, 2), torch.full((50,), 3.0, dtype=torch.float64)
    draws = sample_vmf(mu, kappa, torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.norm(dim=1), torch.ones_like(kappa))


def test_rows_without_a_concentration_are_nan_and_hold_nobody_up():
    kappa = torch.tensor([5.0, math.nan, math.inf, 0.0])
    draws = sample_vmf(directions(4, 8, dtype=torch.float32), kappa, torch.Generator().manual_seed(0))
    assert draws.isfinite().all(1).tolist() == [True, False, False, True]


def test_facts_tell_the_concentration_and_what_the_head_adds():
    density = one_density(3)
    flagged = VonMisesFisherLogNormal(
        density.mean_direction, density.kappa, density.mu_logm, density.log_sigma, flags={"at_clamp": torch.ones(1)}
    )
    assert density.facts() == {"kappa": density.kappa}
    assert set(flagged.facts()) == {"kappa", "at_clamp"}


def test_draws_recover_kappa_by_their_mean_cosine():
    n, dim = 20_000, 64
    mu = directions(n, dim)
    draws = sample_vmf(mu, torch.full((n,), 80.0, dtype=torch.float64), torch.Generator().manual_seed(11))
    kappa = kappa_from_resultant_length((draws * mu).sum(1).mean(), dim)
    assert float(kappa) == pytest.approx(80, rel=0.01)
    # and it is the maximum of the likelihood
    at, beside = (
        log_vmf_normalizer(k, dim) + k * mean_resultant_length(kappa, dim) for k in (kappa, kappa * torch.tensor(1.05))
    )
    assert at > beside
