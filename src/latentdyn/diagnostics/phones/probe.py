"""How much a linear probe can tell of the phone from a frame, in nats: I(phone; frame) as far as a line can say.

The probe is softmax(W x + b), fitted to training speakers by maximum likelihood with a ridge on W that validation
speakers choose. On held-out frames

    information = mean ln p(phone | x) - mean ln p(phone),      p(phone) the shares of training frames,

is the cross-entropy that the frame takes from the phone (probes: Alain & Bengio 2017; information: Pimentel et
al. 2020). Without any information it is 0, or below by what the probe has overfitted. Frames are whitened by their
training covariance first. So no invertible linear map of the latents changes the result, but for directions of nearly
no variance, which are left out. The ridge is the one of lowest mean NLL over validation frames: this grows with a
frame's distance, not with its square, so that a few far frames hardly decide it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from latentdyn.predictors.ridges import choose_ridge

_LEAST_GAIN = 1e-4  # nats by which a ridge beyond the grid must be better
_STEPS, _GRADIENT = 300, 1e-4  # of L-BFGS; held-out numbers are then within 0.001 nats of the optimum's


def label_correlation(white: np.ndarray, labels: np.ndarray) -> float:
    """Sum of the squared canonical correlations of frames and labels: between-class variance of whitened frames.

    Args:
        white: (n, D) of mean 0 and covariance 1. labels: (n,) codes, 0 or more.
    """
    counts = np.bincount(labels)
    sums = np.zeros((len(counts), white.shape[1]))
    np.add.at(sums, labels, white)
    return float((np.square(sums).sum(axis=1) / np.maximum(counts, 1)).sum() / len(labels))


@dataclass(frozen=True)
class Probe:
    """ln p(phone | x) = log softmax(x W + b). weights: (D, K). bias: (K,), ln of the training shares without W."""

    weights: np.ndarray
    bias: np.ndarray

    def log_probabilities(self, white: np.ndarray) -> np.ndarray:
        """(n, K) of whitened frames (n, D)."""
        logits = white @ self.weights + self.bias
        found: np.ndarray = logits - logsumexp(logits, axis=1, keepdims=True)
        return found


def fit_probe(
    training: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    n_labels: int,
    ridges: Sequence[float],
) -> Probe:
    """The probe of the ridge that is best on validation frames.

    Args:
        training, validation: whitened frames (n, D) and labels (n,), 0 .. n_labels - 1; each occurs in training. The
            grid of ridges goes on where validation asks for more.
    """
    x, labels = training
    shares = np.bincount(labels, minlength=n_labels) / len(labels)
    probes = {np.inf: Probe(np.zeros((x.shape[1], n_labels)), np.log(shares))}

    def loss(ridge: float) -> float:
        nearest = min(probes, key=lambda other: abs(np.log(other / ridge)))  # where to start: there is one optimum
        probes[ridge] = _solve(x, labels, ridge, probes[nearest])
        if not len(validation[1]):
            return np.nan
        log_p = probes[ridge].log_probabilities(validation[0])
        return float(-log_p[np.arange(len(log_p)), validation[1]].mean())

    return probes[choose_ridge(sorted(ridges, reverse=True), loss, _LEAST_GAIN)]


def _solve(x: np.ndarray, labels: np.ndarray, ridge: float, start: Probe) -> Probe:
    """The W and b that minimise the mean NLL plus ridge ‖W‖² / 2, by L-BFGS; the problem is convex."""
    n, (dim, n_labels) = len(x), start.weights.shape
    truth = np.zeros((n, n_labels))
    truth[np.arange(n), labels] = 1

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[: dim * n_labels].reshape(dim, n_labels), flat[dim * n_labels :]
        logits = x @ weights + bias
        logits -= logits.max(axis=1, keepdims=True)
        p = np.exp(logits)
        total = p.sum(axis=1, keepdims=True)
        value = float(np.log(total).mean() - np.vdot(truth, logits) / n + ridge * np.vdot(weights, weights) / 2)
        p /= total
        p -= truth
        gradient = np.concatenate([(x.T @ p / n + ridge * weights).ravel(), p.mean(axis=0)])
        return value, gradient

    first = np.concatenate([start.weights.ravel(), start.bias])
    options = {"maxiter": _STEPS, "gtol": _GRADIENT, "maxcor": 20}
    found = minimize(objective, first, jac=True, method="L-BFGS-B", options=options).x
    return Probe(found[: dim * n_labels].reshape(dim, n_labels), found[dim * n_labels :])
