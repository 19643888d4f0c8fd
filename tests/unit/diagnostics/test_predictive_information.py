"""Predictive information against the mutual information of Gaussian processes, and what it must not reward."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.predictive_information import predictive_information
from latentdyn.errors import UserError
from tests.settings import settings_of

TRANSITION = np.array([[0.9, 0.2], [0.0, 0.5]])


def information(store, frames, horizons, window_frames=2, **changes):
    settings = settings_of("predictors", "linear_gaussian", window_frames=window_frames, horizons=horizons, **changes)
    latents = torch.from_numpy(store.load())
    return predictive_information(settings, latents, frames, max_frames=10**6, resamples=200, seed_names=("test",))


def mutual_information(transition, k):
    """½ ln(det S / det P_k), with P_k the covariance of x_t where x_{t-k} is known (science §4)."""
    powers = [np.linalg.matrix_power(transition, i) for i in range(500)]
    given = sum(a @ a.T for a in powers[:k])
    return 0.5 * (np.linalg.slogdet(sum(a @ a.T for a in powers))[1] - np.linalg.slogdet(given)[1])


def test_of_a_var_it_is_the_mutual_information(make_store, var_process):
    records, _ = information(*make_store(var_process(TRANSITION, 50, 600)), [1, 2, 4])
    for found in records:
        exact = mutual_information(TRANSITION, found.horizon)
        assert found.value == pytest.approx(exact, abs=0.03)
        assert found.ci_low < found.value < found.ci_high


def test_units_and_offsets_change_nothing(make_store, var_process):
    data = var_process(TRANSITION, 10, 200)
    scaled = {name: 1e3 * x @ np.array([[1.0, 0.5], [0, 2.0]]) + 300 for name, x in data.items()}
    ridges = [0.0]  # a ridge is in units of the data
    before, after = ([r.value for r in information(*make_store(d), [1, 3], ridges=ridges)[0]] for d in (data, scaled))
    assert after == pytest.approx(before, abs=2e-3)


def test_white_noise_has_none_though_its_steps_are_predictable(make_store):
    rng = np.random.default_rng(3)
    noise = {(f"u{i}", f"{'ttve'[i % 4]}{i}"): rng.normal(size=(400, 2)) for i in range(24)}
    records, _ = information(*make_store(noise), [1, 2])
    assert all(abs(found.value) < 0.01 for found in records)


@pytest.mark.parametrize("size", [100, 1e5])
def test_one_validation_frame_does_not_decide_it(make_store, var_process, caplog, size):
    data = var_process(TRANSITION, 20, 100)
    clean = [found.value for found in information(*make_store(data), [1, 2])[0]]
    name = next(name for name in data if name[1].startswith("v"))
    data[name] = data[name].copy()
    data[name][50, 0] = size
    assert not caplog.messages
    assert [found.value for found in information(*make_store(data), [1, 2])[0]] == pytest.approx(clean, abs=0.01)
    assert "validation frames alone would decide the ridge" in caplog.text


def test_sums_by_speaker_give_the_mean(make_store, var_process):
    records, sums = information(*make_store(var_process(TRANSITION, 10, 50)), [1, 2])
    for found in records:
        mine = sums[sums.horizon == found.horizon]
        assert sorted(mine.speaker_id) == ["e4", "e9"]
        assert mine.total.sum() / mine.n.sum() == pytest.approx(found.value, rel=1e-12)
        assert mine.n.sum() == found.n == 2 * (50 - 3)


def test_frames_that_do_not_span_their_dimensions_are_refused(make_store, var_process):
    flat = {name: x[:, :1] * [1, 1] for name, x in var_process(TRANSITION, 10, 50).items()}
    with pytest.raises(UserError):
        information(*make_store(flat), [1])
