"""Windows against the definition, written as loops (science §1: lagged context)."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.stores import lag_sums
from latentdyn.stores.lag_sums import resident_moments
from latentdyn.stores.windows import Scaling, Windows, common_runs


def utterances(lengths, dim=3, seed=0):
    rng = np.random.default_rng(seed)
    return {(f"u{i}", f"t{i}"): rng.normal(size=(n, dim)) for i, n in enumerate(lengths)}


def test_contexts_and_deltas_follow_the_definition(make_store):
    store, frames = make_store(utterances([12, 5, 9]))
    window, horizons = 2, [1, 3]
    usable = common_runs(frames, window, horizons)
    windows = Windows.of(torch.from_numpy(store.load()), usable, window)
    for k in horizons:
        context, delta = windows.batch(slice(None), k)
        expected = []
        for _, x, _ in store.iterate():
            for t in range(window - 1 + max(horizons), len(x)):
                expected.append((x[t - k - window + 1 : t - k + 1], x[t] - x[t - 1]))
        assert len(windows) == len(expected) == (12 - 4) + (5 - 4) + (9 - 4)
        for i, (c, d) in enumerate(expected):
            np.testing.assert_array_equal(context[i], c)
            np.testing.assert_array_equal(delta[i], d)


def test_one_pass_over_the_frames_gives_the_moments_of_every_staleness(make_store, monkeypatch):
    passes = []
    monkeypatch.setattr(lag_sums, "resident_moments", lambda *a: passes.append(a) or resident_moments(*a))
    store, frames = make_store(utterances([30, 5, 40]))
    usable = common_runs(frames, 2, [1, 3])
    windows = Windows.of(torch.from_numpy(store.load()), usable, 2, longest=3)
    for k in (1, 3):
        moments = windows.moments(k)
        context, _ = (part.double() for part in windows.batch(slice(None), k))
        rows = windows.rows[:]
        delta = windows.latents[rows].double() - windows.latents[rows - 1].double()
        flat = context.flip(1).flatten(1)  # the newest frame first
        lags = slice(k, k + 2)
        centred = flat - flat.mean(0)
        gram = (centred.T @ centred / len(flat)).numpy()
        cross = (centred.T @ delta / len(flat)).reshape(2, 3, 3).numpy()
        assert moments.n == len(windows)
        np.testing.assert_allclose(moments.covariance[lags, :, lags].reshape(6, 6), gram, atol=1e-13)
        found = moments.covariance[lags, :, 0] - moments.covariance[lags, :, 1]
        np.testing.assert_allclose(found, cross, atol=1e-13)
    assert len(passes) == 1
    assert windows.moments(4).covariance.shape[0] == 1 + 1 + 4 and len(passes) == 2  # further back than was said


def test_frames_whose_window_touches_a_bad_frame_are_left_out(make_store):
    data = utterances([20])
    data["u0", "t0"][7, 0] = np.inf
    _, frames = make_store(data)
    usable = common_runs(frames, 2, [1, 3])  # touches t-4 .. t
    assert usable.table()["t"].tolist() == [4, 5, 6, *range(12, 20)]


def test_lost_frames_are_told_and_most_of_them_are_too_many(make_store, caplog):
    data = utterances([40])
    data["u0", "t0"][[10, 30]] = np.nan
    _, frames = make_store(data)
    assert len(common_runs(frames, 2, [1])) == 38 - 6
    assert "6 of 38 frames are left out" in caplog.text
    with pytest.raises(UserError, match=r"21 of 29 frames \(72\.4%\) are lost, because a frame among the 12"):
        common_runs(frames, 8, [1, 4])


def test_a_horizon_longer_than_every_utterance_is_refused(make_store):
    _, frames = make_store(utterances([10, 8]))
    with pytest.raises(UserError, match=r"W = 4 and the longest horizon k = 7 need 11 frames, the longest .* has 10"):
        common_runs(frames, 4, [1, 7])


def test_scaling_is_exact_far_from_zero(make_store):
    rng = np.random.default_rng(1)
    x = 1e4 + rng.normal(size=(500, 3)) * [1, 0.1, 3]
    store, frames = make_store({("u", "t"): x})
    usable = common_runs(frames, 1, [1])
    scaling = Scaling.fit(Windows.of(torch.from_numpy(store.load()), usable, 1), block=64)
    stored = store.load().astype(np.float64)
    np.testing.assert_allclose(scaling.frame_mean, stored[1:].mean(0), rtol=1e-12)
    np.testing.assert_allclose(scaling.frame_std, stored[1:].std(0), rtol=1e-9)
    deltas = np.diff(stored, axis=0)
    np.testing.assert_allclose(scaling.delta_std, deltas.std(0), rtol=1e-9)
    np.testing.assert_allclose(scaling.delta_covariance, np.cov(deltas.T, bias=True), rtol=1e-5, atol=1e-6)


def test_a_dimension_that_never_moves_is_refused(make_store):
    data = utterances([30])
    data["u0", "t0"][:, 1] = 5
    store, frames = make_store(data)
    with pytest.raises(UserError, match=r"1 of 3 latent dimensions never change.*dimension 1"):
        Scaling.fit(Windows.of(torch.from_numpy(store.load()), common_runs(frames, 1, [1]), 1))
