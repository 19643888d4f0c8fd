"""Surrogates: what each keeps and what it destroys, and that nothing but names decides the draw."""

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.representations.base import Utterances
from latentdyn.representations.moments import frame_moments
from latentdyn.representations.surrogate import METHODS, phase_randomised, shuffled, time_reversed, white
from latentdyn.seeds import numpy_generator
from latentdyn.stores.latents import open_latents
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts


def walk(n_frames, dim=4, seed=0):
    """Correlated in time and between dimensions, away from zero."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(size=(n_frames, dim)) @ rng.normal(size=(dim, dim))
    return (3 + np.cumsum(steps, axis=0)).astype(np.float32)


def test_shuffled_is_a_permutation_that_it_returns():
    x = walk(50)
    y, order = shuffled(x, np.random.default_rng(1))
    assert sorted(order) == list(range(50)) and not np.array_equal(order, np.arange(50))
    np.testing.assert_array_equal(y, x[order])


def test_shuffling_leaves_no_trace_of_the_order():
    x = walk(4000, dim=1)
    y, _ = shuffled(x, np.random.default_rng(0))
    assert np.corrcoef(x[1:, 0], x[:-1, 0])[0, 1] > 0.99
    assert abs(np.corrcoef(y[1:, 0], y[:-1, 0])[0, 1]) < 4 / np.sqrt(4000)


def test_time_reversal_by_hand_and_twice_is_the_identity():
    x = np.array([[1, 2], [3, 4], [5, 6]], np.float32)
    assert time_reversed(x).tolist() == [[5, 6], [3, 4], [1, 2]]
    np.testing.assert_array_equal(time_reversed(time_reversed(x)), x)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 64, 65, 251])
def test_random_phases_keep_mean_spectra_and_covariances(n_frames):
    x = walk(n_frames)
    y = phase_randomised(x, np.random.default_rng(2))
    assert y.shape == x.shape and np.isrealobj(y)
    np.testing.assert_allclose(y.mean(axis=0), x.mean(axis=0), rtol=1e-5, atol=1e-5)
    before, after = (np.fft.rfft(v.astype(np.float64), axis=0) for v in (x, y))
    np.testing.assert_allclose(np.abs(after), np.abs(before), rtol=1e-5, atol=1e-5)
    cross = [np.einsum("fi,fj->fij", s, s.conj()) for s in (before, after)]
    np.testing.assert_allclose(cross[1], cross[0], rtol=1e-5, atol=1e-5 * np.abs(cross[0]).max())
    for lag in range(min(3, n_frames)):  # circular cross-covariances, lag 0 being the covariance
        expected, randomised = ((v.astype(np.float64).T @ np.roll(v, -lag, axis=0)) / n_frames for v in (x, y))
        np.testing.assert_allclose(randomised, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
    if n_frames > 2:
        assert np.abs(y - x).max() > 0.1


def test_one_phase_a_frequency_serves_all_dimensions():
    # two dimensions a quarter period apart stay so, whatever the phase: x² + y² = 1
    t = 2 * np.pi * 5 * np.arange(100) / 100
    y = phase_randomised(np.column_stack([np.cos(t), np.sin(t)]), np.random.default_rng(3))
    np.testing.assert_allclose((y**2).sum(axis=1), 1, atol=1e-9)
    assert abs(y[0, 0] - 1) > 1e-3


def test_the_highest_frequency_of_an_even_length_can_only_change_its_sign():
    x = np.array([[1.0], [5.0]])  # mean 3, alternation of 2
    outcomes = {tuple(phase_randomised(x, np.random.default_rng(seed))[:, 0].round(9)) for seed in range(20)}
    assert outcomes == {(1, 5), (5, 1)}


def test_frames_between_non_finite_ones_are_randomised_by_themselves():
    x = walk(60)
    x[20, 1], x[21, 0], x[59] = np.nan, np.inf, np.nan
    y = phase_randomised(x, np.random.default_rng(4))
    assert np.flatnonzero(np.isnan(y).any(axis=1)).tolist() == [20, 21, 59]
    assert np.isnan(y[[20, 21, 59]]).all()
    for run in (slice(0, 20), slice(22, 59)):
        before, after = (np.abs(np.fft.rfft(v[run].astype(np.float64), axis=0)) for v in (x, y))
        np.testing.assert_allclose(after, before, rtol=1e-5)


def test_an_utterance_without_frames_stays_one():
    empty = np.empty((0, 3), np.float32)
    generator = np.random.default_rng(0)
    assert shuffled(empty, generator)[0].shape == phase_randomised(empty, generator).shape == (0, 3)


def test_white_noise_has_the_mean_and_covariance_it_was_given():
    mean, factor = np.array([1.0, -2, 0]), np.array([[2.0, 0, 0], [1, 1, 0], [0, -1, 0.5]])
    n = 200_000
    x = white(n, mean, factor, np.random.default_rng(5))
    covariance = factor @ factor.T
    np.testing.assert_allclose(x.mean(axis=0), mean, atol=4 * np.sqrt(covariance.max() / n))
    # var(s_ij) = (c_ii c_jj + c_ij²) / n for Gaussian frames
    spread = np.sqrt((np.outer(np.diag(covariance), np.diag(covariance)) + covariance**2) / n)
    assert (np.abs(np.cov(x.T) - covariance) < 4 * spread).all()
    lagged = (x[1:] - mean).T @ (x[:-1] - mean) / (n - 1)
    assert (np.abs(lagged) < 4 * np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)) / n)).all()


# ---------------------------------------------------------------------------------------------------- stores

CLIPS = {("a", "t1"): walk(70, seed=1), ("b", "t2"): walk(33, seed=2), ("c", "e1"): 100 * walk(50, seed=3),
         ("d", "t1"): np.full((1, 4), 5, np.float32)}  # fmt: skip


def levels(latents):
    return -np.arange(len(latents), dtype=np.float32)


@pytest.fixture
def write(tmp_path):
    def make(clips, name="source", **facts):
        handle = tmp_path / f"{name}.json"
        writer = LatentsWriter(handle, 4, 12.5, **{"causal": True, **root_facts({"kind": "mimi"}), **facts})
        for (utterance_id, speaker_id), latents in clips.items():
            writer.append(utterance_id, speaker_id, latents, levels(latents))
        writer.close()
        return open_latents(handle)

    return make


@pytest.fixture
def derive(derive):
    def make(source, method, name="surrogate", train_speakers=frozenset({"t1", "t2"})):
        split_of = {s: "train" if s in train_speakers else "eval" for s in source.utterances.speaker_id}
        return derive(source, {"kind": "surrogate", "method": method}, name, split_of)

    return make


def content(store):
    return {row.utterance_id: (latents.copy(), energy) for row, latents, energy in store.iterate()}


@pytest.mark.parametrize("method", METHODS)
def test_a_surrogate_has_the_utterances_of_its_source(write, derive, method):
    source = write(CLIPS)
    store = derive(source, method)
    assert store.utterances.equals(source.utterances)
    assert (store.dim, store.frame_rate_hz) == (4, 12.5)
    assert (store.handle["kind"], store.handle["root"]) == ("surrogate", "mimi")
    assert store.handle["causal"] is (method in ("white", "looked_up"))  # elsewhere later frames decide earlier ones
    again = derive(source, method, "again")
    assert again.handle["digest"] == store.handle["digest"] != source.handle["digest"]


def test_a_surrogate_is_causal_where_it_is_white_and_its_source_is(write, derive):
    assert derive(write(CLIPS, causal=False), "white").handle["causal"] is False
    unknown = write(CLIPS, causal=None)
    assert derive(unknown, "white").handle["causal"] is None
    assert derive(unknown, "shuffled").handle["causal"] is False


@pytest.mark.parametrize("method", METHODS)
def test_what_is_drawn_depends_on_names_and_not_on_the_order_of_utterances(write, derive, method):
    one = content(derive(write(CLIPS), method))
    other = content(derive(write(dict(reversed(CLIPS.items())), "turned"), method, "turned_surrogate"))
    for name, (latents, energy) in one.items():
        np.testing.assert_allclose(latents, other[name][0], rtol=1e-4, atol=1e-4)  # moments are summed in another order
        np.testing.assert_array_equal(energy, other[name][1])


def test_levels_move_with_frames_that_move_and_stay_where_frames_are_made_anew(write, derive):
    source = write(CLIPS)
    for method in METHODS:
        store = content(derive(source, method))
        for (name, _), before in CLIPS.items():
            latents, energy = store[name]
            if method in ("shuffled", "time_reversed"):
                order = (-energy).astype(int)  # each frame's level says where it came from
                np.testing.assert_array_equal(latents, before[order])
                assert sorted(order) == list(range(len(before)))
            else:
                np.testing.assert_array_equal(energy, levels(before))
    _, order = shuffled(CLIPS["a", "t1"], numpy_generator("surrogate", "shuffled", "a"))
    np.testing.assert_array_equal(content(derive(source, "shuffled"))["a"][1], -order)


def test_white_noise_sees_training_speakers_only(write, derive):
    one = content(derive(write(CLIPS), "white"))
    changed = {key: -7 * x if key[1] == "e1" else x for key, x in CLIPS.items()}
    other = content(derive(write(changed, "changed"), "white", "changed_surrogate"))
    for name in one:
        np.testing.assert_array_equal(one[name][0], other[name][0])
    refitted = content(derive(write(CLIPS), "white", train_speakers={"t1", "t2", "e1"}))
    assert np.abs(refitted["a"][0] - one["a"][0]).max() > 10


def test_moments_are_those_of_finite_training_frames(write):
    clips = {key: x.copy() for key, x in CLIPS.items()}
    clips["b", "t2"][5, 2] = np.inf
    training = Utterances(write(clips), {"t1": "train", "t2": "train", "e1": "eval"}, only="train")
    mean, covariance = frame_moments(training)
    frames = np.concatenate([clips["a", "t1"], np.delete(clips["b", "t2"], 5, axis=0), clips["d", "t1"]])
    frames = frames.astype(np.float64)
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(covariance, np.cov(frames.T, bias=True), rtol=1e-9)


def test_white_noise_of_dimensions_that_depend_on_each_other_depends_alike(write, derive):
    clips = {key: np.column_stack([x[:, :2], x[:, 0] + x[:, 1], np.full(len(x), 3)]) for key, x in CLIPS.items()}
    latents = content(derive(write(clips), "white"))["a"][0]
    np.testing.assert_allclose(latents[:, 2], latents[:, 0] + latents[:, 1], atol=1e-3)
    np.testing.assert_allclose(latents[:, 3], 3, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_non_finite_frames_are_as_many_as_before(write, derive, method):
    clips = {key: x.copy() for key, x in CLIPS.items()}
    clips["a", "t1"][[3, 40], 1] = np.nan
    clips["c", "e1"][0] = np.inf
    store = derive(write(clips), method)
    assert store.handle["nonfinite_frames"] == 3
    bad = np.flatnonzero(~np.isfinite(content(store)["a"][0]).all(axis=1)).tolist()
    assert len(bad) == 2
    if method in ("white", "phase_randomised", "looked_up"):
        assert bad == [3, 40]


def test_looked_up_frames_walk_a_table_of_pairs_about_anchors_with_the_moments_of_the_source(write, derive):
    source = write({(name, "t1"): walk(5000, seed=9) for name in ("a", "b")})
    latents = content(derive(source, "looked_up"))
    mean, covariance = frame_moments(Utterances(source, {"t1": "train"}, only="train"))
    variances, axes = np.linalg.eigh(covariance)
    a, b = ((latents[name][0] - mean) @ axes / np.sqrt(variances) for name in ("a", "b"))
    np.testing.assert_allclose(np.concatenate([a, b]).std(axis=0), 1, atol=0.25)  # 64 anchors are drawn

    def apart(x, y):
        return np.square(x - y).mean() / 2

    assert apart(a[4096:], a[:-4096]) == pytest.approx(0.2, abs=0.03)  # once round all pairs; the rest is noise
    assert apart(a[4095:], a[:-4095]) > 0.6
    nearest = min(apart(a[shift : shift + 500], b[:500]) for shift in range(4096))  # one table for all utterances
    assert nearest == pytest.approx(0.2, abs=0.03) and apart(a[:500], b[:500]) > 0.6


def test_white_noise_without_training_frames_is_refused(write, derive):
    with pytest.raises(UserError, match="no training speaker has a finite frame"):
        derive(write(CLIPS), "white", train_speakers={"nobody"})


def test_an_unknown_method_is_refused_before_anything_is_written(write, derive, tmp_path):
    with pytest.raises(ValueError, match="mirrored"):
        derive(write(CLIPS), "mirrored")
    assert not (tmp_path / "surrogate.json").exists()
