"""Hidden switching: the mixture's likelihood on utterances, and special cases in closed form."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from latentdyn.processes.jumps import sign_information
from tests.settings import process_of


@pytest.mark.parametrize(
    "options", [{}, {"dim": 4, "n_regimes": 3, "radius": 0.5, "noise": 2.0}, {"dim": 2, "radius": 0.8}]
)
def test_the_true_density_scores_as_answered_on_utterances(exact, simulate, agrees, options):
    process = process_of("switching", seed=1, **options)
    x = simulate(process, 300, 150)
    delta, previous = np.diff(x, axis=1), x[:, :-1]
    means = np.stack([previous @ a.T - previous for a in process.transitions])
    components = norm.logpdf(delta, means, process.noise).sum(axis=3)
    nll = math.log(len(means)) - logsumexp(components, axis=0)
    moment = np.einsum("utd,ute->de", delta, delta) / (delta.size / process.dim)
    answers = exact(process, (1, 2))
    assert {k for _, k in answers} == {1}
    agrees(answers["nll", 1], nll, precision=0.03)
    agrees(answers["dnll", 1], nll + norm.logpdf(delta, 0, np.sqrt(np.diag(moment))).sum(axis=2), precision=0.05)
    precision_matrix, (_, log_det) = np.linalg.inv(moment), np.linalg.slogdet(2 * math.pi * moment)
    full = 0.5 * (np.einsum("utd,de,ute->ut", delta, precision_matrix, delta) + log_det)
    agrees(answers["dnll_full", 1], nll - full, precision=0.05)
    rest = np.square(delta - means.mean(axis=0)).sum() / np.square(delta).sum()
    assert 1 - rest == pytest.approx(answers["r2_delta", 1].value, abs=0.01)


def test_frames_are_stationary_and_isotropic(simulate):
    process = process_of("switching", dim=3, radius=0.8)
    x = simulate(process, 4000, 12)
    for t in (0, 11):
        np.testing.assert_allclose(np.cov(x[:, t].T), np.eye(3) / (1 - 0.64), atol=0.25)


def test_one_regime_is_a_linear_process(exact):
    process = process_of("switching", dim=4, n_regimes=1, radius=0.7, noise=0.5)
    answers = exact(process)
    nll = 2 * math.log(2 * math.pi * math.e * 0.25)
    assert (answers["nll", 1].value, answers["nll", 1].error) == (pytest.approx(nll), 0)
    step = process.transitions[0] - np.eye(4)
    g = 0.25 * (step @ step.T / (1 - 0.49) + np.eye(4))
    assert answers["dnll", 1].value == pytest.approx(0.5 * np.log(0.25 / np.diag(g)).sum())
    assert answers["r2_delta", 1].value == pytest.approx(1 - 1 / np.trace(g))


def test_two_regimes_tell_their_sign_apart_along_one_axis(exact):
    """Given x, the regimes' means are ±½ (A_1 - A_2) x about their middle: a sign in noise."""
    process = process_of("switching", dim=2, seed=3, radius=0.4)
    x = process.frame_std * np.random.default_rng(0).standard_normal((4000, 2))
    half = 0.5 * np.linalg.norm(x @ (process.transitions[0] - process.transitions[1]).T, axis=1)
    information = np.array([sign_information(ratio) for ratio in half])
    answer = exact(process)["nll", 1]
    expected = math.log(2 * math.pi * math.e) + information.mean()
    error = information.std() / math.sqrt(len(information))
    assert 0.05 < information.mean() < 0.6  # neither told apart nor alike
    assert abs(answer.value - expected) < 4 * math.hypot(error, answer.error) < 0.02
