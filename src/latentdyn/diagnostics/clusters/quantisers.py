"""Quantisers: how features of a context become one of n labels, by k-means or by quartiles."""

from collections.abc import Callable

import faiss
import numpy as np

from latentdyn.diagnostics.clusters.settings import ClusteringSettings
from latentdyn.seeds import seed_for

BINS = 4  # quartiles
_FAR = 1e4  # beyond it faiss's distances, float32, lose what tells centroids apart; when they overflow, its label is -1

Quantiser = Callable[[np.ndarray], np.ndarray]  # features (n, F) -> labels (n,)


def fit_kmeans(
    features: np.ndarray, n_clusters: int, settings: ClusteringSettings, seed_names: tuple[object, ...]
) -> Quantiser:
    """k-means on features (n, F) float32 by faiss; labels are of the nearest centroid, however far it is."""
    kmeans = faiss.Kmeans(
        features.shape[1],
        n_clusters,
        niter=settings.kmeans_iterations,
        nredo=settings.kmeans_restarts,
        seed=seed_for(*seed_names, "kmeans", n_clusters) % 2**31,
        max_points_per_centroid=settings.kmeans_frames_per_cluster,
        init_method=faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,  # at random, well separated clusters are missed
        min_points_per_centroid=1,  # only a warning of faiss's; small clusters are left out, and counted, later
    )
    kmeans.train(features)

    assert kmeans.centroids is not None  # it is trained
    centroids = kmeans.centroids.astype(np.float64)

    def nearest(x: np.ndarray) -> np.ndarray:
        labels = kmeans.index.search(x, 1)[1][:, 0]
        far = np.abs(x).max(axis=1) > _FAR
        if far.any():
            labels[far] = (np.square(centroids).sum(axis=1) - 2 * x[far].astype(np.float64) @ centroids.T).argmin(1)
        return labels

    return nearest


def fit_bins(features: np.ndarray) -> Quantiser:
    """Quartile bins of each of the features (n, F): 4^F labels, the first feature's bin counting fastest."""
    edges = np.quantile(features, np.arange(1, BINS) / BINS, axis=0)
    powers = BINS ** np.arange(features.shape[1])
    return lambda x: (x[:, :, None] > edges.T).sum(axis=2) @ powers
