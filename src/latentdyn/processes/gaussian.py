"""What is exact of a stationary Gaussian process, given the law of a step and of a frame in some context.

G, S    covariances of Δx_t and of x_t
C, V    the same given the context
L       E[Δx_t | c] = L ε with ε ~ N(0, I)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad

from latentdyn.processes.base import Answer, monte_carlo


@dataclass(frozen=True)
class GaussianStep:
    """delta, residual (D, D): G and C. frame, frame_residual (D, D): S and V. mean_factor (D, n): L. explained: the
    trace of L Lᵀ."""

    delta: np.ndarray
    residual: np.ndarray
    frame: np.ndarray
    frame_residual: np.ndarray
    mean_factor: np.ndarray
    explained: float

    def answers(self, k: int, generator: np.random.Generator) -> Iterator[Answer]:
        """Of a predictor with this context, k frames stale; `generator` draws for the cosine."""
        dim, c = len(self.delta), self.residual
        against_full = 0.5 * (log_det(c) - log_det(self.delta))
        yield Answer("nll", k, 0.5 * (dim * math.log(2 * math.pi * math.e) + log_det(c)), "½ ln det(2πe C_k)")
        yield Answer("dnll", k, 0.5 * (log_det(c) - _log_diagonal(self.delta)), "½ [ln det C_k - Σ ln G_ii]")
        yield Answer("dnll_full", k, against_full, "½ ln(det C_k / det G)")
        yield Answer("context_gain", k, against_full, "½ ln(det C_k / det G)")
        yield Answer("energy_score", k, self._energy_score(), "E‖N(0, C_k)‖ / √2, in deviations of x_t")
        yield Answer("r2_delta", k, self.explained / float(np.trace(self.delta)), "tr(M S Mᵀ) / tr G")
        if self.explained > 0:  # a mean of 0 has no direction
            cosine, error = self._cosine(generator)
            yield Answer("cosine", k, cosine, "E cos(M x, M x + N(0, C_k)), Monte Carlo", error)

    def _energy_score(self) -> float:
        """Of the true law: half the mean distance of two of its draws, which differ by N(0, 2 C)."""
        scale = np.sqrt(np.diag(self.frame))
        return mean_length(self.residual / np.outer(scale, scale)) / math.sqrt(2)

    def level_gain(self) -> Answer:
        gain = 0.5 * (log_det(self.frame_residual) - _log_diagonal(self.frame))
        return Answer("level_gain", 1, gain, "½ [ln det Q - Σ ln S_ii]")

    def information(self, k: int) -> Answer:
        """What the context tells about the frame."""
        information = 0.5 * (log_det(self.frame) - log_det(self.frame_residual))
        return Answer("predictive_information", k, information, "½ ln(det S / det P_k+1)")

    def judged(self, h: int) -> Iterator[Answer]:
        """What representations are judged by, of the process's own frames: h ahead of the last frame of the context."""
        skill = 1 - float(np.trace(self.frame_residual)) / float(np.trace(self.frame))
        yield Answer("decoded_skill", h, skill, "1 - tr P / tr S, P of x_t+h given the window")
        told = self.information(h).value
        for metric in ("state_information_whole", "state_information_mdn_whole"):
            yield Answer(metric, h, told, "½ ln(det S / det P), P of x_t+h given the window")

    def _cosine(self, generator: np.random.Generator) -> tuple[float, float]:
        noise_factor = np.linalg.cholesky(self.residual)

        def draw(n: int) -> np.ndarray:
            mean, noise = (
                generator.standard_normal((n, factor.shape[1])) @ factor.T
                for factor in (self.mean_factor, noise_factor)
            )
            delta = mean + noise
            product = np.einsum("nd,nd->n", mean, delta)
            cosine: np.ndarray = product / (np.linalg.norm(mean, axis=1) * np.linalg.norm(delta, axis=1))
            return cosine

        return monte_carlo(draw)


def shape_answers(frame: np.ndarray) -> Iterator[Answer]:
    """What no predictor is needed for: frames of this covariance (D, D)."""
    ratio = float(np.trace(frame)) ** 2 / float((frame**2).sum())
    yield Answer("participation_ratio", None, ratio, "(tr S)² / tr S²")
    yield Answer("excess_kurtosis", None, 0.0, "x_t is Gaussian")


def log_det(covariance: np.ndarray) -> float:
    return float(np.linalg.slogdet(covariance)[1])


def mean_length(covariance: np.ndarray) -> float:
    """E‖z‖ of z ~ N(0, covariance): (1/√π) ∫ (1 - E exp(-u² ‖z‖²)) / u² du over u > 0."""
    variances = np.linalg.eigvalsh(covariance)

    def integrand(u: float) -> float:
        log_transform = -0.5 * np.log1p(2 * u * u * variances).sum()
        return -math.expm1(log_transform) / (u * u)

    scale = 1 / math.sqrt(variances.sum())  # of u, where the transform falls
    near, _ = quad(integrand, 0, scale)
    far, _ = quad(integrand, scale, math.inf)
    return float(near + far) / math.sqrt(math.pi)


def _log_diagonal(covariance: np.ndarray) -> float:
    return float(np.log(np.diagonal(covariance)).sum())
