"""Rates of noisy frames against closed forms: white Gaussian frames, a VAR, frames that only have a level."""

import math

import numpy as np
import pytest
import scipy.linalg
import torch

from latentdyn.diagnostics.rate import channel_rates, noise_entropy, shuffled_rows

BITS = 1 / math.log(2) / 1000  # thousands of bits in a nat
RATE_HZ = 12.5  # of the stores


def rates(store, frames, sigma, window_frames=8, turn=None, **changes):
    """The records of y = x + σ ε by metric, and the sums."""
    latents = torch.from_numpy(store.load())
    noise = torch.from_numpy(np.random.default_rng(99).standard_normal(tuple(latents.shape))).to(latents)
    noisy, covariance = latents + sigma * noise, sigma**2 * np.eye(store.dim)
    entropy = noise_entropy(np.full(store.dim, sigma))
    if turn is not None:
        noisy = noisy @ torch.from_numpy(turn).to(noisy)
        entropy = 0.5 * np.linalg.slogdet(2 * math.pi * math.e * turn.T @ covariance @ turn)[1]
    settings = {"window_frames": window_frames, "ridges": [0.0], **changes}
    records, sums = channel_rates(
        settings, noisy, shuffled_rows(frames.finite(), len(latents), ("test",)), frames, entropy=entropy,
        frame_rate_hz=RATE_HZ, split="eval", max_frames=10**6, resamples=200, seed_names=("test",), sigma=sigma,
    )  # fmt: skip
    return {one.metric: one for one in records}, sums


def white(n_utterances, n_frames, dim):
    rng = np.random.default_rng(1)
    return {(f"u{i}", f"{'tttve'[i % 5]}{i}"): rng.normal(size=(n_frames, dim)) for i in range(n_utterances)}


@pytest.mark.parametrize("sigma", [0.1, 0.5, 2.0])
def test_white_gaussian_frames_have_the_closed_form_whoever_codes(make_store, sigma):
    """½ ln(1 + 1/σ²) nats a dimension."""
    found, _ = rates(*make_store(white(20, 6000, 2)), sigma, window_frames=2)
    exact = 2 * 0.5 * math.log(1 + sigma**-2) * RATE_HZ * BITS
    for metric in ("rate_kbit_per_s", "rate_kbit_per_s_memoryless", "rate_kbit_per_s_shuffled"):
        assert found[metric].value == pytest.approx(exact, abs=0.02 * RATE_HZ * BITS)
        assert found[metric].ci_low <= found[metric].value <= found[metric].ci_high
    assert found["rate_saved"].value == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("sigma", [0.3, 1.0])
def test_of_a_var_the_rate_is_that_of_the_kalman_filters_innovations(make_store, var_process, sigma):
    """½ ln det(P + σ²I) / σ²ᴰ with P of the Riccati equation; without the past, S in the place of P."""
    transition = np.array([[0.9, 0.2], [0.0, 0.5]])
    found, _ = rates(*make_store(var_process(transition, 50, 600)), sigma)
    noise = sigma**2 * np.eye(2)
    innovation = scipy.linalg.solve_discrete_are(transition.T, np.eye(2), np.eye(2), noise) + noise
    marginal = scipy.linalg.solve_discrete_lyapunov(transition, np.eye(2)) + noise
    exact, alone = (0.5 * np.linalg.slogdet(of / sigma**2)[1] * RATE_HZ * BITS for of in (innovation, marginal))
    assert found["rate_kbit_per_s"].value == pytest.approx(exact, abs=0.03 * RATE_HZ * BITS)
    assert found["rate_kbit_per_s_memoryless"].value == pytest.approx(alone, abs=0.03 * RATE_HZ * BITS)
    assert found["rate_saved"].value == pytest.approx(1 - exact / alone, abs=0.02)
    assert abs(found["rate_saved_shuffled"].value) < 0.2 * found["rate_saved"].value


def test_what_is_constant_in_an_utterance_is_saved_in_any_order(make_store):
    rng = np.random.default_rng(2)
    levels = {name: x + 2 * rng.normal(size=(1, 2)) for name, x in white(200, 50, 2).items()}
    found, _ = rates(*make_store(levels), 0.5, window_frames=4)
    saved = found["rate_saved"].value
    assert saved > 0.2 and found["rate_saved_shuffled"].value == pytest.approx(saved, abs=0.03)


def test_no_linear_map_changes_a_rate(make_store, var_process):
    made = make_store(var_process(np.array([[0.9, 0.2], [0.0, 0.5]]), 10, 200))
    plain, turned = (rates(*made, 0.3, turn=turn)[0] for turn in (None, np.array([[30.0, 5.0], [0, 0.2]])))
    for metric, of in plain.items():
        assert turned[metric].value == pytest.approx(of.value, abs=1e-3)


def test_sums_by_speaker_give_the_rates(make_store, var_process):
    found, sums = rates(*make_store(var_process(np.diag([0.9, 0.5]), 10, 60)), 0.3, window_frames=2)
    for metric in ("rate_kbit_per_s", "rate_kbit_per_s_memoryless", "rate_kbit_per_s_shuffled"):
        mine = sums[sums.metric == metric]
        assert sorted(mine.speaker_id) == ["e4", "e9"] and (mine["sigma"] == 0.3).all()
        assert mine.total.sum() / mine.n.sum() == pytest.approx(found[metric].value, rel=1e-12)


def test_frames_are_shuffled_within_their_utterance_and_only_valid_ones(make_store):
    data = {("a", "t1"): np.arange(8.0)[:, None], ("b", "e1"): np.arange(8.0, 16.0)[:, None]}
    data["a", "t1"][3] = np.nan
    store, frames = make_store(data)
    order = shuffled_rows(frames.finite(), store.handle["n_frames"], ("test",)).numpy()
    by_row = frames.table().set_index("row")["utterance_id"].astype(str)
    assert (by_row.loc[order].to_numpy() == by_row.loc[np.arange(16)].to_numpy()).all()
    assert sorted(order) == list(range(16)) and (order != np.arange(16)).any()
    (bad,) = frames.invalid
    assert order[bad] == bad
