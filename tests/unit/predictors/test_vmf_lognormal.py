"""The von Mises-Fisher x LogNormal head: its scale, its clamps, and laws that it has to recover."""

import math

import pytest
import torch
from torch.nn import functional as F

from latentdyn.distributions.bessel import mean_resultant_length
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Scaling
from tests.settings import settings_of

D, W = 8, 2
SLOPE = pytest.mark.parametrize("dependent", [False, True])


def predictor_of(dim: int = D, rms: float = 3.0, **settings):
    """A predictor for steps with mean 0, the same in all directions, of RMS length `rms`."""
    torch.manual_seed(0)
    settings = {"window_frames": W, "network": {"kind": "none"}} | settings
    predictor = build_predictor(settings_of("predictors", "vmf_lognormal", **settings), dim)
    zeros, ones = torch.zeros(dim, dtype=torch.float64), torch.ones(dim, dtype=torch.float64)
    sd = rms / dim**0.5
    predictor.set_scaling(Scaling(zeros, ones, zeros, sd * ones, sd**2 * torch.eye(dim, dtype=torch.float64)))
    return predictor


def fit(predictor, context, delta, steps=250):
    """By Adam on the whole batch: the mean loss, and the density."""
    optimizer = torch.optim.Adam(predictor.parameters(), lr=0.05)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.05 * (1 - step / steps)
        loss = predictor.nll(context, delta).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        return float(predictor.nll(context, delta).mean()), predictor.density(context)


def draws(mu, kappa, mu_logm, sigma, slope=None):
    ones = torch.ones(len(mu))
    density = VonMisesFisherLogNormal(
        mu, kappa * ones, mu_logm * ones, math.log(sigma) * ones, None if slope is None else slope * ones
    )
    return density.sample(torch.Generator().manual_seed(1)), density


def set_outputs(predictor, **values: float):
    """Outputs of a head without context: its direction is the first axis."""
    names = ["mu_logm", "log_sigma", "log_kappa", "slope"]
    with torch.no_grad():
        predictor.network.outputs[:] = 0
        predictor.network.outputs[0] = 1
        for name, value in values.items():
            predictor.network.outputs[predictor.dim + names.index(name)] = value


@SLOPE
def test_a_fresh_head_is_at_the_scale_of_the_data(dependent):
    predictor = predictor_of(512, rms=70.0, kappa_depends_on_magnitude=dependent)
    density = predictor.density(torch.zeros(5, W, 512))
    torch.testing.assert_close(density.mean_direction.norm(dim=1), torch.ones(5))
    assert torch.allclose(density.mean_log_norm(), torch.tensor(70.0).log(), atol=0.2)
    cosine = mean_resultant_length(density.kappa, 512)
    assert ((cosine > 0.3) & (cosine < 0.5)).all()
    assert all((density.facts()[name] == 0).all() for name in density.facts() if name.endswith("at_clamp"))


@SLOPE
def test_the_loss_is_the_density_and_leaves_out_steps_of_length_zero(dependent):
    predictor = predictor_of(kappa_depends_on_magnitude=dependent, network={"kind": "mlp", "width": 16})
    context, delta = torch.randn(6, W, D), torch.randn(6, D)
    torch.testing.assert_close(predictor.nll(context, delta), -predictor.density(context).log_prob(delta))
    delta[0] = 0
    assert predictor.density(context).log_prob(delta)[0] == -math.inf
    loss = predictor.nll(context, delta)
    assert loss[0] == 0 and (loss[1:] == predictor.nll(context[1:], delta[1:])).all()
    loss.sum().backward()
    with_still = [p.grad.clone() for p in predictor.parameters()]
    predictor.zero_grad()
    predictor.nll(context[1:], delta[1:]).sum().backward()
    for gradient, parameter in zip(with_still, predictor.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("scale", [1e-12, 1e-3, 10.0, 1e3, 1e12])
def test_the_head_is_the_same_density_in_other_units(scale):
    torch.manual_seed(0)
    context, delta = torch.randn(6, W, D), torch.randn(6, D)
    one, scaled = predictor_of(rms=1.0), predictor_of(rms=scale)
    scaled.network.load_state_dict(one.network.state_dict())
    torch.testing.assert_close(scaled.nll(context, scale * delta), one.nll(context, delta) + D * math.log(scale))
    for name, fact in one.density(context).facts().items():
        torch.testing.assert_close(scaled.density(context).facts()[name], fact)


def test_clamps_hold_are_told_and_let_go():
    predictor = predictor_of(rms=math.e)  # ln of it, which mu_logm counts from, is 1
    context, axis = torch.zeros(1, W, D), torch.eye(D)[:1]
    bounds = {"mu_logm": (-8.0, 9.0), "log_sigma": (-5.0, 0.7), "log_kappa": (-5.0, 12.0)}
    shift = {"log_kappa": math.log(D / 2), "mu_logm": 1.0}
    told = {"mu_logm": "mu_logm_at_clamp", "log_sigma": "sigma_at_clamp", "log_kappa": "kappa_at_clamp"}
    for name, (low, high) in bounds.items():
        for bound, outside in ((low, -20.0), (high, 20.0)):
            set_outputs(predictor, **{name: outside})
            density = predictor.density(context)
            value = density.kappa.log() if name == "log_kappa" else getattr(density, name)
            assert float(value.detach()) == pytest.approx(bound, rel=1e-6)
            facts = {n: float(f) for n, f in density.facts().items() if n != "kappa"}
            assert facts == {n: float(n == told[name]) for n in told.values()}
        set_outputs(predictor, **{name: high - 0.01 - shift.get(name, 0.0)})
        assert float(predictor.density(context).facts()[told[name]]) == 0
    # a head beyond a bound goes back by descent where the data ask for it, and no further out where they do not
    for outside, angle, pulled in ((20.0, 0.5, True), (20.0, 0.0, False), (-20.0, 0.0, True), (-20.0, 2.0, False)):
        set_outputs(predictor, log_kappa=outside)
        predictor.zero_grad()
        step = math.cos(angle) * axis + math.sin(angle) * torch.eye(D)[1:2]
        predictor.nll(context, step).mean().backward()
        gradient = float(predictor.network.outputs.grad[D + 2])
        assert gradient * outside > 0 if pulled else gradient == 0


def test_a_head_without_context_recovers_the_law():
    dim, kappa, sigma = 16, 40.0, 0.3
    mu = F.normalize(torch.randn(1, dim, generator=torch.Generator().manual_seed(2)), dim=1)
    delta, truth = draws(mu.expand(4000, dim), kappa, 1.2, sigma)
    loss, density = fit(predictor_of(dim, rms=4.0), torch.zeros(4000, W, dim), delta)
    assert float(density.kappa[0]) == pytest.approx(kappa, rel=0.05)
    assert float(density.log_sigma[0].exp()) == pytest.approx(sigma, rel=0.05)
    assert float(density.mu_logm[0]) == pytest.approx(1.2, abs=0.02)
    assert float(density.mean_direction[0] @ mu[0]) > 0.999
    assert loss == pytest.approx(float(truth.entropy()[0]), abs=0.15)  # their own NLL is within .05 of it
    # the maximum of the likelihood of ln m is known
    log_m = delta.norm(dim=1).log()
    assert float(density.mu_logm[0]) == pytest.approx(float(log_m.mean()), abs=1e-3)
    assert float(density.log_sigma[0].exp()) == pytest.approx(float(log_m.std()), rel=1e-2)


def test_a_linear_network_finds_directions_that_the_context_tells():
    dim, kappa = 8, 20.0
    context = torch.randn(4000, 1, dim, generator=torch.Generator().manual_seed(3))
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=torch.Generator().manual_seed(4)))[0]
    delta, truth = draws(F.normalize(context[:, 0] @ turn, dim=1), kappa, 0.0, 0.5)
    predictor = predictor_of(dim, rms=1.2, window_frames=1, network={"kind": "linear"})
    loss, density = fit(predictor, context, delta)
    assert loss == pytest.approx(float(truth.entropy()[0]), abs=0.15)
    cosine = F.cosine_similarity(density.mean(), delta).mean()
    assert float(cosine) == pytest.approx(float(mean_resultant_length(torch.tensor(kappa), dim)), abs=0.02)


def test_a_concentration_that_grows_with_the_length_is_recovered():
    dim = 8
    mu = F.normalize(torch.ones(1, dim), dim=1).expand(4000, dim)
    delta, _ = draws(mu, 20.0, 0.5, 0.6, slope=0.8)
    predictor = predictor_of(dim, rms=2.0, kappa_depends_on_magnitude=True)
    _, density = fit(predictor, torch.zeros(4000, W, dim), delta)
    assert density.kappa_slope[0].item() == pytest.approx(0.8, abs=0.08)
    assert float(density.kappa[0]) == pytest.approx(20, rel=0.05)
