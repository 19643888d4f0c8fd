"""Prototype steps: the variance ratio by the true positions, and by clusters that k-means finds in the contexts."""

import faiss
import numpy as np
import pytest

from tests.settings import process_of

WINDOW, CLUSTERS = 8, 64


def positions(process, utterance):
    """Positions on the loop, from the start that fits a whole utterance best."""
    k, t = len(process.anchors), np.arange(len(utterance))
    misfit = [np.square(utterance - process.anchors[(start + t) % k]).sum() for start in range(k)]
    return (int(np.argmin(misfit)) + t) % k


def variance_ratio(delta, labels, means):
    return np.square(delta - means[labels]).sum() / np.square(delta - delta.mean(axis=0)).sum()


def cluster_means(delta, labels, n_clusters):
    counts = np.bincount(labels, minlength=n_clusters)
    sums = np.stack([np.bincount(labels, column, n_clusters) for column in delta.T], axis=1)
    return sums / np.maximum(counts, 1)[:, None]


@pytest.mark.parametrize("settings", [{}, {"dim": 5, "n_prototypes": 7, "separation": 2.0, "noise": 0.5}])
def test_the_positions_explain_what_is_answered(exact, simulate, settings):
    process = process_of("prototypes", seed=1, **settings)
    x = simulate(process, 100, 200)
    labels = np.concatenate([positions(process, utterance)[1:] for utterance in x])
    delta = np.diff(x, axis=1).reshape(-1, process.dim)
    means = cluster_means(delta, labels, len(process.anchors))
    answer = exact(process, (1, 2))
    assert set(answer) == {("variance_ratio", 1)}
    assert variance_ratio(delta, labels, means) == pytest.approx(answer["variance_ratio", 1].value, rel=0.01)


def test_the_loop_is_walked_once_round_from_a_uniform_start(simulate):
    process = process_of("prototypes")
    starts = [positions(process, utterance)[0] for utterance in simulate(process, 800, 20)]
    counts = np.bincount(starts, minlength=16)
    assert np.square(counts - 50).sum() / 50 < 37.7  # chi-squared with 15 degrees of freedom, .999 quantile


@pytest.mark.parametrize("key", ["mean_pool", "pca"])
@pytest.mark.parametrize("seed", [0, 1])
def test_k_means_on_contexts_finds_the_positions(exact, simulate, key, seed):
    process = process_of("prototypes", seed=seed)
    x = simulate(process, 160, 200).astype(np.float32)
    context = np.lib.stride_tricks.sliding_window_view(x, WINDOW, axis=1)[:, :-1].transpose(0, 1, 3, 2)
    delta = np.diff(x, axis=1)[:, WINDOW - 1 :].reshape(-1, process.dim)
    held_out = np.repeat(np.arange(160) % 2 == 1, context.shape[1])
    if key == "mean_pool":
        features = context.mean(axis=2).reshape(-1, process.dim)
    else:
        flat = context.reshape(len(delta), -1)
        flat = flat - flat[~held_out].mean(axis=0)
        features = flat @ np.linalg.eigh(np.cov(flat[~held_out].T))[1][:, -32:].astype(np.float32)
    features = np.ascontiguousarray(features, np.float32)
    k_means = faiss.Kmeans(features.shape[1], CLUSTERS, niter=25, seed=1)
    k_means.train(features[~held_out])
    labels = k_means.index.search(features, 1)[1][:, 0]
    means = cluster_means(delta[~held_out], labels[~held_out], CLUSTERS)
    measured = variance_ratio(delta[held_out], labels[held_out], means)
    assert measured == pytest.approx(exact(process)["variance_ratio", 1].value, rel=0.02)
