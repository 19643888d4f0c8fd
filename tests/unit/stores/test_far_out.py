"""Which frames decide a variance: by hand, in either split, and none of good data."""

import numpy as np
import pytest

from latentdyn.stores.far_out import FarOut, find_far_out


def found(make_store, data):
    store, frames = make_store(data)
    return find_far_out(store.load(), frames)


def of_splits(of_train, of_validation):
    return {("u0", "t0"): of_train, ("u1", "v1"): of_validation}


def alternating(n, dims=2):
    return np.where(np.arange(n)[:, None] % 2, 1.0, -1.0) * np.ones(dims)


def test_one_frame_is_named_with_the_share_that_it_makes(make_store):
    x = alternating(1000)
    x[500, 1] = 40.0
    (far,) = found(make_store, of_splits(alternating(200), x))
    share = (40 - 0.041) ** 2 / (999 + 1600 - 1000 * 0.041**2)  # the mean is 41 / 1000
    assert far == FarOut("validation", 1, "frames", pytest.approx(share, rel=1e-6), "u1", 500)
    assert str(far) == (
        "1 frame of the split validation makes 61% of the variance of a dimension. The farthest out is frame 500 of "
        "the utterance 'u1'"
    )


def test_a_jump_of_a_slow_level_is_a_step_that_is_far_out(make_store):
    x = np.linspace(0, 1000, 1001)[:, None] + 0.1 * alternating(1001, 1)
    x[400:] += 50
    (far,) = found(make_store, of_splits(x, alternating(200, 1)))
    assert (far.split, far.n, far.what, far.t) == ("train", 1, "steps", 400)
    assert "1 step of the split train makes" in str(far) and "is the step into frame 400 of" in str(far)


@pytest.mark.parametrize("n", [60, 1000])
def test_frames_of_good_data_are_not_told(make_store, n):
    rng = np.random.default_rng(0)
    heavy = rng.laplace(size=(n, 8))
    heavy[:, 0] *= rng.random(n) < 0.4  # a dimension that is mostly 0
    constant = np.column_stack([np.full(n, 1e6), rng.normal(size=(n, 7))])
    assert found(make_store, of_splits(heavy, constant)) == []


def test_frames_that_are_not_finite_are_left_out_with_their_steps(make_store):
    x = alternating(300)
    x[100] = np.nan
    assert found(make_store, of_splits(x, alternating(300))) == []
    x[101] = 1e6
    ((far),) = found(make_store, of_splits(x, alternating(300)))
    assert (far.n, far.what, far.t) == (1, "frames", 101)
