"""Keys against scikit-learn, and against processes whose predictive direction is known."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.clusters.keys import PCA, Learned, MeanPool, PCABins
from latentdyn.errors import UserError
from latentdyn.stores.windows import Scaling, Windows, common_runs

RIDGES = (1e-3, 1e-2, 1e-1, 1.0)


def windows_of(store, frames, window, split="train"):
    usable = common_runs(frames, window, [1])
    return Windows.of(torch.from_numpy(store.load()), usable.of_splits(split), window)


def standardised(windows, scaling):
    context, delta = windows.batch(slice(None), 1)
    return ((context - scaling.frame_mean) / scaling.frame_std).numpy(), delta.double().numpy()


@pytest.fixture
def speech(make_store, var_process):
    """Train and validation windows of a VAR with an uneven spectrum, W = 3."""
    transition = np.diag([0.9, 0.6, 0.2, -0.3]) + 0.05
    utterances = {key: x * [1, 5, 0.2, 2] + 7 for key, x in var_process(transition, 12, 200).items()}
    store, frames = make_store(utterances)
    train = windows_of(store, frames, 3)
    return train, windows_of(store, frames, 3, "validation"), Scaling.fit(train)


def test_mean_pool_by_hand():
    latents = torch.tensor([[0.0, 0], [2, 4], [4, 0], [1, 1]])
    one = torch.ones(2, dtype=torch.float64)
    scaling = Scaling(one, torch.tensor([1.0, 2.0], dtype=torch.float64), 0 * one, one, torch.eye(2))
    windows = Windows(latents, torch.tensor([3]), 3)
    key = MeanPool().fit(windows, None, scaling)
    # ([-1, -.5] + [1, 1.5] + [3, -.5]) / 3
    np.testing.assert_allclose(key.features(windows.batch(slice(None), 1)[0]), [[1, 1 / 6]], rtol=1e-6)


def test_principal_components_are_scikit_learns(speech):
    from sklearn import decomposition

    train, _, scaling = speech
    key = PCA(dims=4).fit(train, None, scaling)
    x, _ = standardised(train, scaling)
    expected = decomposition.PCA(4).fit(x.reshape(len(x), -1))
    assert key.weight.shape == (12, 4)
    cosines = (key.weight.double().numpy() * expected.components_.T).sum(axis=0)
    np.testing.assert_allclose(np.abs(cosines), 1, atol=1e-4)  # signs are free
    features = key.features(train.batch(slice(None), 1)[0]).numpy()
    np.testing.assert_allclose(features.var(axis=0, ddof=1), expected.explained_variance_, rtol=1e-4)
    binned = PCABins(dims=4).fit(train, None, scaling)
    torch.testing.assert_close(binned.weight, key.weight)


def test_the_learned_key_of_full_rank_spans_the_ridge_regression(speech):
    from sklearn.linear_model import Ridge

    train, _, scaling = speech
    x, y = standardised(train, scaling)
    x = x.reshape(len(x), -1)
    key = Learned(dims=4, ridges=(0.1,)).fit(train, None, scaling)
    fitted = Ridge(alpha=0.1 * len(x)).fit(x, y).predict(x)
    features = key.features(train.batch(slice(None), 1)[0]).double().numpy()
    # the features are the fitted steps in other axes of the same lengths
    gram = [(v - v.mean(axis=0))[:300] @ (v - v.mean(axis=0))[:300].T for v in (features, fitted)]
    np.testing.assert_allclose(gram[0], gram[1], atol=1e-3 * np.abs(gram[1]).max())


def test_the_learned_key_of_low_rank_is_the_best_there_is(speech):
    # least squares on two features cannot beat the rank-2 regression (Izenman 1975), and the learned ones reach it
    train, _, scaling = speech
    x, y = standardised(train, scaling)
    x = x.reshape(len(x), -1) - x.reshape(len(x), -1).mean(axis=0)
    y = y - y.mean(axis=0)

    def error(features):
        f = features - features.mean(axis=0)
        return np.square(y - f @ np.linalg.lstsq(f, y, rcond=None)[0]).sum()

    fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    _, singular, _ = np.linalg.svd(fitted, full_matrices=False)
    best = np.square(y - fitted).sum() + np.square(singular[2:]).sum()
    key = Learned(dims=2, ridges=(1e-9,)).fit(train, None, scaling)
    context = train.batch(slice(None), 1)[0]
    assert error(key.features(context).double().numpy()) == pytest.approx(best, rel=1e-4)
    pca = PCA(dims=2).fit(train, None, scaling)
    assert error(pca.features(context).double().numpy()) > 1.02 * best


def test_a_step_that_one_direction_decides_is_found_where_variance_points_elsewhere(make_store):
    # dimension 0 follows dimension 2, which has a hundredth of the variance of the wandering dimension 1
    rng = np.random.default_rng(0)
    utterances = {}
    for i in range(12):
        x = rng.normal(size=(300, 3)) * [1, 3, 0.3]
        x[1:, 0] = np.cumsum(10 * x[:-1, 2] + 0.1 * rng.normal(size=299))
        x[:, 1] = np.convolve(x[:, 1], np.ones(5), "same")
        utterances[f"u{i}", f"{'tv'[i % 2]}{i}"] = x
    store, frames = make_store(utterances)
    train = windows_of(store, frames, 1)
    scaling = Scaling.fit(train)
    key = Learned(dims=1, ridges=RIDGES).fit(train, windows_of(store, frames, 1, "validation"), scaling)
    x, y = standardised(train, scaling)
    feature = key.features(train.batch(slice(None), 1)[0])[:, 0].numpy()
    assert abs(np.corrcoef(feature, x[:, 0, 2])[0, 1]) > 0.99
    assert abs(np.corrcoef(feature, y[:, 0])[0, 1]) > 0.99


def test_held_out_speakers_choose_the_ridge(make_store):
    rng = np.random.default_rng(0)
    names = ["t", "v"]
    noise = {(f"u{i}", f"{names[i % 2]}{i}"): rng.normal(size=(40, 6)) for i in range(4)}
    store, frames = make_store(noise)
    train, validation = (windows_of(store, frames, 4, split) for split in ("train", "validation"))
    scaling = Scaling.fit(train)

    def weight(ridges):
        return Learned(2, ridges).fit(train, validation, scaling).weight

    # 24 weights a dimension from 72 frames overfit; the step is -x_{t-1} plus noise, so that shrinking all loses too
    chosen = weight((1e-6, 1.0, 1e6))
    torch.testing.assert_close(chosen, weight((1.0,)))
    assert not torch.allclose(chosen, weight((1e-6,)))


def test_what_is_fitted_sees_its_training_windows_only(make_store, var_process):
    data = var_process(0.5 * np.eye(3), 10, 60)
    changed = {key: x if key[1][0] == "t" else x * 9 + 1 for key, x in data.items()}
    weights = []
    for name, utterances in (("a", data), ("b", changed)):
        store, frames = make_store(utterances, name)
        train = windows_of(store, frames, 2)
        weights.append(PCA(dims=3).fit(train, None, Scaling.fit(train)).weight)
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_impossible_keys_are_refused(speech):
    train, _, scaling = speech
    with pytest.raises(UserError, match="pca key of 13 dimensions is asked for where there are 12"):
        PCA(dims=13).fit(train, None, scaling)
    with pytest.raises(UserError, match="learned key of 5 dimensions is asked for where there are 4"):
        Learned(dims=5, ridges=RIDGES).fit(train, None, scaling)
    with pytest.raises(UserError, match="held-out training speakers"):
        Learned(dims=2, ridges=RIDGES).fit(train, None, scaling)
