"""The random recurrent network: one step by hand, units, and where it begins anew."""

import numpy as np

from latentdyn.representations.base import Source, Utterance
from latentdyn.representations.random_gru import RandomGRU

FRAMES = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)


def apply(x, *, mean=(0, 0), std=(1, 1), seed=0, dim=3):
    gru = RandomGRU(Source(2, 50.0), "float32", dim, seed)
    gru.restore({"mean": np.array(mean, float), "std": np.array(std, float)})
    return gru, gru.apply(Utterance("u", "s", "train", np.asarray(x, np.float32), np.zeros(len(x), np.float32)))[0]


def test_two_steps_by_the_equations():
    gru, states = apply(FRAMES)
    of_input, of_state = np.split(gru._of_input, 3, axis=1), np.split(gru._of_state, 3, axis=1)
    state = np.zeros(3)
    for x, found in zip(FRAMES[:2].astype(float), states[:2], strict=True):
        u, r = (1 / (1 + np.exp(-(x @ of_input[i] + state @ of_state[i]))) for i in (0, 1))
        state = u * state + (1 - u) * np.tanh(x @ of_input[2] + r * (state @ of_state[2]))
        np.testing.assert_allclose(found, state, rtol=1e-6)


def test_units_play_no_part_and_a_still_dimension_tells_nothing():
    np.testing.assert_allclose(apply(100 * FRAMES + 7, mean=(7, 7), std=(100, 100))[1], apply(FRAMES)[1], atol=1e-5)
    still = FRAMES.copy()
    still[:, 1] = 3
    other = still.copy()
    other[:, 1] = 5
    np.testing.assert_array_equal(apply(still, std=(1, 0))[1], apply(other, std=(1, 0))[1])


def test_after_a_frame_that_is_not_finite_it_begins_anew():
    broken = FRAMES.copy()
    broken[2, 0] = np.nan
    states = apply(broken)[1]
    assert np.isnan(states[2]).all()
    np.testing.assert_array_equal(states[:2], apply(FRAMES)[1][:2])
    np.testing.assert_array_equal(states[3:], apply(FRAMES[3:])[1])


def test_another_seed_draws_other_weights():
    assert not np.allclose(apply(FRAMES)[1], apply(FRAMES, seed=1)[1])
