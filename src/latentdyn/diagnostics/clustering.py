"""Phase 0: do contexts fall into clusters that tell about the next step (seed 000 §2, 001 §1, 002 §1)?

Contexts are clustered by a key; the steps Δx that follow are then compared within and between clusters. Keys, clusters
and everything else that is fitted see training frames only; a cluster with too few of them says nothing and is left
out, and how many frames that costs is reported. Beside every number stands what labels permuted among the same frames
give: C clusters of n frames take (C-1)/(n-1) of the sum of squares without any structure.

With m_c the mean of cluster c on the scored frames, m that of all of them, and μ_c, μ those of training frames:

- variance_ratio: Σ||Δx - m_c||² / Σ||Δx - m||²; variance_ratio_top{m}: the same within the first m principal axes of
  training steps, which hold the share explained_variance_top{m} of Σ||Δx - m||²;
- variance_ratio_held_out: Σ||Δx - μ_c||² / Σ||Δx - μ||², what the clusters predict; it can exceed 1;
- entropy_reduction: mean of ln p(Δx | c) - ln p(Δx) under diagonal Gaussians of training frames, nats/frame;
- *_permuted, *_permuted_sd: mean and deviation over permutations of the labels (of training frames too, where these
  are what Gaussians are fitted to);
- label_entropy: -Σ p_c ln p_c of the shares p_c of frames; clusters_used: clusters with a frame;
- mass_excluded: share of frames in clusters with too few training frames; all of the above leaves them out.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
import pandas as pd
import torch
from scipy import sparse
from torch import Tensor

from latentdyn.diagnostics.keys import Key, KeySettings, fit_key
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.summaries import (
    percentile_interval,
    resampled_ratios,
    robust_summary,
    speaker_bootstrap,
    speaker_totals,
    speaker_weights,
)
from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator, seed_for
from latentdyn.stores.frames import SLICES, subsample_frames
from latentdyn.stores.windows import Scaling, Windows, common_frames

_BLOCK = 8192
_BINS = 4  # quartiles

Quantiser = Callable[[np.ndarray], np.ndarray]  # features (n, F) -> labels (n,)


@dataclass(frozen=True)
class ClusteringSettings:
    """The `clustering` section of the config, and what it shares with `evaluation`.

    window_frames, longest_horizon: W and the largest k of the predictors to compare with, which decide the frames.
    max_frames: a larger split is subsampled, for fitting too.
    kmeans_iterations, kmeans_restarts, kmeans_frames_per_cluster: faiss's niter, nredo and max_points_per_centroid.
        faiss fits centroids to at most so many frames a cluster (its default is 256), drawn at random; all frames are
        then labelled, and everything after is of all.
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


def cluster_contexts(
    key: KeySettings,
    latents: Tensor,
    frames: pd.DataFrame,
    settings: ClusteringSettings,
    seed_names: tuple[object, ...],
) -> list[Record]:
    """Cluster the contexts of a representation by one key, and measure what clusters tell about Δx on every split.

    Args:
        latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names the subsample, k-means, the permutations and the bootstrap.

    Returns:
        Records of horizon 1 and mode "{n} clusters".

    Raises:
        UserError: no usable training frame, fewer than clusters, or no cluster with enough of them.
    """
    usable = common_frames(frames, len(latents), settings.window_frames, [settings.longest_horizon])
    training = usable[usable["split"] == "train"]
    if training.empty:
        raise UserError(
            "no training speaker has a usable frame",
            "the representation's frames",
            "use longer utterances, more speakers, or shorter windows",
        )
    scaling = Scaling.fit(Windows.of(latents, training, settings.window_frames))
    chosen = {
        str(split): subsample_frames(part, settings.max_frames, (*seed_names, split))
        for split, part in usable.groupby("split", observed=True)
    }
    windows = {split: Windows.of(latents, part, settings.window_frames) for split, part in chosen.items()}
    counts = [_BINS**key.dims] if key.kind == "pca_bins" else list(settings.cluster_counts)
    if max(counts) > len(windows["train"]):
        raise UserError(
            f"{max(counts)} clusters are asked for, and there are {len(windows['train'])} training frames",
            "dims of the key" if key.kind == "pca_bins" else "cluster_counts, max_frames",
            "ask for fewer clusters, or use a larger corpus",
        )
    fitted = fit_key(key, windows["train"], windows.get("validation"), scaling)
    features, deltas = _features_and_deltas(fitted, windows["train"], scaling)
    quantisers = {
        n: fit_bins(features) if key.kind == "pca_bins" else fit_kmeans(features, n, settings, seed_names)
        for n in progress(counts, desc="clusters", unit="clustering", leave=False)
    }
    axes = scaling.delta_axes()[1].numpy()
    records: list[Record] = []
    models: dict[int, _Clustering] = {}
    for split in sorted(chosen, key=lambda split: split != "train"):  # the others are measured by what train gives
        if split != "train":
            features, deltas = _features_and_deltas(fitted, windows[split], scaling)
        for n in progress(counts, desc=split, unit="clustering", leave=False):
            labels = quantisers[n](features)
            where = {"split": split, "horizon": 1, "mode": f"{n} clusters"}
            if split == "train":
                models[n] = _Clustering.fit(deltas, labels, n, scaling, axes, settings, seed_names)
            records += models[n].measure(deltas, labels, chosen[split], where)
    return records


# ---------------------------------------------------------------------------------------------------- clusters


def fit_kmeans(
    features: np.ndarray, n_clusters: int, settings: ClusteringSettings, seed_names: tuple[object, ...]
) -> Quantiser:
    """k-means on features (n, F) float32 by faiss; labels are of the nearest centroid."""
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
    return lambda x: kmeans.index.search(x, 1)[1][:, 0]


def fit_bins(features: np.ndarray) -> Quantiser:
    """Quartile bins of each of the features (n, F): 4^F labels, the first feature's bin counting fastest."""
    edges = np.quantile(features, np.arange(1, _BINS) / _BINS, axis=0)
    powers = _BINS ** np.arange(features.shape[1])
    return lambda x: (x[:, :, None] > edges.T).sum(axis=2) @ powers


# ---------------------------------------------------------------------------------------------------- statistics


@dataclass(frozen=True)
class ClusterMoments:
    """Frames (C,), sums and sums of squares (C, D) of steps in each cluster, float64."""

    n: np.ndarray
    first: np.ndarray
    second: np.ndarray

    @classmethod
    def of(cls, deltas: np.ndarray, labels: np.ndarray, n_clusters: int) -> "ClusterMoments":
        """Moments of steps (n, D) with labels (n,), best about a nearby point so that nothing cancels."""
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


def bootstrap_ratios(
    numerators: np.ndarray, denominators: np.ndarray, speakers: np.ndarray, resamples: int,
    generator: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """95 % percentile intervals of Σ numerator / Σ denominator, resampling whole speakers.

    The ratio's `summaries.speaker_bootstrap`: equal to it where every denominator is 1.

    Args:
        numerators, denominators: (n, M) per-frame. speakers: (n,) codes.

    Returns:
        (M, 2) lower and upper bounds; NaN with fewer than two speakers.
    """
    used, codes = np.unique(speakers, return_inverse=True)
    if len(used) < 2:
        return np.full((numerators.shape[1], 2), np.nan)
    above, below = (speaker_totals(values, codes, len(used))[0] for values in (numerators, denominators))
    weights = speaker_weights(len(used), resamples, generator)
    return percentile_interval(resampled_ratios(above, below, weights))


def _blockwise(
    function: Callable[[np.ndarray, np.ndarray], np.ndarray], values: np.ndarray, labels: np.ndarray
) -> np.ndarray:
    out = np.empty(len(values))
    for start in range(0, len(values), _BLOCK):
        index = slice(start, start + _BLOCK)
        out[index] = function(values[index].astype(np.float64), labels[index])
    return out


# ---------------------------------------------------------------------------------------------------- measurement


@dataclass(frozen=True)
class _Clustering:
    """What training frames say about one clustering. Steps are about the training mean, which is thus 0."""

    n_clusters: int
    kept: np.ndarray  # (C,) bool: clusters with enough training frames
    variance: np.ndarray  # (D,) of training steps
    axes: np.ndarray  # (D, D) principal axes of training steps, columns, the first first
    gaussians: tuple[np.ndarray, np.ndarray]
    permuted: list[tuple[np.ndarray, np.ndarray]]  # Gaussians of permuted labels, one for each permutation
    settings: ClusteringSettings
    seed_names: tuple[object, ...]

    @classmethod
    def fit(
        cls, deltas: np.ndarray, labels: np.ndarray, n_clusters: int, scaling: Scaling, axes: np.ndarray,
        settings: ClusteringSettings, seed_names: tuple[object, ...],
    ) -> "_Clustering":  # fmt: skip
        sizes = np.bincount(labels, minlength=n_clusters)
        kept = sizes >= settings.min_cluster_frames
        if not kept.any():
            raise UserError(
                f"the largest of {n_clusters} clusters has {sizes.max()} training frames, fewer than "
                f"min_cluster_frames = {settings.min_cluster_frames}",
                "cluster_counts and min_cluster_frames of the clustering",
                "ask for fewer clusters, lower min_cluster_frames, or use a larger corpus",
            )
        variance = scaling.delta_std.square().numpy()
        deltas, labels = deltas[kept[labels]], labels[kept[labels]]

        def gaussians(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            moments = ClusterMoments.of(deltas, labels, n_clusters)
            return moments.gaussians(variance, settings.variance_prior_frames)

        names = (*seed_names, n_clusters, "train", "all")
        permuted = [gaussians(_permuted(labels, names, p)) for p in range(settings.permutations)]
        return cls(n_clusters, kept, variance, axes, gaussians(labels), permuted, settings, seed_names)

    def measure(
        self, deltas: np.ndarray, labels: np.ndarray, frames: pd.DataFrame, where: dict[str, Any]
    ) -> Iterator[Record]:
        """Records of one split, for every slice of it."""
        excluded = ~self.kept[labels]
        zero, one = np.zeros((1, deltas.shape[1])), np.zeros(len(deltas), np.intp)
        baseline = gaussian_nll(deltas, zero, self.variance[None], one)
        scores = pd.DataFrame(
            {
                "held_out": squared_distances(deltas, self.gaussians[0], labels),
                "total": squared_distances(deltas, zero, one),
                "nll_baseline": baseline,
                "reduction": baseline - gaussian_nll(deltas, *self.gaussians, labels),
            }
        )
        speakers = frames["speaker_id"].cat.codes.to_numpy()
        for name in SLICES:
            inside = frames[name].to_numpy()
            if not inside.any():
                continue
            here = {**where, "slice": name}
            bounds = speaker_bootstrap(
                excluded[inside, None].astype(np.float64),
                speakers[inside],
                self.settings.bootstrap_resamples,
                numpy_generator(*self.seed_names, where["split"], "bootstrap"),
            )
            share = float(excluded[inside].mean())
            yield record(
                "mass_excluded", "1", share, int(inside.sum()), ci_low=bounds[0, 0], ci_high=bounds[0, 1], **here
            )
            inside = inside & ~excluded
            if inside.any():
                yield from self._slice(deltas[inside], labels[inside], speakers[inside], scores[inside], here)

    def _slice(
        self, deltas: np.ndarray, labels: np.ndarray, speakers: np.ndarray, scores: pd.DataFrame, where: dict[str, Any]
    ) -> Iterator[Record]:
        n, settings = len(deltas), self.settings
        moments = ClusterMoments.of(deltas, labels, self.n_clusters)
        one, mean = np.zeros(n, np.intp), deltas.mean(axis=0, dtype=np.float64, keepdims=True)
        own, about_mean = squared_distances(deltas, moments.means, labels), squared_distances(deltas, mean, one)
        # A ratio's interval takes the clusters' means as they are. They minimise the sum of squares, so that to first
        # order their own variation moves nothing; refitted to resampled speakers, they would overfit these once more
        # and shift the interval downwards.
        ratios = {
            "variance_ratio": (own, about_mean),
            "variance_ratio_held_out": (scores.held_out.to_numpy(), scores.total.to_numpy()),
            "entropy_reduction": (scores.reduction.to_numpy(), np.ones(n)),
        }
        dims = [m for m in settings.principal_dims if m <= deltas.shape[1]]
        if dims:
            axes = self.axes[:, : max(dims)]
            projected, means, middle = deltas @ axes.astype(deltas.dtype), moments.means @ axes, mean @ axes
            for m in dims:
                inside = squared_distances(projected[:, :m], middle[:, :m], one)
                ratios[f"variance_ratio_top{m}"] = (
                    squared_distances(projected[:, :m], means[:, :m], labels),
                    inside,
                )
                ratios[f"explained_variance_top{m}"] = (inside, about_mean)
        numerators, denominators = (np.column_stack(side) for side in zip(*ratios.values(), strict=True))
        generator = numpy_generator(*self.seed_names, where["split"], "bootstrap")  # one for all that is compared
        bounds = bootstrap_ratios(numerators, denominators, speakers, settings.bootstrap_resamples, generator)
        sums = zip(ratios, numerators.sum(axis=0), denominators.sum(axis=0), bounds, strict=True)
        for metric, above, below, (low, high) in sums:
            unit = "nats/frame" if metric == "entropy_reduction" else "1"
            yield record(metric, unit, above / below, n, ci_low=low, ci_high=high, **where)
        summary = robust_summary(scores.reduction.to_numpy())
        for name in ("median", "trimmed"):
            yield record(f"entropy_reduction_{name}", "nats/frame", summary[name], n, **where)
        yield from self._permuted_records(deltas, labels, float(scores.nll_baseline.mean()), where)
        occupied = moments.n[moments.n > 0] / n
        yield record("label_entropy", "nats", -float((occupied * np.log(occupied)).sum()), n, **where)
        yield record("clusters_used", "clusters", float(len(occupied)), n, **where)

    def _permuted_records(
        self, deltas: np.ndarray, labels: np.ndarray, baseline: float, where: dict[str, Any]
    ) -> Iterator[Record]:
        names = (*self.seed_names, self.n_clusters, where["split"], where["slice"])
        ratios, reductions = [], []
        for p, gaussians in enumerate(self.permuted):
            moments = ClusterMoments.of(deltas, _permuted(labels, names, p), self.n_clusters)
            ratios.append(moments.variance_ratio())
            reductions.append(baseline - moments.nll(*gaussians))
        for metric, unit, values in (
            ("variance_ratio_permuted", "1", ratios),
            ("entropy_reduction_permuted", "nats/frame", reductions),
        ):
            yield record(metric, unit, float(np.mean(values)), len(deltas), **where)
            yield record(f"{metric}_sd", unit, float(np.std(values, ddof=1)), len(deltas), **where)


def _permuted(labels: np.ndarray, names: tuple[object, ...], p: int) -> np.ndarray:
    return numpy_generator(*names, "permutation", p).permutation(labels)


def _features_and_deltas(key: Key, windows: Windows, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, F) of contexts at staleness 1, and steps (n, D) about the training mean, float32."""
    mean = scaling.delta_mean.to(windows.latents)
    features, deltas = [], []
    for start in range(0, len(windows), _BLOCK):
        context, delta = windows.batch(slice(start, start + _BLOCK), 1)
        features.append(key.features(context).cpu())
        deltas.append((delta - mean).cpu())
    return torch.cat(features).numpy(), torch.cat(deltas).numpy()
