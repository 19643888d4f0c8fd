"""VAR(1): closed forms against conditioning of the joint Gaussian, utterances, and one-dimensional results."""

import math

import numpy as np
import pytest

from latentdyn.processes.gaussian import mean_length
from tests.settings import process_of

HORIZONS = (1, 2, 5)


def by_conditioning(transition, noise, k, window=3):
    """Scores from the joint covariance of the W context frames and Δx_t, with none of the module's algebra."""
    dim = len(transition)
    frame = np.zeros((dim, dim))
    for _ in range(400):  # 0.9^800 is below rounding
        frame = transition @ frame @ transition.T + noise
    reach = k + window
    lagged = [np.linalg.matrix_power(transition, lag) @ frame for lag in range(reach)]
    joint = np.block(
        [[lagged[i - j] if i >= j else lagged[j - i].T for j in range(reach)] for i in range(reach)]
    )  # of x_{t-reach+1} .. x_t
    difference = np.zeros((dim, reach * dim))
    difference[:, -dim:], difference[:, -2 * dim : -dim] = np.eye(dim), -np.eye(dim)
    context = np.eye(reach * dim)[: window * dim]
    delta, cross = difference @ joint @ difference.T, difference @ joint @ context.T
    residual = delta - cross @ np.linalg.solve(context @ joint @ context.T, cross.T)
    newest = joint[-dim:] @ context.T
    frame_rest = frame - newest @ np.linalg.solve(context @ joint @ context.T, newest.T)
    log_det, log_det_delta, log_det_noise = (np.linalg.slogdet(m)[1] for m in (residual, delta, noise))
    return {
        "nll": 0.5 * (dim * math.log(2 * math.pi * math.e) + log_det),
        "dnll": 0.5 * (log_det - np.log(np.diag(delta)).sum()),
        "dnll_full": 0.5 * (log_det - log_det_delta),
        "context_gain": 0.5 * (log_det - log_det_delta),
        "r2_delta": 1 - np.trace(residual) / np.trace(delta),
        "level_gain": 0.5 * (log_det_noise - np.log(np.diag(frame)).sum()),
        "decoded_skill": 1 - np.trace(frame_rest) / np.trace(frame),
        "state_information_whole": 0.5 * (np.linalg.slogdet(frame)[1] - np.linalg.slogdet(frame_rest)[1]),
    }


@pytest.mark.parametrize("noise", ["isotropic", "correlated"])
@pytest.mark.parametrize("radius", [0.0, 0.3, 0.9])
def test_closed_forms_are_the_joint_gaussian_conditioned(exact, radius, noise):
    process = process_of("var", dim=8, seed=1, radius=radius, noise=noise)
    answers = exact(process, HORIZONS)
    for k in HORIZONS:
        for metric, value in by_conditioning(process.transition, process.noise_covariance, k).items():
            if (metric, k) in answers:
                assert answers[metric, k].value == pytest.approx(value, abs=1e-9)
                assert answers[metric, k].error == 0
    assert ("level_gain", 1) in answers and ("level_gain", 2) not in answers


def test_the_reference_gives_the_known_values_of_32_dimensions():
    """-56.137, -31.035, -16.245, -8.455 of one draw: A a scaled QR factor, Q a Wishart matrix."""
    draws = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        transition = 0.9 * np.linalg.qr(rng.standard_normal((32, 32)))[0]
        root = rng.standard_normal((32, 32))
        draws.append([by_conditioning(transition, root @ root.T / 32, k, 1)["dnll"] for k in (1, 2, 4, 8)])
    np.testing.assert_allclose(np.mean(draws, axis=0), [-56.1, -31.0, -16.2, -8.5], rtol=0.07)


def test_the_noise_is_what_was_asked_for():
    isotropic, correlated = (process_of("var", dim=8, noise=noise) for noise in ("isotropic", "correlated"))
    np.testing.assert_array_equal(isotropic.noise_covariance, np.eye(8))
    spectrum = np.linalg.eigvalsh(correlated.noise_covariance)
    assert spectrum[[0, -1]] == pytest.approx([0.25, 4]) and spectrum.prod() == pytest.approx(1)
    assert np.abs(np.linalg.eigvals(correlated.transition)) == pytest.approx(np.full(8, 0.9))


def test_utterances_are_stationary_and_as_predictable_as_answered(exact, simulate, agrees):
    process = process_of("var", dim=3, seed=2, noise="correlated")
    x = simulate(process, 400, 300)
    answers = exact(process, HORIZONS)
    for t in (0, 299):
        np.testing.assert_allclose(np.cov(x[:, t].T), process.frame_covariance, atol=0.2 * x.var())
    delta = np.diff(x, axis=1)
    for k in HORIZONS:
        context, target = x[:, : -k or None].reshape(-1, 3), delta[:, k - 1 :].reshape(-1, 3)
        weight = np.linalg.lstsq(context, target, rcond=None)[0]
        mean, rest = context @ weight, target - context @ weight
        nll = 0.5 * (3 * math.log(2 * math.pi * math.e) + np.linalg.slogdet(np.cov(rest.T))[1])
        assert nll == pytest.approx(answers["nll", k].value, abs=0.01)
        assert 1 - rest.var(0).sum() / target.var(0).sum() == pytest.approx(answers["r2_delta", k].value, abs=0.01)
        cosine = (mean * target).sum(1) / np.linalg.norm(mean, axis=1) / np.linalg.norm(target, axis=1)
        agrees(answers["cosine", k], cosine.reshape(400, -1), precision=0.005)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_one_dimension_by_hand(exact, seed):
    process = process_of("var", dim=1, seed=seed, radius=0.6)
    a = float(process.transition[0, 0])  # 0.6 or -0.6
    answers = exact(process)
    assert answers["dnll", 1].value == pytest.approx(-0.5 * math.log(2 / (1 + a)))
    assert answers["level_gain", 1].value == pytest.approx(0.5 * math.log(1 - a * a))
    # two normals of correlation ρ agree in sign with probability ½ + arcsin(ρ)/π
    cosine = answers["cosine", 1]
    assert abs(cosine.value - 2 / math.pi * math.asin(math.sqrt((1 - a) / 2))) < 4 * cosine.error < 0.02


@pytest.mark.parametrize("radius", [0.3, 0.9])
def test_slow_features_and_canonical_correlations_follow_from_the_joint_gaussian(exact, radius):
    """With W = 3, by whitening and singular values, with none of the module's algebra."""
    process = process_of("var", dim=5, seed=3, radius=radius, noise="correlated")
    answers, a, s = exact(process), process.transition, process.frame_covariance
    lagged = [np.linalg.matrix_power(a, lag) @ s for lag in range(4)]  # E x_t x_{t-lag}ᵀ
    past = np.block([[lagged[j - i] if j >= i else lagged[i - j].T for j in range(3)] for i in range(3)])
    white, white_past = (np.linalg.inv(np.linalg.cholesky(m)) for m in (s, past))
    correlations = np.linalg.svd(white @ np.hstack(lagged[1:]) @ white_past.T)[1]
    slowness = np.linalg.eigvalsh(white @ (2 * s - lagged[1] - lagged[1].T) @ white.T)
    for i in range(5):
        assert answers[f"canonical_correlation_c{i + 1}", None].value == pytest.approx(correlations[i])
        assert answers[f"slowness_c{i + 1}", None].value == pytest.approx(slowness[i])
    one = process_of("var", dim=1, radius=radius)
    assert exact(one)["slowness_c1", None].value == pytest.approx(2 * (1 - one.transition[0, 0]))
    assert exact(one)["canonical_correlation_c1", None].value == pytest.approx(radius)


@pytest.mark.parametrize("radius", [0.0, 1.05])
def test_no_direction_stands_out_of_white_noise_or_of_what_explodes(exact, radius):
    assert not [name for name, _ in exact(process_of("var", dim=3, radius=radius)) if name.startswith("slowness")]


def test_white_noise_scores_on_deltas_and_gains_nothing_on_levels(exact):
    answers = exact(process_of("var", dim=128, radius=0.0), (1, 2))
    assert answers["dnll", 1].value / 128 == pytest.approx(-0.5 * math.log(2))
    assert answers["cosine", 1].value == pytest.approx(math.sqrt(0.5), abs=3e-3)
    assert answers["level_gain", 1].value == pytest.approx(0)
    for metric in ("dnll", "dnll_full", "context_gain", "r2_delta"):
        assert answers[metric, 2].value == pytest.approx(0, abs=1e-12)
    assert ("cosine", 2) not in answers  # the mean is 0 and has no direction


def test_an_unstable_process_grows_by_its_radius(exact, simulate):
    process = process_of("var", dim=4, radius=1.05)
    x = simulate(process, 3, 400)
    growth = np.linalg.norm(x[:, -1], axis=1) / np.linalg.norm(x[:, -101], axis=1)
    np.testing.assert_allclose(growth, 1.05**100, rtol=0.01)
    answers = exact(process, (1, 2))
    assert set(answers) == {("nll", 1), ("spectral_radius", 1), ("unbounded", 1)}
    assert answers["nll", 1].value == pytest.approx(2 * math.log(2 * math.pi * math.e))
    assert (answers["spectral_radius", 1].value, answers["unbounded", 1].value) == (1.05, 1)
    rest = x[:, 1:] - x[:, :-1] @ process.transition.T
    assert rest.var() == pytest.approx(1, abs=0.1)


def test_what_is_bounded_is_said_where_it_is_known(exact):
    assert exact(process_of("var", dim=4))["unbounded", 1].value == 0
    assert ("unbounded", 1) not in exact(process_of("var", dim=4, radius=1.0))


def test_the_mean_length_of_a_gaussian_is_that_of_its_closed_forms():
    for dim in (1, 2, 4, 64):
        chi = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
        assert mean_length(9 * np.eye(dim)) == pytest.approx(3 * chi, rel=1e-9)
    assert mean_length(np.diag([4.0, 0.0])) == pytest.approx(2 * math.sqrt(2 / math.pi), rel=1e-6)  # a line in a plane
    draws = np.random.default_rng(0).standard_normal((400_000, 3)) * [1.0, 2.0, 0.1]
    lengths = np.linalg.norm(draws, axis=1)
    assert abs(mean_length(np.diag([1.0, 4.0, 0.01])) - lengths.mean()) < 4 * lengths.std() / math.sqrt(len(lengths))
