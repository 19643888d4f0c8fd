"""Cluster the contexts of a representation by one key, and measure every split."""

import numpy as np
import torch
from torch import Tensor

from latentdyn.diagnostics.clusters.clustering import Clustering
from latentdyn.diagnostics.clusters.keys import Key, KeyKind, PCABins
from latentdyn.diagnostics.clusters.quantisers import BINS, fit_bins, fit_kmeans
from latentdyn.diagnostics.clusters.settings import ClusteringSettings
from latentdyn.diagnostics.records import Record
from latentdyn.errors import UserError
from latentdyn.progress import progress
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.windows import Scaling, Windows, common_runs

_BLOCK = 8192


def cluster_contexts(
    kind: KeyKind,
    latents: Tensor,
    frames: FrameIndex,
    settings: ClusteringSettings,
    seed_names: tuple[object, ...],
) -> list[Record]:
    """Cluster the contexts of a representation by one key, and measure on every split how much they say of Δx.

    Args:
        kind: of the key.
        latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names the subsample, k-means, the permutations and the bootstrap.

    Returns:
        Records of horizon 1, the number of `clusters` beside each.

    Raises:
        UserError: no usable training frame, fewer than clusters, no cluster with enough of them, or frames so far from
            the others that float32 overflows.
    """
    usable = common_runs(frames, settings.window_frames, [settings.longest_horizon])
    training = usable.of_splits("train")
    if not len(training):
        raise UserError(
            "no training speaker has a usable frame",
            "the representation's frames",
            "use longer utterances, more speakers, or shorter windows",
        )
    scaling = Scaling.fit(Windows.of(latents, training, settings.window_frames))
    chosen = {split: usable.of_splits(split).draw(settings.max_frames, (*seed_names, split)) for split in usable.splits}
    windows = {split: Windows.of(latents, part, settings.window_frames) for split, part in chosen.items()}
    counts = [BINS**kind.dims] if isinstance(kind, PCABins) else list(settings.cluster_counts)
    if max(counts) > len(windows["train"]):
        raise UserError(
            f"{max(counts)} clusters are asked for, and there are {len(windows['train'])} training frames",
            "dims of the key" if isinstance(kind, PCABins) else "cluster_counts, max_frames",
            "ask for fewer clusters, or use a larger corpus",
        )
    key = kind.fit(windows["train"], windows.get("validation"), scaling)
    features, deltas = _features_and_deltas(key, windows["train"], scaling)
    quantisers = {
        n: fit_bins(features) if isinstance(kind, PCABins) else fit_kmeans(features, n, settings, seed_names)
        for n in progress(counts, desc="clusters", unit="clustering", leave=False)
    }
    axes = scaling.delta_axes()[1].numpy()
    records: list[Record] = []
    models: dict[int, Clustering] = {}
    for split in sorted(chosen, key=lambda split: split != "train"):  # the others are measured by what train gives
        if split != "train":
            features, deltas = _features_and_deltas(key, windows[split], scaling)
        for n in progress(counts, desc=split, unit="clustering", leave=False):
            labels = quantisers[n](features)
            where = {"split": split, "horizon": 1, "clusters": n}
            if split == "train":
                models[n] = Clustering.fit(deltas, labels, n, scaling, axes, settings, seed_names)
            records += models[n].measure(deltas, labels, chosen[split], where)
    return records


def _features_and_deltas(key: Key, windows: Windows, scaling: Scaling) -> tuple[np.ndarray, np.ndarray]:
    """Features (n, F) of contexts at staleness 1, and steps (n, D) less their training mean, float32.

    Raises:
        UserError: a key is not finite, so that its context belongs to no cluster.
    """
    mean = scaling.delta_mean.to(windows.latents)
    features, deltas = [], []
    for start in range(0, len(windows), _BLOCK):
        context, delta = windows.batch(slice(start, start + _BLOCK), 1)
        features.append(key.features(context).cpu())
        deltas.append((delta - mean).cpu())
    of_frames = torch.cat(features)
    overflowed = ~of_frames.isfinite().all(dim=1)
    if overflowed.any():
        raise UserError(
            f"{int(overflowed.sum())} of {len(of_frames)} contexts hold frames so far from the training frames that "
            f"their key overflows (the first is that of store row {int(windows.rows[overflowed.nonzero()[0]])})",
            "the representation's latents",
            "leave out or clip such frames",
        )
    return of_frames.numpy(), torch.cat(deltas).numpy()
