"""Heads that are trained to draw: the flow's likelihood beside exact ones, and what the energy score teaches."""

import itertools
import math

import pytest
import torch

from latentdyn.distributions.pushed import Pushed
from latentdyn.predictors.base import build_predictor
from latentdyn.predictors.conditioned_mlp import ConditionedMLP
from latentdyn.stores.windows import Scaling, Windows
from tests.settings import settings_of

DIM, W = 3, 2
NONE = {"network": {"kind": "none"}, "horizons": [1], "window_frames": W, "features": 4, "hidden_width": 16}


def head(kind, windows=None, **changes):
    torch.manual_seed(0)
    made = build_predictor(settings_of("predictors", kind, **(NONE | changes)), DIM)
    if windows is not None:
        made.set_start(Scaling.fit(windows), windows, None, 1)
    return made.double().eval()


@pytest.fixture
def windows():
    """Steps of a random walk: N(m, C)."""
    steps = torch.randn(2000, DIM, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mixed = steps @ torch.tensor([[2.0, 0.5, 0], [0, 1, -0.3], [0, 0, 0.2]], dtype=torch.float64) + 0.1
    rows = torch.arange(W, 2000)
    return Windows(mixed.cumsum(0), rows, W, t=rows)


def shaken(made, size=0.5):
    """Weights that are not those of the start."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for value in made.parameters():
            value += (
                size * torch.randn(value.shape, generator=generator, dtype=value.dtype) / math.sqrt(value.shape[-1])
            )
    return made


def test_the_divergence_is_the_trace_of_the_jacobian():
    torch.manual_seed(0)
    network = shaken(ConditionedMLP(DIM, 4, 16).double())
    y, conditions = torch.randn(5, DIM, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    out, divergence = network.with_divergence(y, conditions)
    torch.testing.assert_close(out, network(y, conditions))
    for row in range(5):
        jacobian = torch.autograd.functional.jacobian(
            lambda x, row=row: network(x[None], conditions[row : row + 1])[0], y[row]
        )
        assert float(divergence[row]) == pytest.approx(float(jacobian.trace()), rel=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("axes", ["principal", "natural"])
def test_untrained_it_is_the_gaussian_of_its_units_in_any_number_of_steps(windows, axes):
    context, delta = windows.batch(slice(0, 200), 1)
    scaling = Scaling.fit(windows)
    covariance = scaling.delta_covariance if axes == "principal" else scaling.delta_covariance.diagonal().diag()
    exact = torch.distributions.MultivariateNormal(scaling.delta_mean, covariance)
    for options in ({"solver": "euler", "nfe": 1, "likelihood_steps": 2}, {}):
        density = head("flow_matching", windows, target_axes=axes, **options).density(context)
        torch.testing.assert_close(density.log_prob(delta), exact.log_prob(delta), rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(density.mean(), scaling.delta_mean.expand(200, -1))


class Exact(torch.nn.Module):
    """What the network has to learn of N(m, diag d²): E[y - z | y_s] less the part of N(0, I)."""

    m, d = torch.tensor([0.5, -1.0, 0.0], dtype=torch.float64), torch.tensor([0.5, 2.0, 1.0], dtype=torch.float64)

    def forward(self, y, conditions):
        return self.with_divergence(y, conditions)[0]

    def with_divergence(self, y, conditions):
        s = conditions[:, 4:5]  # after the features
        pull = (s * self.d**2 - (1 - s)) / (s**2 * self.d**2 + (1 - s) ** 2)
        rest = (2 * s - 1) / (s**2 + (1 - s) ** 2)
        return self.m + pull * (y - s * self.m) - rest * y, (pull - rest).sum(dim=1)


@torch.no_grad()
def test_the_likelihood_of_a_known_gaussian_converges_with_the_square_of_the_steps():
    made = head("flow_matching")
    made.velocity.rest = Exact()
    y = Exact.m + Exact.d * torch.randn(300, DIM, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    exact = torch.distributions.Normal(Exact.m, Exact.d).log_prob(y).sum(1)
    errors = []
    for steps in (16, 32, 64, 128):
        made.likelihood_steps = steps
        density = made.density(torch.zeros(300, W, DIM, dtype=torch.float64))
        errors.append(float((density.log_prob(y) - exact).abs().mean()))
        by_fewer = density.coarser().log_prob(y)
        assert float((by_fewer - exact).abs().mean()) > 3 * errors[-1]  # so what it tells is most of the error
    assert errors[-1] < 1e-3
    assert all(3.5 < coarse / fine < 4.5 for coarse, fine in itertools.pairwise(errors[1:]))


@torch.no_grad()
def test_the_likelihood_of_any_weights_is_that_of_the_map_that_draws(windows):
    made = shaken(head("flow_matching", windows, nfe=256, likelihood_steps=128))
    context, _ = windows.batch(slice(0, 3), 1)
    density = made.density(context)
    z = torch.randn(3, DIM, dtype=torch.float64)
    x = density.push(z)
    with torch.enable_grad():
        jacobian = torch.autograd.functional.jacobian(lambda z: density.push(z).sum(0), z)  # rows do not mix
    volume = torch.stack([jacobian[:, row].slogdet()[1] for row in range(3)])
    expected = torch.distributions.Normal(0, 1).log_prob(z).sum(1) - volume
    assert float(volume.std()) > 0.01  # not the start's Gaussian
    torch.testing.assert_close(density.log_prob(x), expected, atol=1e-3, rtol=1e-3)


@torch.no_grad()
def test_euler_and_midpoint_meet_where_steps_are_many(windows):
    context, _ = windows.batch(slice(0, 1), 1)
    z = torch.randn(1, DIM, dtype=torch.float64)

    def drawn(solver, nfe):
        return shaken(head("flow_matching", windows, solver=solver, nfe=nfe)).density(context).push(z)

    far = drawn("midpoint", 512)
    errors = {(s, n): float((drawn(s, n) - far).norm()) for s in ("euler", "midpoint") for n in (16, 64)}
    assert errors["midpoint", 16] < errors["euler", 16] and errors["midpoint", 64] < 0.1 * errors["euler", 64]
    assert errors["euler", 64] == pytest.approx(errors["euler", 16] / 4, rel=0.3)


@pytest.mark.parametrize("kind", ["flow_matching", "energy"])
def test_training_teaches_a_law_of_two_modes(kind):
    """Steps are 0 or 3 with noise .3: what lies between is empty, which a Gaussian does not say."""
    generator = torch.Generator().manual_seed(3)
    long = (torch.rand(4000, 1, generator=generator) < 0.3).float()
    steps = torch.cat(
        [3 * long + 0.3 * torch.randn(4000, 1, generator=generator), torch.randn(4000, 2, generator=generator)], 1
    )
    rows = torch.arange(W, 4000)
    made = head(kind, Windows(steps.cumsum(0).double(), rows, W, t=rows), hidden_width=32).float().train()
    assert not made.trains_likelihood
    optimizer = torch.optim.AdamW(made.parameters(), lr=5e-3)
    torch.manual_seed(0)
    for _ in range(250):
        delta = steps[torch.randint(0, 4000, (256,))]
        loss = made.loss(torch.zeros(256, W, DIM), delta).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    made.eval()
    held_out = [made.loss(torch.zeros(500, W, DIM), steps[:500]) for _ in range(2)]
    assert torch.equal(*held_out)  # the same draws each time
    with torch.no_grad():
        density = made.density(torch.zeros(2000, W, DIM))
        x = density.sample(torch.Generator().manual_seed(4))
        between = float(((x[:, 0] > 1) & (x[:, 0] < 2)).float().mean())
        assert between < 0.18  # of the Gaussian of the same moments, .25
        assert float(x[:, 0].std()) == pytest.approx(float(steps[:, 0].std()), rel=0.15)
        if kind == "flow_matching":
            held = steps[:500]
            gaussian = -torch.distributions.Normal(steps.mean(0), steps.std(0)).log_prob(held).sum(1).mean()
            assert float(made.nll(torch.zeros(500, W, DIM), held).mean()) < float(gaussian) - 0.3
    assert isinstance(density, Pushed) and density.gives("log_prob") == (kind == "flow_matching")
