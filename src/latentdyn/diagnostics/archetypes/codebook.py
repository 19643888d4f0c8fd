"""Codebooks of directions: the axes that directions are compared along, and prototypes by spherical k-means.

Directions have unit length, and so have prototypes; each direction belongs to the prototype of the largest cosine.
"""

from dataclasses import dataclass

import faiss
import numpy as np
from scipy.optimize import linear_sum_assignment

from latentdyn.seeds import seed_for

_BLOCK = 8192


@dataclass(frozen=True)
class Axes:
    """vectors: (D, P), the principal axes of directions that hold a share of their sum of squares, the first first.

    No mean is subtracted: an angle is about 0.
    """

    vectors: np.ndarray

    @classmethod
    def fit(cls, directions: np.ndarray, share: float) -> "Axes":
        """The fewest axes that hold at least `share` of directions (n, D)."""
        moments = np.zeros((directions.shape[1], directions.shape[1]))
        for start in range(0, len(directions), _BLOCK):
            block = directions[start : start + _BLOCK].astype(np.float64)
            moments += block.T @ block
        values, vectors = np.linalg.eigh(moments)
        held = np.cumsum(values[::-1]) / values.sum()
        kept = min(1 + int((held < share - 1e-12).sum()), len(values))
        return cls(vectors[:, ::-1][:, :kept])

    def __call__(self, directions: np.ndarray) -> np.ndarray:
        """Directions (n, D) -> (n, P) float32 along the axes, of unit length again; 0 stays 0."""
        along = directions @ self.vectors.astype(np.float32)
        length = np.linalg.norm(along, axis=1, keepdims=True)
        unit: np.ndarray = np.divide(along, length, out=np.zeros_like(along), where=length > 0)
        return unit


def fit_prototypes(
    directions: np.ndarray, n: int, iterations: int, restarts: int, names: tuple[object, ...]
) -> np.ndarray:
    """Prototypes (n, P) of directions (m, P) float32, m >= n, by spherical k-means (Dhillon & Modha 2001), float32.

    Args:
        names: what names the seed. Of several restarts the one with the largest sum of cosines is kept.
    """
    kmeans = faiss.Kmeans(
        directions.shape[1],
        n,
        niter=iterations,
        nredo=restarts,
        spherical=True,
        seed=seed_for(*names, "kmeans", n) % 2**31,
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
        max_points_per_centroid=len(directions),  # all of them
        min_points_per_centroid=1,
    )
    kmeans.train(np.ascontiguousarray(directions))
    assert kmeans.centroids is not None  # it is trained
    return kmeans.centroids


def nearest(directions: np.ndarray, prototypes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of directions (n, P), the prototype of (K, P) with the largest cosine, and that cosine: (n,) each."""
    labels, cosines = np.empty(len(directions), np.int64), np.empty(len(directions))
    for start in range(0, len(directions), _BLOCK):
        here = slice(start, start + _BLOCK)
        all_cosines = directions[here] @ prototypes.T
        labels[here] = all_cosines.argmax(axis=1)
        cosines[here] = all_cosines.max(axis=1)
    return labels, cosines


def match(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of each prototype of the first codebook (K, P) its partner in the second, (K,).

    Every prototype has one partner. Of all such pairings it is the one with the largest sum of cosines (the Hungarian
    method).
    """
    partners: np.ndarray = linear_sum_assignment(first.astype(np.float64) @ second.T, maximize=True)[1]
    return partners
