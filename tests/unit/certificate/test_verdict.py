"""What the verdict says of processes whose answer is known, and when an effect counts."""

import numpy as np
import pandas as pd
import pytest

import latentdyn
from latentdyn.certificate.verdict import _is_positive, _Worth


@pytest.mark.parametrize(
    ("values", "positive"),
    [
        ([1.0, 1.1], True),  # t = 21, and 12.7 are needed
        ([0.1, 0.3], False),  # t = 2: both are above 0, which chance does to every fourth pair
        ([0.1, 0.3, 0.2, 0.4, 0.2, 0.3], True),
        ([-0.1, 0.3, 0.2, -0.4, 0.2, 0.3], False),
        ([-1.0, -1.1], False),
    ],
)
def test_a_mean_above_0_beyond_chance(values, positive):
    assert _is_positive(pd.Series(values)) is positive


@pytest.mark.parametrize(
    ("nats", "typical", "low", "high", "nothing", "disputed"),
    [
        (0.0, 0.0, -0.01, 0.005, True, False),
        (0.0, 0.0, -0.01, 0.02, False, False),  # it may be more than the 0.01 that count
        (0.009, 0.011, 0.001, 0.02, False, False),  # on both sides of 0.01, but close
        (-5.0, 0.3, -17.0, 0.3, False, True),
        (2.0, 0.0, 0.1, 5.0, False, True),
        (2.0, 1.5, 1.0, 3.0, False, False),
        (0.0, 0.0, np.nan, np.nan, False, False),  # one speaker has no interval
    ],
)
def test_nothing_needs_an_upper_bound_and_few_frames_decide_nothing(nats, typical, low, high, nothing, disputed):
    worth = _Worth(nats, typical, low, high, little=0.01, sure=low > 0)
    assert (worth.nothing, worth.disputed) == (nothing, disputed)


def test_one_bad_held_out_frame_makes_no_firm_answer():
    rng = np.random.default_rng(0)
    arrays = [recursion(0.5 * np.eye(2))(rng, rng.normal(size=(120, 2))).astype(np.float32) for _ in range(24)]
    splits = dict(zip(range(8), 3 * ["train"] + ["validation"] + 4 * ["eval"], strict=True))
    given = {"speakers": np.repeat(range(8), 3), "frame_rate_hz": 12.5, "splits": splits, "horizons": [1]}
    assert latentdyn.measure(arrays, **given).attrs["verdict"].startswith(YES)
    arrays[-1][60] = 100
    text = latentdyn.measure(arrays, **given).attrs["verdict"]
    assert text.startswith("Undecided: few frames decide.") and "Note: few held-out frames decide the means" in text


@pytest.mark.parametrize(("split", "utterance"), [("train", 0), ("validation", 9)])
def test_one_bad_frame_of_what_is_fitted_makes_no_firm_answer(split, utterance):
    rng = np.random.default_rng(0)
    arrays = [recursion(0.7 * np.eye(2))(rng, rng.normal(size=(120, 2))).astype(np.float32) for _ in range(24)]
    arrays[utterance][50, 0] = 100
    splits = dict(zip(range(8), 3 * ["train"] + ["validation"] + 4 * ["eval"], strict=True))
    given = {"speakers": np.repeat(range(8), 3), "frame_rate_hz": 12.5, "splits": splits, "horizons": [1]}
    text = " ".join(latentdyn.measure(arrays, **given).attrs["verdict"].split())
    assert text.startswith("Undecided: few frames decide.")
    assert f"Note: 1 frame of the split {split} makes" in text
    assert f"The farthest out is frame 50 of the utterance '{utterance}'." in text


YES = "Yes: the next step can be predicted."
LEVEL = "No: only the level persists, and the next step cannot be predicted."
NO = "No: the past does not tell what comes next."


def recursion(matrix):
    """x_t = A x_{t-1} + e_t from its stationary law, for A = a Q with Q orthogonal: that law is N(0, 1 / (1 - a²))."""

    def utterance(rng, noise):
        x = noise.copy()
        x[0] /= np.sqrt(1 - np.linalg.norm(matrix, 2) ** 2)
        for t in range(1, len(x)):
            x[t] += matrix @ x[t - 1]
        return x

    return utterance


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


PROCESSES = {
    "white noise": (lambda rng, noise: noise, NO),
    "a constant mean of each speaker": (lambda rng, noise: 0.2 * rng.normal(size=2) + noise, NO),
    "frames in random order": (lambda rng, noise: rng.permutation(recursion(0.5 * np.eye(2))(rng, noise)), NO),
    "random walk": (lambda rng, noise: np.cumsum(noise, 0), LEVEL),
    "random walks far apart": (lambda rng, noise: 100 * rng.normal(size=2) + np.cumsum(noise, 0), LEVEL),
    "steps of random size": (lambda rng, noise: np.cumsum(np.exp(0.5 * rng.normal(size=(200, 1))) * noise, 0), LEVEL),
    "AR(1), a = 0.999": (recursion(0.999 * np.eye(2)), LEVEL),
    "AR(1), a = 0.9": (recursion(0.9 * np.eye(2)), YES),
    "AR(1), a = 0.2": (recursion(0.2 * np.eye(2)), YES),
    "rotation": (recursion(0.95 * rotation(0.7)), YES),
    "a velocity that persists": (lambda rng, noise: np.cumsum(recursion(0.9 * np.eye(2))(rng, noise), 0), YES),
}


def verdict_of(utterance, horizons=(1,)):
    rng = np.random.default_rng(3)
    arrays = [utterance(rng, rng.normal(size=(200, 2))).astype(np.float32) for _ in range(36)]
    table = latentdyn.measure(arrays, range(36), 50, window_frames=2, horizons=horizons)
    return " ".join(table.attrs["verdict"].split())


@pytest.mark.parametrize("process", PROCESSES)
def test_the_verdict_tells_a_step_from_a_level_that_persists(process):
    utterance, said = PROCESSES[process]
    assert verdict_of(utterance).startswith(said)


def test_noise_about_a_slow_level_is_told_by_the_next_k():
    """Of x_t = level_t + noise_t, the step at k = 2 holds no noise that is known."""
    text = verdict_of(lambda rng, noise: 0.3 * np.cumsum(noise, 0) + rng.normal(size=noise.shape), (1, 2))
    assert text.startswith(YES) and "At k = 2 (40 ms), nothing of the step can be predicted" in text


def test_at_larger_k_the_step_alone_decides():
    """Of x_t = e_t - 0.9 e_{t-1}, x_{t-2} tells about x_{t-1}, so about the step, and nothing about x_t."""
    text = verdict_of(lambda rng, noise: noise - 0.9 * np.roll(noise, 1, axis=0), (2,))
    assert text.startswith(YES)


def test_white_noise_is_told_why_its_numbers_look_good():
    assert "Its steps lead back to the mean" in verdict_of(lambda rng, noise: noise)
