"""The von Mises-Fisher normaliser and mean resultant length against mpmath and the reference values of the field."""

import math

import mpmath
import pytest
import torch

from latentdyn.distributions.bessel import (
    debiased_squared_resultant,
    kappa_from_resultant_length,
    log_vmf_normalizer,
    mean_resultant_length,
)

DIMS = [2, 3, 8, 31, 32, 33, 34, 64, 512, 4096]  # from 34 on nothing is carried down from a higher order
KAPPAS = [1e-6, 1e-3, 0.1, 1, 3, 10, 17, 30, 100, 300, 850, 3e3, 1e4, 1e5, 1e6]
LOG_C_512 = {
    0: 867.968103160394,
    1: 867.96712659975,
    10: 867.870465455012,
    100: 858.379265453291,
    500: 682.026782184668,
    850: 441.822293605399,
    1e3: 327.709187339948,
    1e4: -8113.08440154378,
    1e5: -97527.7000089682,
}
KAPPA_512 = {0.7: 701.843, 0.444: 282.964, 0.611: 498.660, 0.732: 806.318, 0.9: 2421.02, 0.99: 25422.1}


def reference(kappa: float, dim: int) -> tuple[float, float, float]:
    """log C, A and A' with 60 digits."""
    with mpmath.workdps(60):
        k, order = mpmath.mpf(kappa), mpmath.mpf(dim) / 2 - 1
        bessel = mpmath.besseli(order, k)
        log_c = order * mpmath.log(k) - (order + 1) * mpmath.log(2 * mpmath.pi) - mpmath.log(bessel)
        a = mpmath.besseli(order + 1, k) / bessel
        return float(log_c), float(a), float(1 - a**2 - (dim - 1) * a / k)


def tensor(values, **options):
    return torch.tensor(values, dtype=torch.float64, **options)


def test_reference_values_at_512():
    log_c = log_vmf_normalizer(tensor(list(LOG_C_512)), 512)
    torch.testing.assert_close(log_c, tensor(list(LOG_C_512.values())), rtol=1e-13, atol=0)
    assert float(mean_resultant_length(tensor(850), 512)) == pytest.approx(0.743491, abs=5e-7)
    for a, kappa in KAPPA_512.items():  # as many digits as are given
        assert float(kappa_from_resultant_length(tensor(a), 512)) == pytest.approx(kappa, rel=3e-6)


@pytest.mark.parametrize("dim", DIMS)
def test_values_and_gradients_are_those_of_mpmath(dim):
    kappa = tensor(KAPPAS, requires_grad=True)
    log_c, a, slope = (tensor(column) for column in zip(*(reference(k, dim) for k in KAPPAS), strict=True))
    ours_log_c, ours_a = log_vmf_normalizer(kappa, dim), mean_resultant_length(kappa, dim)
    torch.testing.assert_close(ours_log_c, log_c, rtol=3e-14, atol=3e-14)
    torch.testing.assert_close(ours_a, a, rtol=5e-14, atol=0)
    (gradient,) = torch.autograd.grad(ours_log_c.sum(), kappa)
    torch.testing.assert_close(gradient, -a, rtol=5e-14, atol=0)
    (gradient,) = torch.autograd.grad(ours_a.sum(), kappa)
    torch.testing.assert_close(gradient, slope, rtol=0, atol=5e-14)


@pytest.mark.parametrize("dim", DIMS)
def test_at_kappa_zero_the_density_is_uniform(dim):
    kappa = tensor([0.0], requires_grad=True)
    area = math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)
    log_c, a = log_vmf_normalizer(kappa, dim), mean_resultant_length(kappa, dim)
    torch.testing.assert_close(log_c, tensor([-area]), rtol=1e-14, atol=1e-14)
    assert a.item() == 0
    assert torch.autograd.grad(log_c, kappa)[0].item() == 0
    assert torch.autograd.grad(a, kappa)[0].item() == pytest.approx(1 / dim, rel=1e-11)


@pytest.mark.parametrize("dim", [2, 33, 34, 512])
def test_first_and_second_derivatives_by_differences(dim):
    kappa = tensor([0.3, 5.0, 40.0, 700.0], requires_grad=True)
    assert torch.autograd.gradcheck(lambda k: log_vmf_normalizer(k, dim), kappa)
    assert torch.autograd.gradgradcheck(lambda k: log_vmf_normalizer(k, dim), kappa)
    assert torch.autograd.gradcheck(lambda k: mean_resultant_length(k, dim), kappa)


@pytest.mark.parametrize("dim", DIMS)
def test_kappa_is_found_from_the_resultant_length(dim):
    kappa = torch.logspace(-3, 6, 50, dtype=torch.float64)
    found = kappa_from_resultant_length(mean_resultant_length(kappa, dim), dim)
    rounding = 3e-15 * kappa / (dim - 1)  # a resultant near 1 says no more: over 1e-9 only for D = 2, κ > 3e5
    assert ((found / kappa - 1).abs() < torch.maximum(rounding, tensor(1e-12))).all()


def test_extreme_resultant_lengths():
    found = kappa_from_resultant_length(tensor([0.0, 1 - 1e-12]), 2)
    assert found[0] == 0
    assert float(found[1]) == pytest.approx(0.5e12, rel=1e-3)  # A = 1 - (D-1)/(2κ)


@pytest.mark.parametrize("dim", [2, 5, 32, 34, 512, 4096])
def test_single_precision_is_computed_in_double(dim):
    kappa = torch.cat([torch.zeros(1), torch.logspace(-6, 6, 100)]).requires_grad_()
    log_c = log_vmf_normalizer(kappa, dim)
    assert log_c.dtype == torch.float32
    torch.testing.assert_close(log_c, log_vmf_normalizer(kappa.double(), dim).float(), rtol=0, atol=0)
    (gradient,) = torch.autograd.grad(log_c.sum(), kappa)
    assert gradient.dtype == torch.float32 and gradient.isfinite().all()
    assert (gradient[1:] < gradient[:-1]).sum() > 50  # A increases


def test_few_directions_look_concentrated_until_they_are_debiased():
    assert float(debiased_squared_resultant(tensor(0.5), 2)) == 0  # two at a right angle: ||mean||² = 1/2
    assert float(debiased_squared_resultant(tensor(1.0), 7)) == 1
    points = torch.randn(50, 100, 512, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points /= points.norm(dim=2, keepdim=True)
    squared = points.mean(1).square().sum(1)
    biased = kappa_from_resultant_length(squared.sqrt(), 512)
    assert 45 < float(biased.mean()) < 60
    debiased = debiased_squared_resultant(squared, 100)
    assert abs(float(debiased.mean())) < 3 * float(debiased.std()) / 50**0.5


def test_bad_arguments_are_refused():
    for function in (log_vmf_normalizer, mean_resultant_length, kappa_from_resultant_length):
        with pytest.raises(ValueError, match="at least 2 dimensions"):
            function(tensor([0.5]), 1)
    for resultant in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match=r"\[0, 1\)"):
            kappa_from_resultant_length(tensor([resultant]), 3)
