"""Steps of random size, Δx_t = exp(sd z_t) ε_t: a large gain over a Gaussian, and none of it from the context.

z_t and ε_t are independent normals, so that every score of the context is 0 at every k; what remains is that Δx is not
Gaussian. Its density depends on ||Δx|| alone, which makes the entropy one-dimensional: with r = ||ε||,

    h(Δx) = h(ln ||Δx||) + D E[ln ||Δx||] + ln area(S^{D-1}),  hence  h(Δx) - h(ε) = h(ln r + sd z) - h(ln r).
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.signal import fftconvolve
from scipy.special import digamma, gammaln, polygamma, xlogy
from scipy.stats import loggamma, norm

from latentdyn.processes.base import Answer, require

_POINTS_PER_DEVIATION = 10  # the trapezoid rule is exact to rounding long before this, for densities so smooth
_TAIL = 1e-15


class ScaleMixture:
    """The running sum of isotropic steps of log-normal scale, from x_0 = 0."""

    kind = "scale_mixture"

    def __init__(self, dim: int, seed: int, *, sd: float) -> None:
        """
        Args:
            seed: accepted like every process's; there are no parameters to draw. sd: deviation of the log scale.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.sd = dim, sd
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(0 < sd < math.inf, self, "sd", sd, "a number above 0")

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        scale = np.exp(self.sd * generator.standard_normal((n_frames, 1)))
        delta = scale * generator.standard_normal((n_frames, self.dim))
        delta[:1] = 0
        return np.cumsum(delta, axis=0)

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """The same at every k."""
        excess = _log_norm_entropy(self.dim, self.sd) - _log_chi_entropy(self.dim)
        entropy = 0.5 * self.dim * math.log(2 * math.pi * math.e) + excess
        dnll = excess - self.dim * self.sd**2  # E ||Δx||² = D exp(2 sd²)
        return [
            answer
            for k in horizons
            for answer in (
                Answer("nll", k, entropy, "(D/2) ln(2πe) + h(ln r + sd z) - h(ln r), quadrature"),
                Answer("dnll", k, dnll, "h(ln r + sd z) - h(ln r) - D sd², quadrature"),
                Answer("dnll_full", k, dnll, "that against the diagonal Gaussian: Δx is isotropic"),
                Answer("context_gain", k, 0.0, "Δx is independent of the context"),
                Answer("r2_delta", k, 0.0, "Δx is independent of the context"),
            )
        ]


def _log_chi_entropy(dim: int) -> float:
    """h(ln r), r² ~ χ²_D."""
    return float(gammaln(dim / 2) - math.log(2) + dim / 2 * (1 - digamma(dim / 2)))


def _log_norm_entropy(dim: int, sd: float) -> float:
    """h(ln r + sd z), by the convolution of the two densities on a grid."""
    spread = 0.5 * math.sqrt(polygamma(1, dim / 2))  # deviation of ln r = (ln 2 + ln Gamma(D/2)) / 2
    step = min(sd, spread) / _POINTS_PER_DEVIATION
    low, high = 0.5 * loggamma.ppf(_TAIL, dim / 2), 0.5 * loggamma.isf(_TAIL, dim / 2)
    log_chi = 2 * loggamma.pdf(2 * np.arange(low, high, step), dim / 2)
    reach = math.ceil(norm.isf(_TAIL) * sd / step)
    log_scale = norm.pdf(step * np.arange(-reach, reach + 1), scale=sd)
    density = step * fftconvolve(log_chi, log_scale).clip(0)
    return -step * float(xlogy(density, density).sum())


PROCESS = ScaleMixture
