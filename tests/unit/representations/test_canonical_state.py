"""The canonical state: exact on processes whose state is known."""

import numpy as np
import pytest

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Utterance, Utterances
from latentdyn.representations.canonical_state import CanonicalState

A = np.array([[0.9, 0.2], [0, 0.5]])


def fitted(make_store, data, dim, past=3, ahead=2):
    store, _ = make_store(data)
    transform = CanonicalState(Source(store.dim, 12.5), "float32", dim, past, ahead)
    transform.fit(Utterances(store, {speaker: "train" for speaker in store.utterances.speaker_id}, "train"))
    return transform


def utterance(latents):
    return Utterance("u", "s", "train", latents.astype(np.float32), np.full(len(latents), np.nan, np.float32))


def test_the_state_of_a_markov_process_is_its_frame(make_store, var_process):
    data = var_process(A, 40, 500)
    state = fitted(make_store, data, 2)
    frames = next(iter(data.values()))
    states = state.apply(utterance(frames))[0]
    assert np.abs(state.weights[1:]).max() < 0.1 * np.abs(state.weights[0]).max(), "older frames tell no more"
    np.testing.assert_allclose(state.invert(states, "u")[5:], frames[5:], atol=0.3 * frames.std())
    assert state.explained_variance > 0.98
    # one frame ahead alone, the correlations are the singular values of the process in whitened coordinates
    stationary = np.eye(2)
    for _ in range(500):
        stationary = A @ stationary @ A.T + np.eye(2)
    root = np.linalg.cholesky(stationary)
    one_ahead = np.linalg.svd(np.linalg.solve(root, A @ root), compute_uv=False)
    np.testing.assert_allclose(fitted(make_store, data, 2, past=3, ahead=1).correlations, one_ahead, atol=0.02)


def test_it_finds_a_hidden_state_that_no_single_frame_shows(make_store):
    """x_t = h_t + noise, h an AR(1): a state of 24 frames correlates with h as the steady Kalman filter does."""
    rng, a, noise = np.random.default_rng(0), 0.95, 2.0
    data, hidden = {}, []
    for i in range(60):
        h = np.zeros(400)
        for t in range(1, 400):
            h[t] = a * h[t - 1] + rng.normal()
        data[f"u{i}", f"s{i}"] = (h + noise * rng.normal(size=400))[:, None]
        hidden.append(h)
    state = fitted(make_store, data, 1, past=24, ahead=24)
    found = np.concatenate([state.apply(utterance(frames))[0][50:, 0] for frames in data.values()])
    truth = np.concatenate([h[50:] for h in hidden])
    observed = np.concatenate([frames[50:, 0] for frames in data.values()])
    variance = 1.0  # of h given the frames so far, by the filter's fixed point
    for _ in range(200):
        predicted = a * a * variance + 1
        variance = predicted * noise**2 / (predicted + noise**2)
    best = np.sqrt(1 - variance * (1 - a * a))
    assert abs(np.corrcoef(found, truth)[0, 1]) == pytest.approx(best, abs=0.01)
    assert np.corrcoef(observed, truth)[0, 1] < best - 0.05


def test_states_are_uncorrelated_and_of_variance_1(make_store, var_process):
    data = var_process(A, 40, 500)
    state = fitted(make_store, data, 2, past=2, ahead=2)
    states = np.concatenate([state.apply(utterance(frames))[0][1:] for frames in data.values()])
    np.testing.assert_allclose(np.cov(states.T), np.eye(2), atol=0.05)


def test_it_looks_back_alone_and_begins_anew_after_a_gap(make_store, var_process):
    data = var_process(A, 20, 100)
    state = fitted(make_store, data, 2)
    frames = next(iter(data.values()))[:30].astype(np.float32)
    whole = state.apply(utterance(frames))[0]
    np.testing.assert_allclose(state.apply(utterance(frames[:12]))[0], whole[:12], rtol=1e-6, atol=1e-6)
    broken = frames.copy()
    broken[10, 1] = np.nan
    states = state.apply(utterance(broken))[0]
    assert np.isnan(states[10]).all() and np.isfinite(np.delete(states, 10, axis=0)).all()
    np.testing.assert_allclose(states[11:], state.apply(utterance(frames[11:]))[0], rtol=1e-6, atol=1e-6)
    by_hand = sum((frames[20 - back] - state.mean) @ state.weights[back] for back in range(3))
    np.testing.assert_allclose(whole[20], by_hand, rtol=1e-5, atol=1e-6)


def test_too_little_to_learn_from_is_told(make_store, var_process):
    with pytest.raises(UserError, match="at most 4 canonical variates"):
        CanonicalState(Source(2, 12.5), "float32", 5, 2, 8)
    with pytest.raises(UserError, match="too few: a past of 40 numbers would tell any future of 40"):
        fitted(make_store, var_process(A, 2, 60), 2, past=20, ahead=20)
