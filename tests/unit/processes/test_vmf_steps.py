"""vMF x LogNormal steps: numerics against known values and scipy, answers against the true density on utterances."""

import math

import numpy as np
import pytest
from scipy.special import gammaln
from scipy.stats import lognorm, norm, vonmises_fisher

from latentdyn.processes.vmf_steps import cosine_moments
from tests.settings import process_of


@pytest.mark.parametrize(
    ("kappa", "log_normaliser"),
    [
        (1, 867.96712659975),
        (10, 867.870465455012),
        (100, 858.379265453291),
        (500, 682.026782184668),
        (850, 441.822293605399),
        (1e3, 327.709187339948),
        (1e4, -8113.08440154378),
        (1e5, -97527.7000089682),
    ],
)
def test_the_normaliser_in_512_dimensions(kappa, log_normaliser):
    uniform = float(gammaln(256)) - math.log(2) - 256 * math.log(math.pi)
    assert uniform - cosine_moments(kappa, 512)[0] == pytest.approx(log_normaliser, rel=1e-12)


@pytest.mark.parametrize(
    ("resultant", "kappa"), [(0.7, 701.843), (0.444, 282.964), (0.611, 498.660), (0.9, 2421.02), (0.99, 25422.1)]
)
def test_the_mean_cosine_in_512_dimensions(resultant, kappa):
    assert cosine_moments(kappa, 512)[1] == pytest.approx(resultant, rel=2e-6)


@pytest.mark.parametrize("kappa", [1e-3, 0.5, 7.0, 300.0])
def test_the_mean_cosine_in_three_dimensions_by_hand(kappa):
    log_mgf, resultant = cosine_moments(kappa, 3)
    # the cosine is uniform on [-1, 1]: M(κ) = sinh κ / κ, and Langevin's function for its mean
    sinh = kappa + math.log(-math.expm1(-2 * kappa) / 2)
    assert log_mgf == pytest.approx(sinh - math.log(kappa), abs=1e-12)
    assert resultant == pytest.approx(1 / math.tanh(kappa) - 1 / kappa, abs=1e-10)


@pytest.mark.parametrize(("dim", "kappa"), [(2, 3.0), (16, 40.0), (32, 40.0), (32, 2.0)])
def test_the_entropy_of_the_direction_is_scipys(exact, dim, kappa):
    nll = exact(process_of("vmf_steps", dim=dim, kappa=kappa, mu_logm=0.2, sigma=0.4))["nll", 1].value
    # h(Δx) = h(d) + h(m) + (D-1) E[ln m]
    expected = vonmises_fisher(np.eye(dim)[0], kappa).entropy() + lognorm.entropy(0.4, scale=math.exp(0.2))
    assert nll == pytest.approx(expected + (dim - 1) * 0.2, abs=1e-9)


@pytest.mark.parametrize(("kappa", "gain"), [(282.964, -56.2), (498.660, -119.6), (806.318, -196.3)])
def test_the_context_gain_follows_from_the_cosine(exact, kappa, gain):
    answers = exact(process_of("vmf_steps", dim=512, kappa=kappa))
    assert answers["context_gain", 1].value == pytest.approx(gain, abs=0.06)


@pytest.mark.parametrize(
    ("dim", "options"),
    [(2, {"kappa": 3.0}), (3, {"kappa": 0.5}), (32, {}), (8, {"kappa": 20.0, "mu_logm": 1.5, "sigma": 0.6})],
)
def test_the_true_density_scores_as_answered_on_utterances(exact, simulate, agrees, dim, options):
    process = process_of("vmf_steps", dim=dim, **options)
    x = simulate(process, 200, 200)
    delta, previous = np.diff(x, axis=1), x[:, :-1]
    length = np.linalg.norm(delta, axis=2)
    cosine = -(delta * previous).sum(axis=2) / length / np.linalg.norm(previous, axis=2)
    pole = np.eye(dim)[0]
    log_normaliser = vonmises_fisher(pole, process.kappa).logpdf(pole) - process.kappa
    log_length = lognorm.logpdf(length, process.sigma, scale=math.exp(process.mu_logm))
    nll = -(log_normaliser + process.kappa * cosine + log_length - (dim - 1) * np.log(length))
    baseline = -norm.logpdf(delta, delta.mean((0, 1)), delta.std((0, 1))).sum(axis=2)
    answers = exact(process, (1, 2))
    assert {k for _, k in answers} == {1}
    agrees(answers["nll", 1], nll, precision=0.06)
    agrees(answers["dnll", 1], nll - baseline, precision=0.06)
    agrees(answers["cosine", 1], cosine, precision=0.01)
    mean_length = answers["cosine", 1].value * math.exp(process.mu_logm + process.sigma**2 / 2)  # ||E[Δx | c]||
    explained = mean_length**2 / np.square(length).mean()
    assert answers["r2_delta", 1].value == pytest.approx(explained, rel=0.03)
    assert np.corrcoef(np.log(length).ravel(), cosine.ravel())[0, 1] == pytest.approx(0, abs=0.02)
    np.testing.assert_allclose(np.cov(delta.reshape(-1, dim).T) / delta.var(), np.eye(dim), atol=0.05)


def test_frames_stay_as_near_the_origin_at_the_end_as_at_the_start(simulate):
    norms = np.linalg.norm(simulate(process_of("vmf_steps", dim=32), 200, 300), axis=2)
    assert norms.max() < 5
    assert norms[:, 10:60].mean() == pytest.approx(norms[:, -50:].mean(), rel=0.03)


def test_what_the_head_recovers_is_answered(exact):
    answers = exact(process_of("vmf_steps", dim=32, kappa=25.0))
    assert (answers["kappa", 1].value, answers["r2_head", 1].value) == (25, 0)
    assert answers["dnll_full", 1].value == answers["dnll", 1].value
