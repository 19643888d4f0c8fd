"""Sums of squares and likelihoods of steps within clusters."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import sparse

_BLOCK = 8192


@dataclass(frozen=True)
class ClusterMoments:
    """Frames (C,), sums and sums of squares (C, D) of steps in each cluster, float64."""

    n: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, deltas: np.ndarray, labels: np.ndarray, n_clusters: int) -> "ClusterMoments":
        """Moments of steps (n, D) with labels (n,). Steps should be near 0, so that no digits cancel.

        Raises:
            ValueError: a label is of no cluster: a sparse matrix would write it outside its memory.
        """
        if len(labels) and not (labels.min() >= 0 and labels.max() < n_clusters):
            raise ValueError(f"labels from {labels.min()} to {labels.max()} of {n_clusters} clusters")
        first, second = np.zeros((n_clusters, deltas.shape[1])), np.zeros((n_clusters, deltas.shape[1]))
        for start in range(0, len(deltas), _BLOCK):
            x, block = deltas[start : start + _BLOCK].astype(np.float64), labels[start : start + _BLOCK]
            members = sparse.csr_array((np.ones(len(x)), block, np.arange(len(x) + 1)), (len(x), n_clusters)).T
            first += members @ x
            second += members @ np.square(x)
        return cls(np.bincount(labels, minlength=n_clusters), first, second)

    @property
    def means(self) -> np.ndarray:
        """(C, D); 0 for an empty cluster."""
        return self.first / np.maximum(self.n, 1)[:, None]

    def variance_ratio(self) -> float:
        """Sum of squares within clusters over the total (science §1)."""
        squares = self.second.sum()
        within = squares - (self.first * self.means).sum()
        return float(within / (squares - np.square(self.first.sum(axis=0)).sum() / self.n.sum()))

    def gaussians(self, variance: np.ndarray, prior_frames: float) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances (C, D) of one diagonal Gaussian a cluster.

        A cluster's variance is shrunk towards the global one v (D,) as if τ = `prior_frames` more frames had shown it:
        (n_c s_c² + τ v) / (n_c + τ), where s_c² is about the cluster's own mean. The mean is not shrunk.
        """
        n = self.n[:, None]
        spread = np.maximum(self.second - self.first * self.means, 0)
        return self.means, (spread + prior_frames * variance) / (n + prior_frames)

    def nll(self, means: np.ndarray, variances: np.ndarray) -> float:
        """Mean NLL of the steps under their clusters' Gaussians, nats/frame."""
        n = self.n[:, None]
        squares = self.second - 2 * means * self.first + n * np.square(means)
        return float(0.5 * (squares / variances + n * np.log(2 * np.pi * variances)).sum() / self.n.sum())


def squared_distances(values: np.ndarray, means: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """||value - its cluster's mean||², (n,) float64, of values (n, D), means (C, D) and labels (n,)."""
    return _blockwise(lambda x, c: np.square(x - means[c]).sum(axis=1), values, labels)


def gaussian_nll(values: np.ndarray, means: np.ndarray, variances: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """NLL (n,) in nats of values (n, D) under their clusters' diagonal Gaussians (C, D)."""
    log_volumes = np.log(2 * np.pi * variances).sum(axis=1)
    return _blockwise(
        lambda x, c: 0.5 * ((np.square(x - means[c]) / variances[c]).sum(axis=1) + log_volumes[c]), values, labels
    )


def _blockwise(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray], values: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    out = np.empty(len(values))
    for start in range(0, len(values), _BLOCK):
        index = slice(start, start + _BLOCK)
        out[index] = function(values[index].astype(np.float64), labels[index])
    return out
