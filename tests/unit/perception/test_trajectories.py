"""Synthetic movements: each has the cosine, the magnitudes and the state error that it is defined by."""

import numpy as np
import pytest

from latentdyn.perception.trajectories import Deviation, trajectories

X = np.cumsum(np.random.default_rng(0).normal(size=(200, 16)), axis=0)
FOUND = trajectories(X, [0.75, 0.5], [0.6, -1.0, 1.0], ("test",))


def of(name):
    return Deviation.of(FOUND[name], X)


def test_all_start_at_the_truth_and_gt_is_it():
    assert all(np.array_equal(y[0], X[0]) for y in FOUND.values())
    assert np.array_equal(FOUND["GT"], X) and of("GT").error.max() == 0


def test_slow_has_true_directions_and_scaled_magnitudes():
    slow = of("B_slow_a0.50")
    assert slow.cosine == pytest.approx(1) and slow.ratio == pytest.approx(0.5)
    assert slow.error == pytest.approx(0.5 * np.linalg.norm(X - X[0], axis=1)[1:])


def test_stationary_stands_still():
    assert (FOUND["A_stationary"] == X[0]).all() and np.isnan(of("A_stationary").cosine).all()


def test_wrong_directions_have_true_magnitudes_and_no_cosine():
    wrong = of("C_wrong_dir")
    assert wrong.ratio == pytest.approx(1) and abs(wrong.cosine.mean()) < 0.1


def test_anchored_anew_an_error_is_one_step_long():
    steps = np.linalg.norm(np.diff(X, axis=0), axis=1)
    assert of("reanchored_a0.75").error == pytest.approx(0.25 * steps)


def test_shuffled_magnitudes_are_the_same_ones_along_true_directions():
    y = FOUND["shuffled_magnitudes"]
    lengths = [np.sort(np.linalg.norm(np.diff(z, axis=0), axis=1)) for z in (y, X)]
    assert lengths[0] == pytest.approx(lengths[1]) and of("shuffled_magnitudes").cosine == pytest.approx(1)


@pytest.mark.parametrize("cosine", [0.6, -1.0, 1.0])
def test_turned_directions_have_the_set_cosine_and_true_magnitudes(cosine):
    turned = of(f"rotated_c{cosine:.2f}")
    assert turned.cosine == pytest.approx(cosine) and turned.ratio == pytest.approx(1)


@pytest.mark.parametrize("alpha", ["0.75", "0.50"])
def test_the_wrong_way_at_the_error_of_slow_has_just_that_error(alpha):
    assert of(f"C_at_B_error_a{alpha}").error == pytest.approx(of(f"B_slow_a{alpha}").error)


def test_a_movement_depends_on_its_names_alone():
    again = trajectories(X, [0.75, 0.5], [0.6, -1.0, 1.0], ("test",))
    other = trajectories(X, [0.75, 0.5], [0.6, -1.0, 1.0], ("other",))
    assert all(np.array_equal(again[name], y) for name, y in FOUND.items())
    assert not np.array_equal(other["C_wrong_dir"], FOUND["C_wrong_dir"])


def test_where_nothing_moves_nothing_is_made_up():
    still = np.ones((5, 3))
    for name, y in trajectories(still, [0.5], [0.5], ("test",)).items():
        assert np.array_equal(y, still), name
