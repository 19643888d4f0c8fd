"""Steps by direction and length (seed 004 §4): d on the unit sphere by von Mises-Fisher, m by LogNormal, x = m d.

With dx = m^(D-1) dm dd, the density on R^D is p(x) = p(d) p(m) / m^(D-1): in nats there, it compares with a Gaussian
mixture's. `log_prob_factors` are the two factors without the Jacobian. Seed 003 §1.1 published numbers of their sum.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from latentdyn.distributions.bessel import log_vmf_normalizer, mean_resultant_length
from latentdyn.distributions.density import Density

_LOG_2PI = math.log(2 * math.pi)
_NODES, _WEIGHTS = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(32))
_MOST_PROPOSALS = 100  # at least .65 are accepted, whatever κ and D
_BLOCK = 1024  # rows that a draw is finished on at once: what it needs besides then stays in the cache


@dataclass(frozen=True)
class VonMisesFisherLogNormal(Density):
    """p(x) of x = m d, d ~ vMF(μ, κ), ln m ~ N(mu_logm, σ²), one a row; likelihoods are summed in float64.

    mean_direction μ: (B, D), unit vectors, D >= 2. kappa κ, mu_logm, log_sigma: (B,).
    kappa_slope: (B,) where κ depends on m, ln κ(m) = clamp(ln κ + slope (ln m - mu_logm), log_kappa_bounds), so that
        `kappa` (> 0 then) is that of the median length; None where it does not.
    flags: what else `facts` shall say, (B,) by name.
    """

    mean_direction: Tensor
    kappa: Tensor
    mu_logm: Tensor
    log_sigma: Tensor
    kappa_slope: Tensor | None = None
    log_kappa_bounds: tuple[float, float] = (-math.inf, math.inf)
    flags: dict[str, Tensor] = field(default_factory=dict)

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D). -inf at x = 0, the limit there, with zero gradient."""
        of_direction, of_length, log_m, moved = self._factors(x)
        log_prob = of_direction + of_length - (x.shape[1] - 1) * log_m
        return torch.where(moved, log_prob, -math.inf).to(x.dtype)

    def log_prob_factors(self, x: Tensor) -> dict[str, Tensor]:
        of_direction, of_length, _, moved = self._factors(x)
        factors = {"direction": of_direction, "length": of_length}
        return {name: torch.where(moved, value, math.nan).to(x.dtype) for name, value in factors.items()}

    def mean(self) -> Tensor:
        """E[x] = μ E[m A_D(κ(m))], (B, D): A_D(κ) exp(mu_logm + σ²/2) μ where κ does not depend on m."""
        dim = self.mean_direction.shape[1]
        cosine = self._over_lengths(lambda kappa: mean_resultant_length(kappa, dim), weighted=True)
        length = torch.exp(self.mu_logm + 0.5 * torch.exp(2 * self.log_sigma))
        return (cosine * length)[:, None] * self.mean_direction

    def median(self) -> Tensor:
        """The mean direction at the median length, exp(mu_logm) μ, (B, D): no heavy tail stretches it."""
        return torch.exp(self.mu_logm)[:, None] * self.mean_direction

    def mean_log_norm(self) -> Tensor:
        """E[ln ||x||] = mu_logm, (B,)."""
        return self.mu_logm

    def entropy(self) -> Tensor:
        """-E[log p(x)], (B,), in nats on R^D."""
        dim = self.mean_direction.shape[1]

        def of_direction(kappa: Tensor) -> Tensor:
            kappa = kappa.double()
            return -log_vmf_normalizer(kappa, dim) - kappa * mean_resultant_length(kappa, dim)

        of_log_length = self.log_sigma + 0.5 * (1 + _LOG_2PI)
        return (self._over_lengths(of_direction) + of_log_length + dim * self.mu_logm).to(self.kappa.dtype)

    def sample(self, generator: torch.Generator, temperature: float = 1.0) -> Tensor:
        """One draw a row, (B, D)."""
        noise = torch.empty_like(self.mu_logm).normal_(std=math.sqrt(temperature), generator=generator)
        log_m = self.mu_logm + self.log_sigma.exp() * noise
        direction = sample_vmf(self.mean_direction, self._kappa_at(log_m) / temperature, generator)
        return direction.mul_(log_m.exp()[:, None])

    def facts(self) -> dict[str, Tensor]:
        return {"kappa": self.kappa, **self.flags}

    def _kappa_at(self, log_m: Tensor) -> Tensor:
        """κ where ln m is log_m, (..., B)."""
        if self.kappa_slope is None:
            return self.kappa
        log_kappa = self.kappa.log() + self.kappa_slope * (log_m - self.mu_logm)
        return torch.exp(log_kappa.clamp(*self.log_kappa_bounds))

    def _factors(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log vMF(d), log LogNormal(m) and ln m at x = m d, (B,) in float64, and where m > 0: elsewhere m is put 1."""
        wide, dim = x.double(), x.shape[1]
        norm = wide.norm(dim=1)
        moved = norm > 0
        norm = torch.where(moved, norm, 1)  # before the logarithm: NaN times zero is NaN in a gradient
        cosine = (wide * self.mean_direction).sum(1) / norm
        log_m, log_sigma = norm.log(), self.log_sigma.double()
        kappa = self._kappa_at(log_m).double()
        z = (log_m - self.mu_logm) * torch.exp(-log_sigma)
        of_direction = log_vmf_normalizer(kappa, dim) + kappa * cosine
        of_length = -0.5 * z.square() - log_sigma - 0.5 * _LOG_2PI - log_m
        return of_direction, of_length, log_m, moved

    def _over_lengths(self, function: Callable[[Tensor], Tensor], weighted: bool = False) -> Tensor:
        """E[function(κ(m))], or E[m function(κ(m))] / E[m] if weighted, (B,), by Gauss-Hermite quadrature over ln m."""
        if self.kappa_slope is None:
            return function(self.kappa)
        nodes, weights, sigma = _NODES.to(self.kappa)[:, None], _WEIGHTS.to(self.kappa), self.log_sigma.exp()
        z = nodes + sigma if weighted else nodes  # m times a normal law of ln m is one whose mean is σ² higher
        values = function(self._kappa_at(self.mu_logm + sigma * z))
        return (weights / weights.sum()).to(values) @ values


@torch.no_grad()
def sample_vmf(mean_direction: Tensor, kappa: Tensor, generator: torch.Generator) -> Tensor:
    """Draws (B, D) from vMF(μ, κ), one a row: μ (B, D) unit vectors, D >= 2, κ (B,) >= 0; uniform at κ = 0.

    The cosine is drawn in float64, since κ multiplies its rounding; the tangent in μ's dtype, which is returned. Rows
    whose κ is not finite are NaN.
    """
    cosine, sine = (a.to(mean_direction) for a in _sample_cosine(kappa.double(), mean_direction.shape[1], generator))
    draws = torch.empty_like(mean_direction).normal_(generator=generator)
    for start in range(0, len(draws), _BLOCK):
        rows = slice(start, start + _BLOCK)
        _bend(draws[rows], mean_direction[rows], cosine[rows], sine[rows])
    return draws


def _bend(normals: Tensor, mean_direction: Tensor, cosine: Tensor, sine: Tensor) -> None:
    """Standard normals (B, D) become cos μ + sin t, in place, t uniform among the directions orthogonal to μ.

    Without its first coordinate a normal is uniform around the first axis e; the reflection I - h hᵀ / (1 + |μ_0|) with
    h = μ ± e, by the sign of μ_0, takes e to ±μ (Householder). Unlike a projection it loses no digits where the draw
    was nearly along μ.
    """
    normals[:, 0] = 0
    length = normals.norm(dim=1)
    zero = length == 0  # in the plane, where t is one normal, and those of float32 are 0 once in 2^24 times
    normals[:, 1] += zero
    normals *= (sine / (length + zero))[:, None]
    first = mean_direction[:, 0]
    along = torch.linalg.vecdot(normals, mean_direction) / (1 + first.abs())
    normals.addcmul_(mean_direction, (cosine - along)[:, None])
    normals[:, 0] -= torch.where(first < 0, -along, along)


def _sample_cosine(kappa: Tensor, dim: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cosines (B,) with density ∝ exp(κ w) (1 - w²)^((D-3)/2), and their sines, by rejection (Wood 1994).

    Wood's b is (1-h)/(1+h), his proposal w = (h + y) / (1 + h y) with y a coordinate of a uniform direction, so that
    nothing cancels at large κ. Such y are sqrt(1 - U^(2/(D-2))) cos 2πV (Ulrich 1984): two uniforms each.
    """
    root = torch.sqrt((dim - 1) ** 2 + 4 * kappa.square())
    h = 2 * kappa / (dim - 1 + root)
    h_complement = 2 * (dim - 1) / (dim - 1 + root)  # 1 - h²
    cosine, sine = torch.full_like(kappa, math.nan), torch.full_like(kappa, math.nan)
    pending = kappa.isfinite().nonzero()[:, 0]
    for _ in range(_MOST_PROPOSALS):
        u, v, w = torch.rand(3, len(pending), dtype=kappa.dtype, device=kappa.device, generator=generator)
        log_u = torch.log(u) * (2 / (dim - 2) if dim > 2 else math.inf)
        y = torch.sqrt(-torch.expm1(log_u)) * torch.cos(2 * math.pi * v)
        scale = 1 + h[pending] * y
        log_ratio = kappa[pending] * h_complement[pending] * y / scale - (dim - 1) * torch.log(scale)
        accepted = log_ratio >= torch.log(w)
        rows = pending[accepted]
        cosine[rows] = ((h[pending] + y) / scale)[accepted]
        sine[rows] = (torch.sqrt(h_complement[pending] * (1 - y.square()).clamp_min(0)) / scale)[accepted]
        pending = pending[~accepted]
        if not len(pending):
            return cosine, sine
    raise RuntimeError(f"{len(pending)} von Mises-Fisher draws were refused {_MOST_PROPOSALS} times: {kappa[pending]}")
