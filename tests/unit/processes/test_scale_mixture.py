"""Context-free scale mixture: its entropy against the density integrated over the scale, on utterances."""

import math

import numpy as np
import pytest
from scipy.special import digamma, logsumexp
from scipy.stats import norm

from tests.settings import process_of


def log_density(delta, sd):
    """ln ∫ N(z; 0, 1) N(x; 0, e^{2 sd z} I) dz of each step (..., D), by the trapezoid rule."""
    square = np.square(delta).sum(axis=-1)[..., None]
    dim, z = delta.shape[-1], np.linspace(-9, 9, 601)
    inner = norm.logpdf(z) - dim * (0.5 * math.log(2 * math.pi) + sd * z) - 0.5 * square * np.exp(-2 * sd * z)
    return logsumexp(inner, axis=-1) + math.log(z[1] - z[0])


@pytest.mark.parametrize(("dim", "sd", "n"), [(1, 0.8, 100), (16, 0.45, 100), (16, 0.05, 50), (512, 0.45, 100)])
def test_the_true_density_scores_as_answered_on_utterances(exact, simulate, agrees, dim, sd, n):
    delta = np.diff(simulate(process_of("scale_mixture", dim=dim, sd=sd), n, 101), axis=1)
    answers = exact(process_of("scale_mixture", dim=dim, sd=sd), (1, 4))
    length = np.log(np.linalg.norm(delta, axis=2))
    # the entropy varies with D ln ||Δx||, whose mean is known: without it a few frames tell much
    known = 0.5 * (digamma(dim / 2) + math.log(2))
    nll = -log_density(delta, sd) - dim * (length - known)
    agrees(answers["nll", 4], nll, precision=0.02)
    baseline = 0.5 * dim * (math.log(2 * math.pi * math.e) + 2 * sd**2)  # E e^{2 sd z} = e^{2 sd²}
    agrees(answers["dnll", 1], nll - baseline, precision=0.02)
    assert delta.std() == pytest.approx(math.exp(sd**2), rel=0.05)


def test_in_many_dimensions_the_gain_is_about_the_variance_of_the_log_scale(exact):
    assert exact(process_of("scale_mixture", dim=512))["dnll", 1].value == pytest.approx(-99, abs=3)


def test_a_narrow_mixture_is_nearly_gaussian(exact):
    # second-order: the gain starts with the fourth power of sd
    small, smaller = (exact(process_of("scale_mixture", dim=4, sd=sd))["dnll", 1].value for sd in (0.02, 0.01))
    assert small < 0 and small / smaller == pytest.approx(16, rel=0.01)


def test_nothing_is_in_the_context(exact, simulate):
    answers = exact(process_of("scale_mixture"), (1, 2, 8))
    for k in (1, 2, 8):
        assert (answers["context_gain", k].value, answers["r2_delta", k].value) == (0, 0)
        assert answers["dnll", k].value == answers["dnll_full", k].value == answers["dnll", 1].value
    length = np.log(np.linalg.norm(np.diff(simulate(process_of("scale_mixture"), 100, 200), axis=1), axis=2))
    assert abs(np.corrcoef(length[:, 1:].ravel(), length[:, :-1].ravel())[0, 1]) < 4 / math.sqrt(length.size)


def test_an_utterance_starts_at_the_origin(simulate):
    assert (simulate(process_of("scale_mixture", dim=3), 2, 5)[:, 0] == 0).all()
