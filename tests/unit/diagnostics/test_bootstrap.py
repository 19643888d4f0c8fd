"""The speaker bootstrap against loops over resampled speakers, and against its known spread."""

import numpy as np
import pytest

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, mean_intervals, speaker_totals


def resamples(n_speakers: int) -> list[list[int]]:
    """The speakers that each of 200 resamples holds, drawn as `SpeakerBootstrap.draw` does from the seed 1."""
    weights = np.random.default_rng(1).multinomial(n_speakers, np.full(n_speakers, 1 / n_speakers), 200)
    return [[s for s, n in enumerate(w) for _ in range(n)] for w in weights]


@pytest.fixture
def frames():
    """Values (300, 2), one of them unknown, and speakers 0 .. 6 of frames."""
    rng = np.random.default_rng(0)
    speakers = rng.integers(0, 7, 300)
    values = rng.normal(size=(300, 2)) + speakers[:, None]
    values[5, 1] = np.nan
    return values, speakers


def test_intervals_of_means_equal_a_loop_over_resampled_speakers(frames):
    values, speakers = frames
    bounds = mean_intervals(values, 3 * speakers, 200, np.random.default_rng(1))
    for m in range(2):
        means = [np.nanmean(np.concatenate([values[speakers == s, m] for s in drawn])) for drawn in resamples(7)]
        np.testing.assert_allclose(bounds[m], np.quantile(means, [0.025, 0.975]), rtol=1e-10)


def test_ratios_and_differences_are_those_of_each_resample(frames):
    values, speakers = frames
    rng = np.random.default_rng(2)
    above, below = rng.gamma(2, size=(300, 2)), rng.gamma(3, size=(300, 2))
    bootstrap = SpeakerBootstrap.draw(7, 200, np.random.default_rng(1))
    ratios = bootstrap.ratios(speaker_totals(above, speakers, 7)[0], speaker_totals(below, speakers, 7)[0])
    means = bootstrap.ratios(*speaker_totals(values, speakers, 7))
    for m in range(2):
        mine = []
        for drawn in resamples(7):
            own = np.concatenate([np.flatnonzero(speakers == s) for s in drawn])
            mine.append(above[own, m].sum() / below[own, m].sum() - np.nanmean(values[own, m]))
        np.testing.assert_allclose(ratios[:, m] - means[:, m], mine, rtol=1e-10)
        np.testing.assert_allclose(interval(ratios - means)[m], np.quantile(mine, [0.025, 0.975]), rtol=1e-10)


def test_shapes_beyond_the_speakers_are_kept():
    rng = np.random.default_rng(0)
    above, below = rng.gamma(2, size=(2, 4, 3, 5))
    bootstrap = SpeakerBootstrap.draw(4, 20, rng)
    ratios = bootstrap.ratios(above, below)
    assert ratios.shape == (20, 3, 5) and interval(ratios).shape == (3, 5, 2)
    np.testing.assert_allclose(ratios[:, 1, 2], bootstrap.ratios(above[:, 1, 2], below[:, 1, 2]))
    np.testing.assert_allclose(
        bootstrap.ratios(above[:, 0], below[:, 0, :1]), bootstrap.ratios(above[:, 0], np.repeat(below[:, 0, :1], 5, 1))
    )


def test_an_overflow_in_one_resample_leaves_no_interval_there():
    resampled = np.array([[1.0, 2.0], [np.inf, 4.0], [3.0, 6.0]])
    bounds = interval(resampled)
    assert np.isnan(bounds[0]).all()
    np.testing.assert_allclose(bounds[1], [2.1, 5.9])


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    # speakers differ (sd 1) far more than frames within one do: frames would give intervals ten times too narrow
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        level = rng.normal(size=60)
        speakers = np.repeat(np.arange(60), 20)
        low, high = mean_intervals((level[speakers] + 0.1 * rng.normal(size=1200))[:, None], speakers, 300, rng)[0]
        covered += low <= 0 <= high
    assert 178 <= covered <= 199  # .95 of 200, within 4 standard errors


@pytest.mark.parametrize("n_speakers", [0, 1])
def test_fewer_than_two_speakers_have_no_interval(n_speakers):
    speakers = np.zeros(5 * n_speakers, int)
    assert np.isnan(mean_intervals(np.ones((len(speakers), 2)), speakers, 10, np.random.default_rng(0))).all()
    bootstrap = SpeakerBootstrap.draw(n_speakers, 10, np.random.default_rng(0))
    assert bootstrap.ratios(np.ones((n_speakers, 3)), np.ones((n_speakers, 3))).shape == (0, 3)
    assert np.isnan(interval(np.ones((0, 3)))).all()
