"""The hidden linear state: against one joint covariance of all states and noises, and against utterances."""

import math

import numpy as np
import pytest

from tests.settings import process_of

HORIZONS = (1, 2, 4)


def joint(process, frames):
    """Covariance of x_0 .. x_{frames-1}, (frames D, frames D): x as a linear map of independent normals, no lags."""
    m, d = process.state_dim, process.dim
    radius = np.linalg.norm(process.transition, 2)
    states, maps = np.zeros((m, frames * (m + d))), []
    for t in range(frames):
        states = process.transition @ states
        own = slice(t * (m + d), t * (m + d) + m)
        states[:, own] = np.eye(m) * (1 if t == 0 else math.sqrt(1 - radius**2))
        x = process.emission @ states
        x[:, own.stop : own.stop + d] = process.noise * np.eye(d)
        maps.append(x)
    x = np.concatenate(maps)
    return x @ x.T


def conditional(covariance, of, given):
    return covariance[of, of] - covariance[of, given] @ np.linalg.solve(covariance[given, given], covariance[given, of])


@pytest.fixture
def process():
    return process_of("state_space", dim=5, seed=1, state_dim=2, radius=0.8, window_frames=3)


def test_windows_starts_and_the_whole_past_are_the_joint_gaussian_conditioned(process):
    frames, d = 60, 5
    covariance = joint(process, frames)
    last = slice((frames - 1) * d, None)
    for k in HORIZONS:
        window = slice((frames - k - 3) * d, (frames - k) * d)
        np.testing.assert_allclose(process.given_window(k, 3), conditional(covariance, last, window), atol=1e-10)
        past = slice(0, (frames - k) * d)  # 0.8^118 of the start is below rounding
        np.testing.assert_allclose(process.given_past(k), conditional(covariance, last, past), atol=1e-9)
    for n in (1, 4):
        here = slice(n * d, (n + 1) * d)
        np.testing.assert_allclose(process.given_start(n), conditional(covariance, here, slice(0, n * d)), atol=1e-10)
    np.testing.assert_allclose(process.given_start(0), process.frame_covariance)


def test_answers_are_those_of_the_window(exact, process):
    answers, covariance, d, frames = exact(process, HORIZONS), joint(process, 10), 5, 10
    for k in HORIZONS:
        window = np.arange((frames - k - 3) * d, (frames - k) * d)
        difference = np.zeros((d, frames * d))
        difference[:, -d:], difference[:, -2 * d : -d] = np.eye(d), -np.eye(d)
        delta, cross = difference @ covariance @ difference.T, (difference @ covariance)[:, window]
        rest = delta - cross @ np.linalg.solve(covariance[np.ix_(window, window)], cross.T)
        log_det, frame, frame_rest = (np.linalg.slogdet(m)[1] for m in (rest, covariance[-d:, -d:],
                                      process.given_window(k, 3)))  # fmt: skip
        expected = {
            "nll": 0.5 * (d * math.log(2 * math.pi * math.e) + log_det),
            "dnll": 0.5 * (log_det - np.log(np.diag(delta)).sum()),
            "context_gain": 0.5 * (log_det - np.linalg.slogdet(delta)[1]),
            "r2_delta": 1 - np.trace(rest) / np.trace(delta),
            "predictive_information": 0.5 * (frame - frame_rest),
            "state_information_whole": 0.5 * (frame - frame_rest),
            "decoded_skill": 1 - np.trace(process.given_window(k, 3)) / np.trace(covariance[-d:, -d:]),
        }
        for metric, value in expected.items():
            assert answers[metric, k].value == pytest.approx(value, abs=1e-9)
        assert process.information(process.given_window(k, 3)) == pytest.approx(expected["predictive_information"])


def test_longer_contexts_tell_more_and_the_whole_past_tells_most(process):
    told = [process.information(process.given_window(1, w)) for w in (1, 2, 8)]
    assert told == sorted(told) and told[-1] <= process.information(process.given_past()) + 1e-12
    assert process.nll(process.given_past()) == pytest.approx(
        process.nll(process.frame_covariance) - process.information(process.given_past())
    )


def test_one_dimension_by_hand():
    process = process_of("state_space", dim=1, state_dim=1, radius=0.5, noise=2.0)
    c2, a2, r = float(process.emission[0, 0]) ** 2, 0.25, 4.0
    # p = a² p r / (c² p + r) + 1 - a², the Riccati equation, as a quadratic in p
    q = 1 - a2
    b = r - a2 * r - q * c2
    p = (-b + math.sqrt(b * b + 4 * c2 * q * r)) / (2 * c2)
    assert float(process.given_past()[0, 0]) == pytest.approx(c2 * p + r)
    assert process.rate() == pytest.approx(0.5 * math.log((c2 * p + r) / r))


def test_utterances_are_stationary_and_as_predictable_as_answered(exact, simulate, agrees):
    process = process_of("state_space", dim=3, seed=2, state_dim=2, window_frames=2)
    x, answers = simulate(process, 300, 200), exact(process, (1, 2))
    for t in (0, 199):
        np.testing.assert_allclose(np.cov(x[:, t].T), process.frame_covariance, atol=0.3 * x.var())
    for k in (1, 2):
        n = 200 - k - 1
        context = np.concatenate([x[:, :n], x[:, 1 : n + 1]], axis=2).reshape(-1, 6)
        target = (x[:, k + 1 : k + 1 + n] - x[:, k : k + n]).reshape(-1, 3)
        weight = np.linalg.lstsq(context, target, rcond=None)[0]
        mean, rest = context @ weight, target - context @ weight
        nll = 0.5 * (3 * math.log(2 * math.pi * math.e) + np.linalg.slogdet(np.cov(rest.T))[1])
        assert nll == pytest.approx(answers["nll", k].value, abs=0.015)
        cosine = (mean * target).sum(1) / np.linalg.norm(mean, axis=1) / np.linalg.norm(target, axis=1)
        agrees(answers["cosine", k], cosine.reshape(300, -1), precision=0.01)
