"""Sign-symmetric jumps: known values, and the true density on utterances."""

import math

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from latentdyn.processes.jumps import sign_information
from tests.settings import process_of


@pytest.mark.parametrize(
    ("dim", "amplitude", "noise", "dnll"), [(16, 4, 0.5, -12.182), (64, 8, 1, -21.488), (512, 22.6, 1, -176.44)]
)
def test_known_values(exact, dim, amplitude, noise, dnll):
    answers = exact(process_of("jumps", dim=dim, amplitude=amplitude, noise=noise))
    assert answers["dnll", 1].value == answers["dnll_full", 1].value == pytest.approx(dnll, rel=4e-5)


def test_the_sign_is_worth_between_nothing_and_one_bit():
    assert sign_information(0) == pytest.approx(0, abs=1e-12)
    assert sign_information(50) == pytest.approx(math.log(2), abs=1e-12)
    for ratio in (0.1, 1.0, 3.0):  # entropy of the two-component mixture, less that of one component
        y = np.linspace(-15, 15, 20_001)
        p = 0.5 * (norm.pdf(y, ratio) + norm.pdf(y, -ratio))
        entropy = -(p * np.log(p)).sum() * (y[1] - y[0])
        assert sign_information(ratio) == pytest.approx(entropy - norm.entropy(), abs=1e-9)


@pytest.mark.parametrize(("amplitude", "noise"), [(4.0, 0.5), (1.0, 0.7)])
def test_the_true_density_scores_as_answered_on_utterances(exact, simulate, agrees, amplitude, noise):
    dim = 16
    process = process_of("jumps", dim=dim, seed=1, amplitude=amplitude, noise=noise)
    delta = np.diff(simulate(process, 200, 200), axis=1)
    direction = delta[:, :-1] @ process.rotation.T
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    target = delta[:, 1:]
    components = [norm.logpdf(target, sign * amplitude * direction, noise).sum(axis=2) for sign in (1, -1)]
    nll = math.log(2) - logsumexp(components, axis=0)
    baseline = -norm.logpdf(target, target.mean((0, 1)), target.std((0, 1))).sum(axis=2)
    answers = exact(process)
    agrees(answers["nll", 1], nll, precision=0.03)
    agrees(answers["dnll", 1], nll - baseline, precision=0.03)
    # neither the axis nor the mean tells of the sign, though the jump is along the axis
    along = (target * direction).sum(axis=2)
    assert abs(along.mean()) < 4 * along.std() / math.sqrt(along.size)
    assert (along**2).mean() == pytest.approx(amplitude**2 + noise**2, rel=0.02)


def test_the_axis_is_uniform_and_the_first_jump_like_any_other(simulate):
    process = process_of("jumps", dim=3, amplitude=4.0, noise=0.5)
    delta = np.diff(simulate(process, 4000, 4), axis=1)
    expected = (16 / 3 + 0.25) * np.eye(3)
    for t in range(3):
        np.testing.assert_allclose(np.cov(delta[:, t].T), expected, atol=0.45)


def test_no_mean_is_answered(exact):
    answers = exact(process_of("jumps"), (1, 2))
    assert (answers["r2_delta", 1].value, answers["variance_ratio", 1].value) == (0, 1)
    assert not any(metric == "cosine" or k == 2 for metric, k in answers)
