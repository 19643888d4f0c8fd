"""What free runs are judged beside, and the classifier that tells windows from real ones."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.free_runs import classifier, comparison
from latentdyn.diagnostics.free_runs.lagged_frames import (
    LaggedFrames,
    halves,
    marginal,
    phase_randomised,
    resample_speakers,
)
from latentdyn.representations.surrogate import phase_randomised as of_surrogate
from latentdyn.seeds import numpy_generator
from tests.settings import process_of

from .test_free_runs import generated, var_and_its_model

DIM, REACH = 3, 9


@pytest.fixture
def indexed(make_store, var_process):
    store, frames = make_store(var_process(np.diag([0.9, 0.5, -0.3]), 10, 41))
    return torch.from_numpy(store.load()), frames


def usable(frames, split):
    return frames.of_splits(split).late(REACH)


def sequences(x, speakers):
    """Runs (R, T, D) as frames with nine before each."""
    return LaggedFrames.of_runs(torch.as_tensor(x), np.asarray(speakers), REACH)


def told(generated, real):
    return classifier.accuracy(generated, real, torch.zeros(DIM), torch.ones(DIM), 200, ("test",))


def test_a_phase_randomised_utterance_has_the_circular_autocovariances_of_its_own(indexed):
    """Those of all dimensions, at every lag; and it is what the surrogate of that name makes."""
    latents, frames = indexed
    ((_, one),) = frames.by_utterance([0])
    made = phase_randomised(latents, one, "train", REACH, 10**6, ("test",))
    assert len(made.speakers) == 41 - REACH
    x = torch.cat([made.at(lag)[:1] for lag in range(REACH, 0, -1)] + [made.at(0)]).double().numpy()
    truth = latents[one.rows()].double().numpy()
    for lag in (0, 1, 8, 20):
        ours, theirs = (y.T @ np.roll(y, lag, axis=0) for y in (x, truth))
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    assert np.abs(x - truth).max() > 0.5
    generator = numpy_generator("test", "phase randomised")
    generator.permutation(1)
    np.testing.assert_allclose(x, of_surrogate(truth, generator), atol=1e-5)


def test_utterances_with_a_frame_that_is_not_finite_have_no_surrogate(indexed):
    latents, frames = indexed
    finite = np.ones(len(latents), bool)
    finite[[7, 50]] = False  # of u0 and u1
    frames = frames.with_finite(finite)
    made = phase_randomised(latents, frames, "train", REACH, 10**6, ("test",))
    assert len(made.speakers) == (frames.of_splits("train").n_utterances - 2) * (41 - REACH)
    broken = frames.of_utterances(frames.utterances["utterance_id"].isin(["u0", "u1"]).to_numpy())
    assert phase_randomised(latents, broken, "train", REACH, 9, ("test",)).at(0).shape == (0, DIM)


def test_frames_drawn_one_by_one_are_those_of_the_data_in_no_order(indexed):
    latents, frames = indexed
    train = usable(frames, "train")
    drawn = marginal(latents, train, 5000, ("test",))
    known = {tuple(x) for x in latents[train.rows()].tolist()}
    assert {tuple(x) for x in drawn.at(3).tolist()} <= known
    assert torch.equal(drawn.at(1), drawn.at(1)) and not torch.equal(drawn.at(1), drawn.at(2))
    centred = [drawn.at(lag) - drawn.at(lag).mean(0) for lag in (0, 1)]
    assert abs(float((centred[0] * centred[1]).sum() / centred[0].square().sum())) < 0.05
    by_speaker = latents[train.rows()], train.speaker_ids().codes
    i = int(np.flatnonzero((by_speaker[0] == drawn.at(0)[7]).all(dim=1))[0])
    assert drawn.speakers[7] == by_speaker[1][i]


def test_halves_share_no_speaker_and_are_all_there_is(indexed):
    latents, frames = indexed
    train = usable(frames, "train")
    one, other = halves(latents, train, 10**6, ("test",))
    assert not set(one.speakers) & set(other.speakers)
    assert len(one.speakers) + len(other.speakers) == len(train)
    assert len(halves(latents, train, 5, ("test",))[0].speakers) == 5
    assert halves(latents, train.of_speakers("t0"), 5, ("test",)) is None


def test_moments_of_a_resample_are_those_of_frames_that_are_there_so_often():
    rng = np.random.default_rng(0)
    x, codes = torch.tensor(rng.normal(size=(60, DIM)) + 7), rng.integers(0, 4, 60)
    weights = np.array([2, 0, 1, 3])
    n, mean, covariance = comparison._Sums.of(x, codes, 4).moments(torch.tensor(weights).double())
    repeated = x[np.repeat(np.arange(60), weights[codes])]
    assert n == len(repeated)
    torch.testing.assert_close(mean, repeated.mean(0), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(covariance, torch.cov(repeated.T), rtol=1e-9, atol=1e-9)


def test_speakers_of_two_samples_are_drawn_together_where_they_are_shared_and_else_apart():
    shared, apart = np.array([3, 3, 5, 9]), np.array([4, 7, 7])
    rng = np.random.default_rng(0)
    bootstrap, codes = resample_speakers((shared, shared[::-1]), 50, rng)
    assert bootstrap.weights.shape == (50, 3) and (bootstrap.weights.sum(axis=1) == 3).all()
    assert [c.tolist() for c in codes] == [[0, 0, 1, 2], [2, 1, 0, 0]]
    bootstrap, (one, other) = resample_speakers((shared, apart), 50, rng)
    assert (bootstrap.weights[:, np.unique(one)].sum(axis=1) == 3).all()
    assert (bootstrap.weights[:, np.unique(other)].sum(axis=1) == 2).all()
    assert len(resample_speakers((shared, apart[:1]), 50, rng)[0].weights) == 0


def test_windows_of_one_law_are_told_apart_by_chance_and_others_by_what_differs():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 40, 60, DIM))
    smooth = noise[2].copy()
    for t in range(1, 60):  # the same marginal law
        smooth[:, t] = 0.8 * smooth[:, t - 1] + 0.6 * noise[2][:, t]
    heavy = noise[3] / np.sqrt(rng.chisquare(3, size=(40, 60, 1)) / 3) / np.sqrt(3)
    real = sequences(noise[0], range(40))
    value, low, high, n = told(sequences(noise[1], range(40)), real)
    assert low < 0.5 < high and value == pytest.approx(0.5, abs=0.05) and n == 2 * 40 * 51
    for other in (smooth, heavy, 1.5 * noise[1]):
        value, low, high, _ = told(sequences(other, range(40)), real)
        assert low <= value <= high and low > 0.6
    assert told(sequences(np.full((40, 60, DIM), np.nan), range(40)), real)[0] == 1.0


def test_a_speakers_own_frames_help_no_classifier_that_has_not_seen_the_speaker():
    """Speakers who are far apart are told apart at once, but not which half of them a new one is of."""
    rng = np.random.default_rng(1)
    offsets = rng.normal(size=(80, 1, DIM))
    x = offsets + 0.1 * rng.normal(size=(80, 40, DIM))
    value, *_ = told(sequences(x[:40], range(40)), sequences(x[40:], range(40, 80)))
    assert 0.3 < value < 0.65
    assert told(sequences(x[:40], [0] * 40), sequences(x[40:], range(40, 80))) is None


def test_of_one_law_the_classifier_is_right_half_of_the_time_on_average_and_not_in_each_draw():
    """What docs/models.md says of real speech beside real speech: the interval does not hold the chance of one draw."""
    rng = np.random.default_rng(2)
    found = []
    for draw in range(60):
        x = 0.5 * rng.normal(size=(16, 1, DIM)) + rng.normal(size=(16, 40, DIM))
        sides = (sequences(x[:8], range(8)), sequences(x[8:], range(8, 16)))
        found.append(classifier.accuracy(*sides, torch.zeros(DIM), torch.ones(DIM), 100, ("draw", draw))[:3])
    values, lows, highs = np.array(found).T
    deviation = values.std(ddof=1)
    assert abs(values.mean() - 0.5) < 2 * deviation / np.sqrt(60), "no draw is below one half by construction"
    assert deviation > 0.04 and values.min() < 0.42 and values.max() > 0.58
    assert ((lows <= 0.5) & (highs >= 0.5)).mean() < 0.9, "the intervals are too narrow"


def test_stand_ins_miss_what_they_lack_and_draws_of_the_true_model_miss_nothing(make_store):
    model = var_and_its_model(make_store, process_of("var", dim=4, radius=0.8), 100)
    found = generated(*model)
    right = {mode: found["classifier_accuracy", mode, None] for mode in ("sampled", "data", "half", "marginal")}
    assert right["marginal"].ci_low > 0.8
    for mode in ("sampled", "data", "half"):
        assert right[mode].value == pytest.approx(0.5, abs=0.06)
    assert abs(found["autocorrelation_latents", "marginal", 1].value) < 0.05
    data = found["autocorrelation_latents", "data", 1].value
    assert found["autocorrelation_latents", "phase_randomised", 1].value == pytest.approx(data, abs=0.1)
    assert found["frechet_deltas", "marginal", None].ci_low > found["frechet_deltas", "half", None].ci_high
    for mode in ("half", "marginal", "phase_randomised"):
        assert found["energy", mode, None].value == pytest.approx(1, abs=0.25)
        one = found["frechet_latents", mode, None]
        assert one.ci_low <= one.value <= one.ci_high
