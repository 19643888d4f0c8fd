"""Ratios of modified Bessel functions, as the von Mises-Fisher law on the unit sphere of R^D needs them.

With ν = D/2 - 1: log C_D(κ) = ν ln κ - (D/2) ln 2π - ln I_ν(κ), and A_D(κ) = I_{ν+1}(κ) / I_ν(κ). I_ν itself leaves
float64's range (at D = 512 below κ = 13 and above 754), but κ^ν / I_ν(κ) does not in logarithm. It is summed by Debye's
uniform expansion (DLMF 10.41.3), from κ = 0 on, at order 16 or above, and carried to a smaller ν by the recurrence
1 / ρ_{ν-1} = 2ν + κ² ρ_ν of the ratios ρ_ν = I_{ν+1} / (κ I_ν), which damps their errors.

All is computed in float64 and returned in the argument's dtype. For κ in [0, 1e6] and D from 2 to 4096, log C is right
to 3e-14 relatively (1e-11 absolutely near its zero, where its terms cancel) and A_D to 5e-14.
"""

import functools
import itertools
import math
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

_LOG_2PI = math.log(2 * math.pi)
_LEAST_ORDER, _MOST_TERMS = 16, 12  # what is left out there is below 1e-14
_NEWTON_STEPS = 5


def log_vmf_normalizer(kappa: Tensor, dim: int) -> Tensor:
    """log C_D(κ), elementwise: the log-density is log C_D(κ) + κ cos. Its gradient is -A_D(κ).

    Args:
        kappa: any shape, κ >= 0. At κ = 0 it is minus the log of the sphere's area.

    Raises:
        ValueError: dim < 2.
    """
    log_normalizer: Tensor = _LogNormalizer.apply(kappa, _checked(dim))  # type: ignore[no-untyped-call]
    return log_normalizer


def mean_resultant_length(kappa: Tensor, dim: int) -> Tensor:
    """A_D(κ) = E[cos] in [0, 1), elementwise, for κ >= 0; its gradient is A' = 1 - A² - (D-1) A/κ (to 1e-15 absolute).

    Raises:
        ValueError: dim < 2.
    """
    resultant: Tensor = _MeanResultantLength.apply(kappa, _checked(dim))  # type: ignore[no-untyped-call]
    return resultant


@torch.no_grad()
def kappa_from_resultant_length(resultant: Tensor, dim: int) -> Tensor:
    """κ with A_D(κ) = resultant, elementwise, without a gradient: the maximum-likelihood κ of a mean cosine.

    Newton's method from R (D - R²) / (1 - R²) (Banerjee et al. 2005, eq. 4.4), to a relative error of 1e-12 or, where
    that is more, the 1e-15 κ / (D-1) that the rounding of a resultant near 1 stands for.

    Raises:
        ValueError: dim < 2, or a resultant outside [0, 1).
    """
    r = resultant.double()
    if not bool(((r >= 0) & (r < 1)).all()):
        raise ValueError("a mean resultant length lies in [0, 1)")
    kappa = r * (dim - r * r) / ((1 - r) * (1 + r))
    for _ in range(_NEWTON_STEPS):
        ratio = _scaled_ratio(kappa, _checked(dim))
        slope = _slope(kappa, ratio, dim).clamp_min(1e-13)  # below it, only rounding; the first guess is then exact
        kappa = kappa - (kappa * ratio - r) / slope
    return kappa.to(resultant.dtype)


def debiased_squared_resultant(squared_resultant: Tensor, n: int) -> Tensor:
    """(n R² - 1) / (n - 1): of n unit vectors, R² is 1/n on average even where they have no common direction.

    May be negative; unbiased for ||E[d]||². n >= 2.
    """
    return (n * squared_resultant - 1) / (n - 1)


class _LogNormalizer(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kappa: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(kappa)
        ctx.dim = dim
        k, order = kappa.double(), _debye_order(dim)
        value = _log_power_over_bessel(k, order)
        if order > dim / 2 - 1:
            for ratio in itertools.islice(_ratios(k, dim), 1, None):
                value += ratio.log()
        return (value - dim / 2 * _LOG_2PI).to(kappa.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        return -gradients[0] * mean_resultant_length(kappa, ctx.dim), None


class _MeanResultantLength(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, kappa: Tensor, dim: int) -> Tensor:
        ctx.save_for_backward(kappa)
        ctx.dim = dim
        k = kappa.double()
        return (k * _scaled_ratio(k, dim)).to(kappa.dtype)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (kappa,) = ctx.saved_tensors
        k = kappa.double()
        return gradients[0] * _slope(k, _scaled_ratio(k, ctx.dim), ctx.dim).to(kappa.dtype), None


def _checked(dim: int) -> int:
    if dim < 2:
        raise ValueError(f"directions need at least 2 dimensions, not {dim}")
    return dim


def _slope(kappa: Tensor, ratio: Tensor, dim: int) -> Tensor:
    """A'_D(κ), given A_D(κ) / κ."""
    return 1 - (kappa * ratio).square() - (dim - 1) * ratio


def _debye_order(dim: int) -> float:
    """Where the expansion is summed: ν, or the first order at least 16 that is a whole number of steps above it."""
    order = dim / 2 - 1
    return order + max(0, math.ceil(_LEAST_ORDER - order))


def _scaled_ratio(kappa: Tensor, dim: int) -> Tensor:
    """ρ_ν = A_D(κ) / κ: 1/D at κ = 0."""
    *_, ratio = _ratios(kappa, dim)
    return ratio


def _ratios(kappa: Tensor, dim: int) -> Iterator[Tensor]:
    """ρ at the order where the expansion is summed, then at each one below, down to ν."""
    order = _debye_order(dim)
    yield (ratio := _debye_ratio(kappa, order))
    squared = kappa.square()
    while order > dim / 2 - 1:
        ratio = 1 / (2 * order + squared * ratio)
        order -= 1
        yield ratio


def _log_power_over_bessel(kappa: Tensor, order: float) -> Tensor:
    """ln(κ^ν / I_ν(κ)) by Debye's expansion: ν ln(ν + r) - r + ½ ln 2πr - Σ_k l_k(ν/r) / ν^k, r = sqrt(ν² + κ²)."""
    r = _radius(kappa, order)
    series = _polynomial(_log_debye_series(order), order / r)
    return torch.log(order + r).mul_(order).sub_(r).add_(torch.log(r), alpha=0.5).sub_(series).add_(0.5 * _LOG_2PI)


def _debye_ratio(kappa: Tensor, order: float) -> Tensor:
    """ρ_ν = -(1/κ) d/dκ of the logarithm above."""
    r = _radius(kappa, order)
    derivative = tuple(power * c for power, c in enumerate(_log_debye_series(order)))
    return 1 / (order + r) - (0.5 + _polynomial(derivative, order / r)) / r.square()


def _radius(kappa: Tensor, order: float) -> Tensor:
    return kappa.square().add_(order * order).sqrt_()


def _polynomial(coefficients: tuple[float, ...], x: Tensor) -> Tensor:
    """Σ_i c_i x^i."""
    value = torch.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        value.mul_(x).add_(c)
    return value


@functools.cache
def _log_debye_series(order: float) -> tuple[float, ...]:
    """Σ_k l_k(p) / ν^k, by powers of p: as many terms as float64 sees."""
    terms = min(_MOST_TERMS, int(15 / math.log10(order)))
    total = [0.0] * (3 * terms + 1)
    for k in range(1, terms + 1):
        for power, c in enumerate(_log_debye_polynomials()[k]):
            total[power] += float(c) / order**k
    return tuple(total)


@functools.cache
def _log_debye_polynomials() -> list[list[Fraction]]:
    """l_k with Σ l_k(p) ν^-k = ln Σ u_k(p) ν^-k, u_k Debye's polynomials (DLMF 10.41.9); exact, by powers of p."""
    u = [[Fraction(1)]]
    log: list[list[Fraction]] = [[]]
    for k in range(1, _MOST_TERMS + 1):
        u.append([Fraction(0)] * (3 * k + 1))
        for i, c in enumerate(u[k - 1]):  # u_k = ½ p² (1-p²) u_{k-1}' + ⅛ ∫ (1-5p²) u_{k-1} dp
            u[k][i + 1] += c * (Fraction(i, 2) + Fraction(1, 8 * (i + 1)))
            u[k][i + 3] -= c * (Fraction(i, 2) + Fraction(5, 8 * (i + 3)))
        log.append(list(u[k]))
        for j in range(1, k):  # l_k = u_k - Σ_j (j/k) l_j u_{k-j}, the logarithm of a power series
            for a, left in enumerate(log[j]):
                for b, right in enumerate(u[k - j]):
                    log[k][a + b] -= Fraction(j, k) * left * right
    return log
