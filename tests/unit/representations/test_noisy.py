"""White noise on frames: as strong as was asked, by the training speakers' deviations, the same every time."""

import numpy as np
import pandas as pd
import pytest

from latentdyn.representations.base import Source, Utterance
from latentdyn.representations.noisy import Noisy

STD = np.array([1.0, 10.0, 0.1])


def noisy(sigma: float = 0.5, std: np.ndarray = STD) -> Noisy:
    transform = Noisy(Source(3, 50.0), "float32", sigma)
    transform.restore({"std": std})
    return transform


def heard(x: np.ndarray, name: str = "u", **options) -> np.ndarray:
    return noisy(**options).apply(Utterance(name, "s", "eval", x, np.zeros(len(x), np.float32)))[0]


def test_the_noise_is_as_strong_as_asked_in_each_dimension():
    noise = heard(np.zeros((20_000, 3), np.float32))
    np.testing.assert_allclose(noise.std(axis=0), 0.5 * STD, rtol=0.03)
    np.testing.assert_allclose(np.corrcoef(noise.T), np.eye(3), atol=0.03)


def test_it_is_the_same_every_time_and_another_in_another_utterance():
    x = np.ones((5, 3), np.float32)
    np.testing.assert_array_equal(heard(x), heard(x))
    np.testing.assert_allclose(heard(x, sigma=1.0) - x, 2 * (heard(x) - x), rtol=1e-5, atol=1e-6)
    assert not np.allclose(heard(x), heard(x, name="v"))


def test_a_frame_that_is_not_finite_stays_so_alone():
    x = np.zeros((3, 3), np.float32)
    x[1, 0] = np.nan
    assert np.isnan(heard(x)).tolist() == np.isnan(x).tolist()


def test_its_handle_says_how_strong_the_noise_is():
    assert noisy().facts(pd.DataFrame()) == {"noise_deviation": pytest.approx(0.5)}  # geometric mean of .5, 5, .05
    assert noisy(std=np.array([1.0, 0.0, 1.0])).facts(pd.DataFrame()) == {"noise_deviation": 0.0}
