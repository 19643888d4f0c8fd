"""One clustering: what is fitted to its training frames, and the records of a split that is measured by it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, mean_intervals, speaker_totals
from latentdyn.diagnostics.clusters.settings import ClusteringSettings
from latentdyn.diagnostics.clusters.statistics import ClusterMoments, gaussian_nll, squared_distances
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.summaries import robust_summary
from latentdyn.errors import UserError
from latentdyn.metrics import (
    CLUSTERS_USED,
    ENTROPY_REDUCTION,
    EXPLAINED_VARIANCE,
    LABEL_ENTROPY,
    MASS_EXCLUDED,
    VARIANCE_RATIO,
    VARIANCE_RATIO_HELD_OUT,
)
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import SLICES
from latentdyn.stores.windows import Scaling


@dataclass(frozen=True)
class Clustering:
    """What is fitted to the training frames of one clustering. Steps are less their training mean, which is thus 0."""

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
    ) -> "Clustering":  # fmt: skip
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
            bounds = mean_intervals(
                excluded[inside, None].astype(np.float64),
                speakers[inside],
                self.settings.bootstrap_resamples,
                numpy_generator(*self.seed_names, where["split"], "bootstrap"),
            )
            share = float(excluded[inside].mean())
            low, high = bounds[0]
            yield record(MASS_EXCLUDED, share, int(inside.sum()), ci_low=low, ci_high=high, **here)
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
            VARIANCE_RATIO: (own, about_mean),
            VARIANCE_RATIO_HELD_OUT: (scores.held_out.to_numpy(), scores.total.to_numpy()),
            ENTROPY_REDUCTION: (scores.reduction.to_numpy(), np.ones(n)),
        }
        dims = [m for m in settings.principal_dims if m <= deltas.shape[1]]
        if dims:
            axes = self.axes[:, : max(dims)]
            projected, means, middle = deltas @ axes.astype(deltas.dtype), moments.means @ axes, mean @ axes
            for m in dims:
                inside = squared_distances(projected[:, :m], middle[:, :m], one)
                within = squared_distances(projected[:, :m], means[:, :m], labels)
                ratios[VARIANCE_RATIO.part(f"top{m}")] = (within, inside)
                ratios[EXPLAINED_VARIANCE.part(f"top{m}")] = (inside, about_mean)
        numerators, denominators = (np.column_stack(side) for side in zip(*ratios.values(), strict=True))
        generator = numpy_generator(*self.seed_names, where["split"], "bootstrap")  # one for all that is compared
        used, codes = np.unique(speakers, return_inverse=True)
        bootstrap = SpeakerBootstrap.draw(len(used), settings.bootstrap_resamples, generator)
        above_below = (speaker_totals(values, codes, len(used))[0] for values in (numerators, denominators))
        bounds = interval(bootstrap.ratios(*above_below))
        sums = zip(ratios, numerators.sum(axis=0), denominators.sum(axis=0), bounds, strict=True)
        for metric, above, below, (low, high) in sums:
            yield record(metric, above / below, n, ci_low=low, ci_high=high, **where)
        summary = robust_summary(scores.reduction.to_numpy())
        for name in ("median", "trimmed"):
            yield record(ENTROPY_REDUCTION.part(name), summary[name], n, **where)
        yield from self._permuted_records(deltas, labels, float(scores.nll_baseline.mean()), where)
        occupied = moments.n[moments.n > 0] / n
        yield record(LABEL_ENTROPY, -float((occupied * np.log(occupied)).sum()), n, **where)
        yield record(CLUSTERS_USED, float(len(occupied)), n, **where)

    def _permuted_records(
        self, deltas: np.ndarray, labels: np.ndarray, baseline: float, where: dict[str, Any]
    ) -> Iterator[Record]:
        names = (*self.seed_names, self.n_clusters, where["split"], where["slice"])
        ratios, reductions = [], []
        for p, gaussians in enumerate(self.permuted):
            moments = ClusterMoments.of(deltas, _permuted(labels, names, p), self.n_clusters)
            ratios.append(moments.variance_ratio())
            reductions.append(baseline - moments.nll(*gaussians))
        for metric, values in ((VARIANCE_RATIO, ratios), (ENTROPY_REDUCTION, reductions)):
            yield record(metric.part("permuted"), float(np.mean(values)), len(deltas), **where)
            yield record(metric.part("permuted_sd"), float(np.std(values, ddof=1)), len(deltas), **where)


def _permuted(labels: np.ndarray, names: tuple[object, ...], p: int) -> np.ndarray:
    return numpy_generator(*names, "permutation", p).permutation(labels)
