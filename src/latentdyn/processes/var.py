"""Gaussian vector autoregression x_t = A x_{t-1} + e_t with A = radius x orthogonal: every answer has a closed form.

With the context ending at t-k only x_{t-k} matters (the process is Markov), and Δx_t = M x_{t-k} + N(0, C_k):

    M = (A - I) A^{k-1},  P_k = Σ_{i=0}^{k-2} A^i Q A^iᵀ,  C_k = (A - I) P_k (A - I)ᵀ + Q,
    S = A S Aᵀ + Q,       G = (A - I) S (A - I)ᵀ + Q       (covariances of x_t and of Δx_t; Lütkepohl 2005, §2.1)

Radius 0 is white noise. With a radius above 1 the process explodes; a diagnostic must not take that for a poor
predictor.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.linalg import eigh, solve_discrete_lyapunov
from scipy.stats import ortho_group

from latentdyn.processes.base import Answer, require
from latentdyn.processes.gaussian import GaussianStep, log_det, shape_answers
from latentdyn.seeds import numpy_generator

_NOISES = ("isotropic", "correlated")
_CORRELATED_VARIANCES = (0.25, 4.0)  # of the noise's principal axes, geometrically spaced: det Q is 1 either way


class VAR:
    """VAR(1), started in its stationary law (radius < 1) or at N(0, Q)."""

    kind = "var"

    def __init__(self, dim: int, seed: int, *, radius: float, noise: str) -> None:
        """
        Args:
            radius: of A's eigenvalues. noise: covariance Q of e_t, the identity or one with correlated dimensions.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.seed, self.radius, self.noise = dim, seed, radius, noise
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(0 <= radius < math.inf, self, "radius", radius, "a number of at least 0")
        require(noise in _NOISES, self, "noise", noise, " or ".join(_NOISES))
        generator = numpy_generator("process", self.kind, seed)
        self.transition = radius * ortho_group.rvs(dim, random_state=generator)
        self.noise_covariance = np.eye(dim)
        if noise == "correlated":
            axes = ortho_group.rvs(dim, random_state=generator)
            self.noise_covariance = axes * np.geomspace(*_CORRELATED_VARIANCES, dim) @ axes.T
        stationary = radius < 1
        self.frame_covariance = (
            solve_discrete_lyapunov(self.transition, self.noise_covariance) if stationary else self.noise_covariance
        )
        self._start_factor = np.linalg.cholesky(self.frame_covariance)
        self._noise_factor = np.linalg.cholesky(self.noise_covariance)

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        state = self._start_factor @ generator.standard_normal(self.dim)
        noise = generator.standard_normal((n_frames, self.dim)) @ self._noise_factor.T
        x = np.empty_like(noise)
        for t in range(n_frames):
            x[t] = state
            state = self.transition @ state + noise[t]
        return x

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At every k where the process is stationary; only what the noise decides, at k = 1, where it is not."""
        if self.radius < 1:
            return [
                *self._shape(),
                *self._directions(),
                *(answer for k in horizons for answer in self._stationary_answers(k)),
            ]
        return list(self._unstable_answers()) if 1 in horizons else []

    def _stationary_answers(self, k: int) -> Iterator[Answer]:
        step = self._step(k)
        yield from step.answers(k, numpy_generator("process", self.kind, self.seed, "cosine", k))
        if k == 1:
            yield step.level_gain()
            if self.radius > 0:  # a map of 0 has no scale for an estimate to be near on
                yield Answer("spectral_radius", 1, self.radius, "of A, the map of the mean")
            yield Answer("unbounded", 1, 0.0, "radius < 1")
        yield step.information(k)
        yield from step.judged(k)

    def _shape(self) -> Iterator[Answer]:
        """What no predictor is needed for."""
        yield from shape_answers(self.frame_covariance)
        if self.radius == 0:
            yield Answer("spectral_predictability", None, 0.0, "the spectrum is flat")

    def _directions(self) -> Iterator[Answer]:
        """Of slow features and canonical correlations; none of white noise, whose directions are all alike.

        Only the newest frame of the past tells anything of x_t, so that any window W gives the same correlations.
        """
        if self.radius == 0:
            return
        s, moved = self.frame_covariance, self.transition @ self.frame_covariance
        slowness = eigh(2 * s - moved - moved.T, s, eigvals_only=True)
        squared = eigh(moved @ self.transition.T, s, eigvals_only=True)[::-1]
        for i, (slow, square) in enumerate(zip(slowness, squared, strict=True), start=1):
            yield Answer(f"slowness_c{i}", None, float(slow), "eigenvalue of 2S - AS - SAᵀ to S")
            correlation = math.sqrt(max(square, 0))
            yield Answer(f"canonical_correlation_c{i}", None, correlation, "root of the eigenvalue of A S Aᵀ to S")

    def _unstable_answers(self) -> Iterator[Answer]:
        entropy = 0.5 * (self.dim * math.log(2 * math.pi * math.e) + log_det(self.noise_covariance))
        yield Answer("nll", 1, entropy, "½ ln det(2πe Q)")
        yield Answer("spectral_radius", 1, self.radius, "of A, the map of the mean")
        if self.radius > 1:  # at 1 it neither explodes nor settles
            yield Answer("unbounded", 1, 1.0, "radius > 1")

    def _step(self, k: int) -> GaussianStep:
        """Δx_t given x_{t-k} is N(M x_{t-k}, C_k)."""
        step, s = self.transition - np.eye(self.dim), self.frame_covariance
        mean_map = step @ np.linalg.matrix_power(self.transition, k - 1)
        return GaussianStep(
            delta=step @ s @ step.T + self.noise_covariance,
            residual=step @ self._spread(k - 1) @ step.T + self.noise_covariance,
            frame=s,
            frame_residual=self._spread(k),
            mean_factor=mean_map @ self._start_factor,
            explained=float(np.trace(mean_map @ s @ mean_map.T)),
        )

    def _spread(self, n: int) -> np.ndarray:
        """The covariance of x_t given x_{t-n}: P_{n+1}."""
        power, p = np.eye(self.dim), np.zeros((self.dim, self.dim))
        for _ in range(n):
            p += power @ self.noise_covariance @ power.T
            power = self.transition @ power
        return p


PROCESS = VAR
