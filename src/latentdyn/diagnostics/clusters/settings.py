"""What a user can set of the clusters diagnostic, besides the keys."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class ClusteringSettings:
    """The `clustering` section of the config, and what it shares with `evaluation`.

    window_frames, longest_horizon: W and the largest k of the predictors to compare with. They decide the frames.
    max_frames: a larger split is subsampled, for fitting too.
    kmeans_iterations, kmeans_restarts, kmeans_frames_per_cluster: faiss's niter, nredo and max_points_per_centroid.
        faiss fits centroids to at most so many frames a cluster (its default is 256), drawn at random. All frames are
        then labelled and measured.
    min_cluster_frames: of training; a smaller cluster is left out.
    variance_prior_frames: τ > 0 of `ClusterMoments.gaussians`.
    permutations: at least 2.
    principal_dims: sizes m of the principal subspace of Δx; those beyond D are passed over.
    """

    window_frames: int
    longest_horizon: int
    cluster_counts: Sequence[int]
    max_frames: int
    kmeans_iterations: int
    kmeans_restarts: int
    kmeans_frames_per_cluster: int
    min_cluster_frames: int
    variance_prior_frames: float
    permutations: int
    principal_dims: Sequence[int]
    bootstrap_resamples: int
