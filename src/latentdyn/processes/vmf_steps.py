"""Steps with a known direction and a free length: Δx_t = m d, d ~ vMF(μ_t, κ), ln m ~ N(mu_logm, sigma²).

μ_t = -x_{t-1} / ||x_{t-1}|| points at the origin, which keeps x bounded. Everything is isotropic, so μ_t is uniform on
the sphere. The true density is in the family of the vMF x LogNormal head.

With M(κ) = E e^{κ w}, w the cosine of a uniform direction with any fixed one: ln C_D(κ) = -ln area(S^{D-1}) - ln M(κ)
and A_D(κ) = (ln M)' (Mardia & Jupp 2000, §9.3.2), so that no Bessel function is needed.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln, logsumexp
from scipy.stats import vonmises_fisher

from latentdyn.processes.base import Answer, require


class VMFSteps:
    """Steps towards the origin, from an isotropic start at about the length of a step."""

    kind = "vmf_steps"

    def __init__(self, dim: int, seed: int, *, kappa: float, mu_logm: float, sigma: float) -> None:
        """
        Args:
            seed: accepted like every process's; there are no parameters to draw.
            kappa: concentration of the direction. mu_logm, sigma: mean and deviation of ln ||Δx||.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.kappa, self.mu_logm, self.sigma = dim, kappa, mu_logm, sigma
        require(dim >= 2, self, "dim", dim, "at least 2")
        require(0 < kappa < math.inf, self, "kappa", kappa, "a number above 0")
        require(math.isfinite(mu_logm), self, "mu_logm", mu_logm, "a number")
        require(0 < sigma < math.inf, self, "sigma", sigma, "a number above 0")

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        pole = np.eye(self.dim)[0]
        # κ is the same for all frames, and with it the law of the cosine: all are drawn at once, about one pole
        cosine = vonmises_fisher(pole, self.kappa).rvs(max(n_frames, 1), random_state=generator) @ pole
        sine = np.sqrt(1 - np.square(cosine).clip(0, 1))
        length = np.exp(self.mu_logm + self.sigma * generator.standard_normal(n_frames))
        sideways = generator.standard_normal((n_frames, self.dim))
        state = math.exp(self.mu_logm) / math.sqrt(self.dim) * generator.standard_normal(self.dim)
        x = np.empty((n_frames, self.dim))
        for t in range(n_frames):
            x[t] = state
            mean_direction = -state / np.linalg.norm(state)
            tangent = sideways[t] - (sideways[t] @ mean_direction) * mean_direction
            state = state + length[t] * (cosine[t] * mean_direction + sine[t] / np.linalg.norm(tangent) * tangent)
        return x

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At k = 1."""
        if 1 not in horizons:
            return []
        d = self.dim
        log_mgf, resultant = cosine_moments(self.kappa, d)
        log_area = math.log(2) + 0.5 * d * math.log(math.pi) - float(gammaln(d / 2))
        gain = log_mgf - self.kappa * resultant
        nll = gain + log_area + 0.5 * math.log(2 * math.pi * math.e * self.sigma**2) + d * self.mu_logm
        log_square = 2 * self.mu_logm + 2 * self.sigma**2  # ln E ||Δx||²
        dnll = nll - 0.5 * d * (math.log(2 * math.pi * math.e / d) + log_square)
        explained = resultant**2 * math.exp(-(self.sigma**2))
        return [
            Answer("nll", 1, nll, "-ln C_D(κ) - κ A_D(κ) + ½ ln(2πe σ²) + D mu_logm"),
            Answer("dnll", 1, dnll, "NLL - (D/2) ln(2πe E[m²]/D), E[m²] = exp(2 mu_logm + 2σ²)"),
            Answer("dnll_full", 1, dnll, "that against the diagonal Gaussian: Δx is isotropic"),
            Answer("context_gain", 1, gain, "ln C_D(0) - ln C_D(κ) - κ A_D(κ)"),
            Answer("cosine", 1, resultant, "A_D(κ)"),
            Answer("kappa", 1, self.kappa, "κ"),
            Answer("r2_head", 1, 0.0, "m is independent of the context"),
            Answer("r2_delta", 1, explained, "A_D(κ)² E[m]² / E[m²] = A_D(κ)² exp(-σ²)"),
        ]


def cosine_moments(kappa: float, dim: int) -> tuple[float, float]:
    """ln M(κ) and its derivative A_D(κ), from the power series of M = 0F1(D/2; κ²/4): positive terms, in logarithms."""
    j = np.arange(int(kappa) + 200)  # the largest term is before κ/2, and the others fall off within a few sqrt(κ)
    terms = 2 * j * math.log(kappa / 2) + gammaln(dim / 2) - gammaln(dim / 2 + j) - gammaln(j + 1)
    log_mgf = logsumexp(terms)
    return float(log_mgf), float((np.exp(terms - log_mgf) * 2 * j).sum() / kappa)


PROCESS = VMFSteps
