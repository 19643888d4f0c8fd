"""The parts: what each reads and no more, what each costs, and closed forms."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentdyn.models.factorizer.dynamics import Dynamics
from latentdyn.models.factorizer.innovation import Gaussian, kl
from latentdyn.models.factorizer.network import build_factorizer
from latentdyn.models.factorizer.objective import innovation_cost, see
from latentdyn.models.factorizer.reconstructor import Reconstructor
from latentdyn.models.factorizer.start import _noise_of_rate
from tests.settings import settings_of

from .examples import NARROW, settings

NETWORKS = {kind: settings_of("network", kind) for kind in ("none", "linear", "mlp", "gru", "transformer")}
SMALL = {
    "mlp": NARROW,
    "gru": {"kind": "gru", "width": 6},
    "transformer": {"kind": "transformer", "width": 8, "heads": 2},
}


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def shaken(own):
    """A model whose networks are in use."""
    torch.manual_seed(1)
    model = build_factorizer(own, 3).eval()
    for name, value in model.named_parameters():
        if name.endswith("scale"):
            value.data.fill_(0.5)
    return model


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("timing", ["strict", "inclusive"])
def test_a_state_reads_the_frames_before_it_and_no_later_ones(kind, timing):
    model = shaken(settings(dim=2, timing=timing, encoder=SMALL.get(kind, {"kind": kind})))
    frames = torch.randn(1, 14, 3, generator=noise())
    before = model.see(frames, noise(1)).states
    for t in range(4, 14):  # states are those of frames 4, 5, ...
        changed = frames.clone()
        changed[:, t] += 5
        moved = (model.see(changed, noise(1)).states != before).any(2)[0]
        first = t - 4 + (1 if timing == "strict" else 0)
        assert not moved[:first].any() and (first == len(moved) or moved[first])
        if kind != "gru":
            assert not moved[first + 4 :].any(), "only the last W frames are read"


def test_the_posterior_reads_its_own_frame_and_state_alone():
    model = shaken(settings(dim=2))
    frames, states = torch.randn(2, 6, 3, generator=noise()), torch.randn(2, 6, 2, generator=noise(1))
    before = model.innovation.posterior(frames, states).mean
    frames[:, 3] += 1
    moved = (model.innovation.posterior(frames, states).mean != before).any(2)
    assert moved[:, 3].all() and moved.sum() == 2


def test_the_kl_is_that_of_two_gaussians_and_balancing_keeps_its_value():
    q, p = (Gaussian(*torch.randn(2, 2, 5, 3, generator=noise(i)).double()) for i in range(2))
    of_torch = kl_divergence(Normal(q.mean, (0.5 * q.log_variance).exp()), Normal(p.mean, (0.5 * p.log_variance).exp()))
    torch.testing.assert_close(kl(q, p), of_torch)
    model = shaken(settings(dim=2, innovation={"prior": "conditional"}))
    frames, states = torch.randn(2, 6, 3, generator=noise()), torch.randn(2, 6, 2, generator=noise(1))
    costs, moved = [], []
    for balance in (None, 0.5, 1.0, 0.0):
        own = settings(dim=2, innovation={"prior": "conditional", "balance": balance})["innovation"]
        model.zero_grad()
        cost = innovation_cost(see(model.innovation, own, frames, states, noise()), own)
        cost.backward()
        costs.append(cost.item())
        moved.append([float(w.grad.abs().sum()) if w.grad is not None else 0.0
                      for w in (model.innovation.line.weight, model.innovation.of_state.scale)])  # fmt: skip
    assert costs == pytest.approx([costs[0]] * 4)
    whole, half, to_prior, to_posterior = np.array(moved)
    np.testing.assert_allclose(half, whole / 2, rtol=1e-5)
    assert to_prior[0] == 0 and to_prior[1] > 0 and to_posterior[0] > 0 and to_posterior[1] == 0


def test_free_nats_cost_nothing_and_a_conditional_prior_may_leave_the_state_alone():
    model = shaken(settings(dim=2, innovation={"prior": "conditional"}))
    frames, states = (
        torch.randn(2, 6, 3, generator=noise()),
        torch.randn(2, 6, 2, generator=noise(1), requires_grad=True),
    )
    own = settings(dim=2, innovation={"prior": "conditional", "free_nats": 1000.0})["innovation"]
    cost = innovation_cost(see(model.innovation, own, frames, states, noise()), own)
    assert cost.item() == 1000 and not torch.autograd.grad(cost, states, retain_graph=True)[0].any()
    for stopped in (True, False):
        own = settings(dim=2, innovation={"prior": "conditional", "stop_gradient": stopped})["innovation"]
        prior = see(model.innovation, own, frames, states, noise()).prior
        assert (
            prior.mean.requires_grad
            and (torch.autograd.grad(prior.mean.sum(), states, allow_unused=True)[0] is None) == stopped
        )


def test_draws_of_the_prior_replace_frames_and_channels():
    model = shaken(settings(dim=2))
    frames, states = torch.randn(50, 40, 3, generator=noise()), torch.randn(50, 40, 2, generator=noise(1))
    for name in ("prior_sample_prob", "channel_dropout"):
        own = settings(dim=2, innovation={name: 0.3})["innovation"]
        seen = see(model.innovation, own, frames, states, noise())
        replaced = seen.used == seen.redrawn
        assert torch.equal(torch.where(replaced, seen.redrawn, seen.drawn), seen.used)
        whole = (
            replaced.all(2) | ~replaced.any(2) if name == "prior_sample_prob" else replaced.all(1) | ~replaced.any(1)
        )
        assert whole.all() and float(replaced.double().mean()) == pytest.approx(0.3, abs=0.06)


@pytest.mark.parametrize("p", [0.0, 0.4, 0.8])
def test_an_innovation_that_is_drawn_from_the_prior_so_often_is_worth_what_the_closed_form_says(p):
    """MSE_post = λ (1 - ρ² (1 - p²)): the best line of a reconstructor that gets another's innovation with chance p."""
    rho, n = 0.8, 200_000
    x, own, other = torch.randn(3, n, generator=noise()).double()
    posterior = rho * x + (1 - rho**2) ** 0.5 * own
    used = torch.where(torch.rand(n, generator=noise(1)) < p, other, posterior)
    gain = float((used * x).mean() / used.square().mean())
    assert float((x - gain * posterior).square().mean()) == pytest.approx(1 - rho**2 * (1 - p**2), abs=0.01)


def test_a_scale_or_a_mixing_of_the_state_buys_nothing_by_the_whitened_likelihood_alone():
    states = torch.randn(30, 12, 2, generator=noise()).cumsum(1)
    mixing = torch.tensor([[0.01, 0.0], [0.02, 0.005]])
    changes = {}
    for likelihood in ("whitened", "fixed"):
        dynamics = Dynamics(2, likelihood, 1, {"kind": "none"})
        costs = []
        for mixed in (torch.eye(2), mixing):
            line = torch.linalg.inv(mixed) @ (0.9 * torch.eye(2)) @ mixed
            dynamics.line.weight.data, dynamics.line.bias.data = line.T, torch.zeros(2)
            costs.append(float(dynamics.cost(states @ mixed).detach()))
        changes[likelihood] = costs[1] - costs[0]
    assert abs(changes["whitened"]) < 0.05 and changes["fixed"] < -0.5


def test_an_additive_reconstructor_adds_what_the_innovation_says_whatever_the_state():
    for form, constant in (("additive", True), ("joint", False)):
        torch.manual_seed(0)
        reconstructor = Reconstructor(3, 2, 2, form, 0.5, False, settings()["network"])
        reconstructor.beside.scale.data.fill_(1)
        states, innovation = (
            torch.randn(1, 5, 2, generator=noise()),
            torch.randn(1, 1, 2, generator=noise(1)).expand(1, 5, 2),
        )
        added = reconstructor(states, innovation) - reconstructor(states, torch.zeros(1, 5, 2))
        assert torch.allclose(added, added[:, :1].expand_as(added), atol=1e-6) == constant


def test_the_noise_of_a_rate_is_found():
    values = np.array([4.0, 1.0, 0.1])
    for nats in (0.3, 1.0, 6.0):
        assert 0.5 * np.log(values / _noise_of_rate(values, nats)).clip(min=0).sum() == pytest.approx(nats)
