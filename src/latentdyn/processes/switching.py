"""Hidden switching x_t = A_{s_t} x_{t-1} + e_t, s_t fair and independent: a mixture fits, one Gaussian does not.

A_i = radius x orthogonal and e_t ~ N(0, noise² I), so that Δx_t given x_{t-1} is an equal mixture of
N((A_i - I) x_{t-1}, noise² I). Given the regimes, x_t is a sum of rotated isotropic normals of falling size: its
stationary law is N(0, v I), v = noise² / (1 - radius²), whatever the regimes were, and the draws below are independent.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.special import logsumexp
from scipy.stats import ortho_group

from latentdyn.processes.base import Answer, monte_carlo, require
from latentdyn.seeds import numpy_generator


class Switching:
    """A stationary linear process whose regime is drawn anew at each step."""

    kind = "switching"

    def __init__(self, dim: int, seed: int, *, n_regimes: int, radius: float, noise: float) -> None:
        """
        Args:
            radius: of the eigenvalues of every A_i. noise: deviation of each dimension of e_t.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.seed, self.noise = dim, seed, noise
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(n_regimes >= 1, self, "n_regimes", n_regimes, "at least 1")
        require(0 <= radius < 1, self, "radius", radius, "a number of at least 0 and below 1")
        require(0 < noise < math.inf, self, "noise", noise, "a number above 0")
        generator = numpy_generator("process", self.kind, seed)
        self.transitions = np.stack([radius * ortho_group.rvs(dim, random_state=generator) for _ in range(n_regimes)])
        self.frame_std = noise / math.sqrt(1 - radius**2)

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        state = self.frame_std * generator.standard_normal(self.dim)
        regimes = generator.integers(len(self.transitions), size=n_frames)
        noise = self.noise * generator.standard_normal((n_frames, self.dim))
        x = np.empty_like(noise)
        for t in range(n_frames):
            x[t] = state
            state = self.transitions[regimes[t]] @ state + noise[t]
        return x

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At k = 1."""
        if 1 not in horizons:
            return []
        steps = self.transitions - np.eye(self.dim)
        variance = self.frame_std**2
        g = variance * (steps @ steps.swapaxes(1, 2)).mean(axis=0) + self.noise**2 * np.eye(self.dim)
        information, error = self._information()
        # (D/2) ln 2πe is common to all three entropies, and added last
        nll = self.dim * math.log(self.noise) + information
        diagonal, full = 0.5 * float(np.log(np.diagonal(g)).sum()), 0.5 * float(np.linalg.slogdet(g)[1])
        constant = 0.5 * self.dim * math.log(2 * math.pi * math.e)
        explained = variance * float(np.square(steps.mean(axis=0)).sum()) / float(np.trace(g))
        return [
            Answer("nll", 1, constant + nll, "(D/2) ln(2πe noise²) + I(s; Δx) given x, Monte Carlo", error),
            Answer("dnll", 1, nll - diagonal, "NLL - ½ Σ ln(2πe G_ii), Monte Carlo", error),
            Answer("dnll_full", 1, nll - full, "NLL - ½ ln det(2πe G), Monte Carlo", error),
            Answer("r2_delta", 1, explained, "tr((Ā - I) S (Ā - I)ᵀ) / tr G"),
            Answer(
                "state_information_mdn_whole",
                1,
                0.5 * self.dim * math.log(variance) - nll,
                "(D/2) ln(2πe v) - NLL, Monte Carlo",
                error,
            ),
        ]

    def _information(self) -> tuple[float, float]:
        """I(s; Δx | x), the mean of ln p(Δx | x, s) - ln p(Δx | x) in nats, and its standard error."""
        generator = numpy_generator("process", self.kind, self.seed, "information")
        n_regimes = len(self.transitions)

        def draw(n: int) -> np.ndarray:
            x = self.frame_std * generator.standard_normal((n, self.dim))
            regimes = generator.integers(n_regimes, size=n)
            noise = self.noise * generator.standard_normal((n, self.dim))
            means = x @ self.transitions.swapaxes(1, 2)  # (regime, n, D)
            residuals = means[regimes, np.arange(n)] + noise - means
            log_likelihood = -0.5 * np.square(residuals).sum(axis=2) / self.noise**2
            own = log_likelihood[regimes, np.arange(n)]
            gain: np.ndarray = own - logsumexp(log_likelihood, axis=0) + math.log(n_regimes)
            return gain

        return monte_carlo(draw)


PROCESS = Switching
