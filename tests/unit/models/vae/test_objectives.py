"""Priors and terms by hand, and against closed forms."""

import math

import pytest
import torch
from scipy.linalg import solve_discrete_lyapunov
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from latentdyn.models.vae.objectives import (
    PRIORS,
    TERMS,
    AutoregressivePrior,
    Seen,
    build,
    gaussian_gain,
    log_det_gain,
)

TRANSITION = torch.tensor([[0.9, 0.2, 0], [0, 0.5, 0.1], [0.3, 0, -0.4]], dtype=torch.float64)
STATIONARY = torch.from_numpy(solve_discrete_lyapunov(TRANSITION.numpy(), torch.eye(3).numpy()))
PERSISTENT = {"kind": "linear"}


def exact_gain(h: int) -> float:
    """½ ln det Q - ½ ln det S of x_{t+h} = A^h x_t + noise."""
    power = torch.linalg.matrix_power(TRANSITION, h)
    residual = STATIONARY - power @ STATIONARY @ power.T
    return float(torch.logdet(residual) - torch.logdet(STATIONARY)) / 2


def var(batch: int, length: int) -> torch.Tensor:
    draws = torch.Generator().manual_seed(0)
    x = torch.randn(batch, 3, generator=draws, dtype=torch.float64) @ torch.linalg.cholesky(STATIONARY).T
    path = [x]
    for _ in range(length - 1):
        path.append(path[-1] @ TRANSITION.T + torch.randn(batch, 3, generator=draws, dtype=torch.float64))
    return torch.stack(path, 1)


def seen(z: torch.Tensor, frames: torch.Tensor | None = None) -> Seen:
    """A batch whose draws are its means; what is decoded is twice the latent."""
    frames = 2 * z if frames is None else frames
    return Seen(frames, z, torch.full_like(z, -2.0), z, frames, lambda latent, first: 2 * latent, torch.Generator())


@pytest.mark.parametrize("h", [1, 2, 4])
def test_the_gain_of_a_known_var_by_its_exact_covariance_is_its_closed_form(h):
    cross = torch.linalg.matrix_power(TRANSITION, h) @ STATIONARY
    joint = torch.cat([torch.cat([STATIONARY, cross.T], 1), torch.cat([cross, STATIONARY], 1)])
    assert float(gaussian_gain(joint, 3, ridge=0)) == pytest.approx(exact_gain(h), abs=1e-9)
    noisy = float(gaussian_gain(joint, 3, ridge=1e-3))
    assert exact_gain(h) < noisy < exact_gain(h) + 0.02, "a ridge is a little noise"


@pytest.mark.parametrize(("h", "window"), [(1, 1), (2, 1), (1, 3), (4, 2)])
def test_the_gain_of_draws_of_a_var_is_its_closed_form_and_a_longer_window_adds_nothing(h, window):
    z = var(2000, 12)
    assert float(log_det_gain(z, h, window, ridge=0)) == pytest.approx(exact_gain(h), abs=0.02)


def test_the_gain_is_the_same_in_any_units_and_axes():
    z = var(50, 12)
    plain = log_det_gain(z, 1, 2, ridge=1e-3)
    torch.testing.assert_close(log_det_gain(z * torch.tensor([1e-3, 1, 50]) + 7, 1, 2, ridge=1e-3), plain)
    mixing = torch.randn(3, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    torch.testing.assert_close(log_det_gain(z @ mixing, 1, 2, ridge=0), log_det_gain(z, 1, 2, ridge=0))


def test_the_gain_has_a_gradient_and_noise_has_hardly_a_gain():
    z = torch.randn(400, 12, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()
    gain = build(
        TERMS, {"kind": "log_det_gain", "weight": 9, "horizons": [1, 2], "window_frames": 1, "ridge": 1e-3}, 3
    )(seen(z))
    gain.backward()
    assert -0.01 < gain < 0 and gain.dtype == torch.float32
    assert z.grad.isfinite().all() and z.grad.abs().sum() > 0


def test_smooth_and_predict_by_hand():
    z = torch.tensor([[[0.0, 1], [2, 1], [2, 4]]])
    assert float(build(TERMS, {"kind": "smooth", "weight": 1}, 2)(seen(z))) == (4 + 9) / 2
    predict = build(
        TERMS, {"kind": "predict", "weight": 1, "horizons": [1, 2], "window_frames": 1, "network": PERSISTENT}, 2
    )
    assert float(predict(seen(z)).detach()) == ((4 + 1 + 4 + 16) / 2 + (4 + 16)) / 2, "it begins with the mean, 0"
    for network in predict.networks:  # and can hold the last latent
        network.scale.data.fill_(1)
        network.network.layer.weight.data.copy_(torch.eye(2))
        network.network.layer.bias.data.zero_()
    assert float(predict(seen(z)).detach()) == ((4 + 9) / 2 + (4 + 9)) / 2


def test_a_window_ends_h_before_what_is_forecast():
    z = torch.arange(6.0)[None, :, None]
    predict = build(
        TERMS, {"kind": "predict", "weight": 1, "horizons": [2], "window_frames": 3, "network": PERSISTENT}, 1
    )
    (network,) = predict.networks
    network.scale.data.fill_(1)
    network.network.layer.weight.data.copy_(torch.tensor([[1.0, 10, 100]]))
    network.network.layer.bias.data.zero_()
    ((first, forecast),) = predict.forecasts(z)
    assert first == 4 and forecast.flatten().tolist() == [210, 321]


def test_a_decoded_prediction_is_scored_in_frames():
    z, frames = torch.tensor([[[0.0], [3]]]), torch.tensor([[[0.0], [8]]])
    decoded = build(
        TERMS,
        {"kind": "decoded_prediction", "weight": 1, "horizons": [1], "window_frames": 1, "network": PERSISTENT},
        1,
    )
    (network,) = decoded.networks
    network.scale.data.fill_(1)
    network.network.layer.weight.data.zero_()
    network.network.layer.bias.data.fill_(1.5)
    assert float(decoded(seen(z, frames)).detach()) == 0.5 * (8 - 2 * 1.5) ** 2


def test_the_kl_of_both_priors_is_that_of_torch():
    draws = torch.Generator().manual_seed(0)
    mean, log_variance, z = (torch.randn(4, 6, 2, generator=draws) for _ in range(3))
    batch = Seen(z, mean, log_variance, z, z, lambda latent: latent, draws)
    own = Normal(mean, (0.5 * log_variance).exp())
    standard = kl_divergence(own, Normal(0.0, 1.0)).sum(2)
    torch.testing.assert_close(build(PRIORS, {"kind": "standard"}, 2)(batch), standard)
    prior = AutoregressivePrior(2, share=0.25, window_frames=2, network={"kind": "linear"})
    torch.testing.assert_close(prior(batch), standard)  # it begins as N(0, I)
    prior.network.scale.data.fill_(1)
    context = torch.stack([z[:, t - 2 : t] for t in range(2, 6)], 1).flatten(0, 1)
    of_mean, of_log_variance = prior.network.network(context).reshape(4, 4, 4).chunk(2, dim=2)
    expected = kl_divergence(Normal(mean[:, 2:], own.scale[:, 2:]), Normal(of_mean, (0.5 * of_log_variance).exp())).sum(
        2
    )
    torch.testing.assert_close(prior.innovation(batch), expected)
    whole = torch.cat([standard[:, :2], 0.75 * standard[:, 2:] + 0.25 * expected], 1)
    torch.testing.assert_close(prior(batch), whole)


def test_the_innovation_of_a_var_under_its_own_law_is_the_mutual_information_and_what_noise_costs():
    """With a sharp posterior, E KL under p(z_t | z_{t-1}) is less than under the marginal by exactly the gain."""
    z = var(3000, 6).float()
    sharp = Seen(z, z, torch.full_like(z, -8.0), z, z, lambda latent: latent, torch.Generator())
    prior = AutoregressivePrior(3, share=1.0, window_frames=1, network={"kind": "linear"})
    prior.network.scale.data.fill_(1)
    layer = prior.network.network.layer
    layer.weight.data.copy_(torch.cat([TRANSITION, torch.zeros(3, 3)]).float())
    layer.bias.data.zero_()
    marginal = MultivariateNormal(torch.zeros(3), STATIONARY.float())
    entropy = 1.5 * (math.log(2 * math.pi) + 1 - 8.0)
    of_marginal = -marginal.log_prob(z[:, 1:]).mean() - entropy
    assert float((prior.innovation(sharp).mean() - of_marginal).detach()) == pytest.approx(exact_gain(1), abs=0.03)
