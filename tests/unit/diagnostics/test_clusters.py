"""Phase 0 against loops, scikit-learn, and processes whose variance ratio and entropy reduction are known."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.clusters import ClusteringSettings, cluster_contexts
from latentdyn.diagnostics.clusters.keys import PCA, Learned, MeanPool, PCABins
from latentdyn.diagnostics.clusters.quantisers import fit_bins, fit_kmeans
from latentdyn.diagnostics.clusters.statistics import ClusterMoments, gaussian_nll, squared_distances
from latentdyn.errors import UserError
from latentdyn.stores.frame_index import SLICES

SETTINGS = ClusteringSettings(
    window_frames=2,
    longest_horizon=2,
    cluster_counts=(4,),
    max_frames=100_000,
    kmeans_iterations=25,
    kmeans_restarts=5,
    kmeans_frames_per_cluster=256,
    min_cluster_frames=5,
    variance_prior_frames=20.0,
    permutations=5,
    principal_dims=(1, 2, 99),
    bootstrap_resamples=200,
)
KEYS = {
    "mean_pool": MeanPool(),
    "pca": PCA(dims=4),
    "learned": Learned(dims=3, ridges=(1e-3, 1e-2, 1e-1, 1.0)),
    "pca_bins": PCABins(dims=1),
}


def measure(store, frames, key="mean_pool", seed_names=("test",), **changes):
    """Records by (split, slice, metric, clusters)."""
    settings = dataclasses.replace(SETTINGS, **changes)
    records = cluster_contexts(KEYS[key], torch.from_numpy(store.load()), frames, settings, seed_names)
    assert all(r.horizon == 1 for r in records)
    found = {(r.split, r.slice, r.metric, r.clusters): r for r in records}
    assert len(found) == len(records)
    return found


def one_count(found, split="eval", slice_="all"):
    return {metric: r for (s, name, metric, _), r in found.items() if (s, name) == (split, slice_)}


def cycle(n_speakers, n_frames, *, dim=6, n_anchors=4, noise=0.2):
    """x_t = a_{i_t} + η_t with i_{t+1} the next of K anchors: Δx_t = p_{i_t} + η_t - η_{t-1}, and its exact ratio."""
    rng = np.random.default_rng(14)  # anchors that lie apart in every key
    anchors = rng.normal(size=(n_anchors, dim))
    steps = np.roll(anchors, -1, axis=0) - anchors  # these sum to zero
    within = 2 * dim * noise**2
    utterances = {}
    for i in range(n_speakers):
        phase = (rng.integers(n_anchors) + np.arange(n_frames)) % n_anchors
        utterances[f"u{i}", f"{'tttve'[i % 5]}{i}"] = anchors[phase] + noise * rng.normal(size=(n_frames, dim))
    return utterances, within / (within + np.square(steps).sum(axis=1).mean())


def white(n_speakers, n_frames, dim=4, seed=0):
    """x is a random walk: the step knows nothing of the context."""
    rng = np.random.default_rng(seed)
    return {
        (f"u{i}", f"{'tttve'[i % 5]}{i}"): np.cumsum(rng.normal(size=(n_frames, dim)), axis=0)
        for i in range(n_speakers)
    }


# ---------------------------------------------------------------------------------------------------- statistics


def test_the_variance_ratio_by_hand():
    deltas = np.array([[0.0, 0], [2, 0], [10, 1], [10, 3]])
    moments = ClusterMoments.of(deltas, np.array([0, 0, 2, 2]), 3)
    # within: 1 + 1 and 1 + 1; total about (5.5, 1): 25 + 20.25 + 2 * 9 ... by dimension
    total = ((deltas - deltas.mean(axis=0)) ** 2).sum()
    assert total == 30.25 + 12.25 + 20.25 + 20.25 + 1 + 1 + 0 + 4
    assert moments.variance_ratio() == pytest.approx(4 / total)
    assert moments.n.tolist() == [2, 0, 2]
    assert moments.means.tolist() == [[1, 0], [0, 0], [10, 2]]


def test_statistics_equal_loops_over_frames_and_clusters():
    rng = np.random.default_rng(0)
    n, dim, n_clusters = 20_000, 3, 7  # more than two blocks
    labels = rng.integers(0, n_clusters - 1, n)  # the last cluster is empty
    deltas = (rng.normal(size=(n, dim)) * (1 + labels[:, None]) + labels[:, None]).astype(np.float32)
    moments = ClusterMoments.of(deltas, labels, n_clusters)
    prior = np.array([1.0, 2, 3])
    means, variances = moments.gaussians(prior, 50.0)
    within, nll = 0.0, np.empty(n)
    for c in range(n_clusters):
        x = deltas[labels == c].astype(np.float64)
        if not len(x):
            np.testing.assert_array_equal(variances[c], prior)
            continue
        within += ((x - x.mean(axis=0)) ** 2).sum()
        variance = (len(x) * x.var(axis=0) + 50 * prior) / (len(x) + 50)
        np.testing.assert_allclose(means[c], x.mean(axis=0), rtol=1e-9)
        np.testing.assert_allclose(variances[c], variance, rtol=1e-9)
        density = torch.distributions.Normal(torch.tensor(means[c]), torch.tensor(variances[c]).sqrt())
        nll[labels == c] = -density.log_prob(torch.tensor(x)).sum(1).numpy()
    total = ((deltas.astype(np.float64) - deltas.mean(axis=0, dtype=np.float64)) ** 2).sum()
    assert moments.variance_ratio() == pytest.approx(within / total, rel=1e-9)
    assert squared_distances(deltas, moments.means, labels).sum() == pytest.approx(within, rel=1e-9)
    np.testing.assert_allclose(gaussian_nll(deltas, means, variances, labels), nll, rtol=1e-9)
    assert moments.nll(means, variances) == pytest.approx(nll.mean(), rel=1e-9)


# ---------------------------------------------------------------------------------------------------- clusters


def test_k_means_is_as_tight_as_scikit_learns():
    from sklearn.cluster import KMeans

    rng = np.random.default_rng(0)
    x = rng.normal(size=(3000, 5)).astype(np.float32)
    labels = fit_kmeans(x, 12, SETTINGS, ("test",))(x)
    within = squared_distances(x, ClusterMoments.of(x, labels, 12).means, labels).sum()
    assert within < 1.02 * KMeans(12, n_init=10, random_state=0).fit(x).inertia_


def test_k_means_depends_on_names_only():
    x = np.random.default_rng(0).normal(size=(2000, 3)).astype(np.float32)
    labels = fit_kmeans(x, 16, SETTINGS, ("a",))(x)
    np.testing.assert_array_equal(labels, fit_kmeans(x, 16, SETTINGS, ("a",))(x))
    assert (labels != fit_kmeans(x, 16, SETTINGS, ("b",))(x)).any()


@pytest.mark.parametrize("size", [1e4, 1e8, 1e19, 3e38])
def test_a_frame_belongs_to_the_nearest_cluster_however_far_it_is(size):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 3)).astype(np.float32)
    quantise = fit_kmeans(features, 5, SETTINGS, ("test",))
    near = quantise(features)
    centroids = np.stack([features[near == c].mean(axis=0, dtype=np.float64) for c in range(5)])
    far = (size * rng.normal(size=(40, 3)) / 5).astype(np.float32)
    distances = np.square(centroids).sum(1) - 2 * far.astype(np.longdouble) @ centroids.T  # less the frame's own length
    nearest, second = np.sort(distances, axis=1).T[:2]
    clear = second - nearest > 1e-2 * size  # k-means' centroids differ a little from these means
    assert clear.sum() > 20
    assert (quantise(far)[clear] == distances.argmin(axis=1)[clear]).all()


@pytest.mark.parametrize("size", [1e19, 1e30])
@pytest.mark.parametrize("key", KEYS)
def test_frames_far_out_are_counted_as_overflows_or_told(make_store, key, size):
    data = white(10, 60)
    data["u4", "e4"][30] = size
    store, frames = make_store(data)
    try:
        found = one_count(measure(store, frames, key))
    except UserError as error:
        assert "their key overflows" in str(error)
    else:
        assert found["variance_ratio"].n == 2 * 57
        assert all(record.value is None or np.isfinite(record.value) for record in found.values())


def test_labels_of_no_cluster_are_refused():
    with pytest.raises(ValueError, match="labels from -1 to 1 of 2 clusters"):
        ClusterMoments.of(np.zeros((3, 2)), np.array([0, -1, 1]), 2)


def test_quartile_bins_by_hand():
    x = np.column_stack([np.arange(8.0), -np.arange(8.0)])
    label = fit_bins(x)
    # the second feature's bins run the other way and count four times as much
    assert label(x).tolist() == [0 + 12, 0 + 12, 1 + 8, 1 + 8, 2 + 4, 2 + 4, 3, 3]
    assert label(np.array([[-100.0, -100.0], [100, 100]])).tolist() == [0, 15]
    grid = np.random.default_rng(0).normal(size=(4000, 2))
    assert np.bincount(fit_bins(grid)(grid), minlength=16).min() > 0
    np.testing.assert_array_equal(np.bincount(fit_bins(grid[:, :1])(grid[:, :1])), 1000)


# ---------------------------------------------------------------------------------------------------- known answers


@pytest.mark.parametrize("key", KEYS)
def test_every_key_finds_the_variance_ratio_of_a_cycle(make_store, key):
    utterances, exact = cycle(50, 303)  # 300 frames of each are used: every phase equally often, as quartiles need
    found = measure(*make_store(utterances), key)
    for split in ("train", "validation", "eval"):
        mine = one_count(found, split)
        assert mine["variance_ratio"].value == pytest.approx(exact, rel=0.02)
        assert mine["variance_ratio_held_out"].value == pytest.approx(exact, rel=0.02)
        assert mine["variance_ratio"].ci_low < mine["variance_ratio"].value < mine["variance_ratio"].ci_high
        assert mine["variance_ratio_permuted"].value == pytest.approx(1, abs=0.02)
    assert one_count(found)["clusters_used"].value == 4
    assert one_count(found)["label_entropy"].value == pytest.approx(math.log(4), abs=1e-3)


def test_entropy_reduction_of_a_cycle_is_that_of_its_gaussians(make_store):
    # given the phase Δx ~ N(p, 2 s² I): ½ Σ ln(v_d / 2 s²) nats, v_d the steps' variance with the phases mixed
    utterances, _ = cycle(50, 303)
    found = one_count(measure(*make_store(utterances), variance_prior_frames=1e-3))
    anchors = np.random.default_rng(14).normal(size=(4, 6))
    steps = np.roll(anchors, -1, axis=0) - anchors
    exact = 0.5 * np.log1p(np.square(steps).mean(axis=0) / (2 * 0.2**2)).sum()
    assert found["entropy_reduction"].value == pytest.approx(exact, rel=0.02)
    assert found["entropy_reduction"].ci_low < exact < found["entropy_reduction"].ci_high
    assert found["entropy_reduction_median"].value == pytest.approx(exact, rel=0.1)
    assert abs(found["entropy_reduction_permuted"].value) < 0.05
    assert found["entropy_reduction_permuted_sd"].value < 0.05


@pytest.mark.parametrize("key", KEYS)
def test_steps_that_know_nothing_of_their_context_give_what_chance_gives(make_store, key):
    found = measure(*make_store(white(40, 300)), key, cluster_counts=(16, 64))
    for n_clusters in {count for *_, count in found}:
        mine = {metric: r for (s, name, metric, c), r in found.items() if (s, name, c) == ("eval", "all", n_clusters)}
        n, used = mine["variance_ratio"].n, mine["clusters_used"].value
        spread = 4 * math.sqrt(2 * used / 4) / n  # of a chi-squared with (C-1) D degrees of freedom, over n D
        assert mine["variance_ratio"].value == pytest.approx(1 - (used - 1) / (n - 1), abs=spread)
        assert mine["variance_ratio_held_out"].value == pytest.approx(1, abs=0.05)
        assert abs(mine["entropy_reduction"].value) < 0.2


def test_permuted_labels_take_just_their_share(make_store):
    # whatever the steps, E[within / total] = 1 - (C-1)/(n-1) over permutations of given labels
    utterances, _ = cycle(50, 300)
    found = measure(*make_store(utterances), cluster_counts=(64,), permutations=40)
    for split in ("train", "eval"):
        for name in ("all", "utterance_medial"):
            mine = one_count(found, split, name)
            ratio, sd = mine["variance_ratio_permuted"], mine["variance_ratio_permuted_sd"].value
            expected = 1 - (mine["clusters_used"].value - 1) / (ratio.n - 1)
            assert 0 < sd < 0.01
            assert abs(ratio.value - expected) < 4 * sd / math.sqrt(40)


def test_overfitting_shows_in_the_held_out_form_and_in_permuted_labels(make_store):
    found = measure(*make_store(white(15, 60)), cluster_counts=(100,))
    train, unseen = one_count(found, "train"), one_count(found, "eval")
    assert train["variance_ratio"].value < 0.95 < 1 < unseen["variance_ratio_held_out"].value
    assert train["entropy_reduction"].value > 0 > unseen["entropy_reduction"].value
    assert train["entropy_reduction_permuted"].value > 0 > unseen["entropy_reduction_permuted"].value


def test_the_subspace_is_where_the_steps_vary_most(make_store):
    # a cycle along one axis with large steps, and five axes of noise: the ratio within the first is small
    rng = np.random.default_rng(0)
    utterances = {}
    for i in range(20):
        x = rng.normal(size=(300, 6))
        x[:, 2] = 8 * (np.arange(300) % 4 < 2) + 0.5 * rng.normal(size=300)
        utterances[f"u{i}", f"{'tttve'[i % 5]}{i}"] = x
    found = one_count(measure(*make_store(utterances), "learned", cluster_counts=(3,)))
    # steps along it are 8, 0, -8, 0 with noise of variance .5: 32 + .5, beside 5 axes of variance 2
    assert found["explained_variance_top1"].value == pytest.approx(32.5 / 42.5, rel=0.02)
    assert found["explained_variance_top2"].value == pytest.approx(34.5 / 42.5, rel=0.02)
    assert found["variance_ratio_top1"].value == pytest.approx(0.5 / 32.5, rel=0.1)
    assert found["variance_ratio_top1"].value < found["variance_ratio_top2"].value < found["variance_ratio"].value
    assert "variance_ratio_top99" not in found  # there are six directions
    for metric in ("variance_ratio_top1", "explained_variance_top2"):
        assert found[metric].ci_low < found[metric].value < found[metric].ci_high


# ---------------------------------------------------------------------------------------------------- bookkeeping


def test_records_are_of_the_predictors_frames_and_of_every_slice(make_store):
    store, frames = make_store(white(10, 50))
    found = measure(store, frames, longest_horizon=4)
    for split, speakers in (("train", 6), ("eval", 2)):
        assert one_count(found, split)["variance_ratio"].n == speakers * (50 - 5)  # t >= (W-1) + 4
        medial = one_count(found, split, "utterance_medial")["variance_ratio"].n
        assert medial == speakers * sum(0.1 <= t / 49 <= 0.9 for t in range(5, 50))
    assert {name for _, name, _, _ in found} <= set(SLICES)


def test_small_clusters_are_left_out_and_their_frames_counted(make_store):
    # a tenth of the utterances sits far away, in eval as in train, but in train only for few frames
    utterances = white(20, 100, dim=3)
    utterances["far", "t99"] = 1000 + np.random.default_rng(9).normal(size=(10, 3))
    utterances["away", "e99"] = 1000 + np.random.default_rng(8).normal(size=(100, 3))
    found = measure(*make_store(utterances), cluster_counts=(2,), min_cluster_frames=20)
    mine = one_count(found)
    assert mine["mass_excluded"].n == 5 * 97 and mine["mass_excluded"].value == pytest.approx(1 / 5)
    assert mine["mass_excluded"].ci_low <= 0.2 <= mine["mass_excluded"].ci_high
    assert (mine["variance_ratio"].n, mine["clusters_used"].value) == (4 * 97, 1)
    assert mine["variance_ratio"].value == pytest.approx(1) and mine["label_entropy"].value == 0
    everything = one_count(measure(*make_store(utterances, "b"), cluster_counts=(2,), min_cluster_frames=5))
    assert (everything["mass_excluded"].value, everything["variance_ratio"].n) == (0, 5 * 97)


def test_equal_names_give_equal_records_and_a_subsample_is_one(make_store):
    store, frames = make_store(white(10, 100))
    assert measure(store, frames) == measure(store, frames)
    assert measure(store, frames) != measure(store, frames, seed_names=("other",))
    capped = measure(store, frames, max_frames=150)
    assert {s: one_count(capped, s)["mass_excluded"].n for s in ("train", "eval")} == {"train": 150, "eval": 150}


def test_eval_speakers_do_not_influence_the_clusters(make_store):
    utterances, _ = cycle(20, 100)
    changed = {key: x if key[1][0] != "e" else 5 * x + 3 for key, x in utterances.items()}
    one, other = (measure(*make_store(u, name), "learned") for name, u in (("a", utterances), ("b", changed)))
    for split in ("train", "validation"):
        assert one_count(one, split) == one_count(other, split)
    assert one_count(one)["variance_ratio"] != one_count(other)["variance_ratio"]


def test_more_clusters_than_training_frames_are_refused(make_store):
    store, frames = make_store(white(5, 30))
    with pytest.raises(UserError, match="1024 clusters are asked for, and there are 81 training frames"):
        measure(store, frames, cluster_counts=(64, 1024))
    with pytest.raises(UserError, match=r"4096 clusters .* 81 training frames.*dims of the key"):
        cluster_contexts(PCABins(dims=6), torch.from_numpy(store.load()), frames, SETTINGS, ())


def test_clusters_that_are_all_too_small_are_refused(make_store):
    with pytest.raises(UserError, match=r"the largest of 4 clusters has \d+ training frames, fewer than .* 1000"):
        measure(*make_store(white(5, 30)), min_cluster_frames=1000)


def test_no_training_speaker_is_refused(make_store):
    with pytest.raises(UserError, match="no training speaker"):
        measure(*make_store({("u0", "e0"): np.random.default_rng(0).normal(size=(30, 3))}))
