"""The flow of innovations: a law that no Gaussian draws is found, and where the prior is right it adds nothing."""

import pytest
import torch

from latentdyn.diagnostics.energy import energy_score
from latentdyn.models.factorizer.innovation import Gaussian
from latentdyn.models.factorizer.innovation_flow import InnovationFlow, fit_flow
from latentdyn.models.factorizer.network import build_factorizer
from tests.unit.models.factorizer.examples import settings

N, DRAWS = 4000, 16


def factorizer():
    """One that hands frames on as innovations, but for a little noise; its prior is N(0, I), and states are stored as
    they are."""
    model = build_factorizer(settings(dim=1, innovation={"dim": 2}), 2).eval()
    with torch.no_grad():
        model.innovation.line.weight.copy_(torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
        model.innovation.line.bias.zero_()
        model.innovation.log_variance.fill_(-8)
    return model


def fitted(frames, states):
    torch.manual_seed(0)
    flow, noise = InnovationFlow(1, 2, nfe=32, hidden_width=64), torch.Generator().manual_seed(1)
    fit_flow(flow, factorizer(), frames, states, steps=1500, batch_size=256, learning_rate=3e-3, noise=noise)
    return flow


def drawn(flow, states, seed=2):
    zeros = torch.zeros(1, len(states), 2)
    with torch.no_grad():
        return flow.draw(states, Gaussian(zeros, zeros), torch.Generator().manual_seed(seed))[0]


def score(draw, frames):
    """The mean energy score of draws (n, 2) that a function gives for each seed."""
    return float(energy_score(torch.stack([draw(i) for i in range(DRAWS)], dim=1), frames, torch.ones(2)).mean())


def some(n=N):
    """States, and frames whose first dimension is ± 1 and whose second is 0.9 times the state, both but for noise."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(n, 1, generator=generator)
    signs = torch.randint(0, 2, (n, 1), generator=generator) * 2 - 1
    frames = torch.cat([signs, 0.9 * states], dim=1) + 0.1 * torch.randn(n, 2, generator=generator)
    return frames, states


def normals(seed):
    return torch.randn(N, 2, generator=torch.Generator().manual_seed(seed))


def test_a_law_of_two_modes_that_moves_with_the_state_is_drawn():
    frames, states = some()
    flow = fitted(frames, states)
    u = drawn(flow, states)
    between = float((u[:, 0].abs() < 0.5).float().mean())
    assert between < 0.38 / 4, "a Gaussian of this variance has .38 there; paths are continuous, so some cross"
    assert float((u[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(u[:, 0].abs().mean()) == pytest.approx(1, abs=0.05)
    assert float(torch.corrcoef(torch.stack([u[:, 1], states[:, 0]]))[0, 1]) > 0.97
    assert score(lambda i: drawn(flow, states, i), frames) < 0.7 * score(normals, frames)
    torch.testing.assert_close(u, drawn(flow, states), rtol=0, atol=0)  # by the same noise
    assert not torch.equal(u, drawn(flow, states, 3))


def test_where_the_prior_is_the_law_the_flow_stays_with_it():
    generator = torch.Generator().manual_seed(5)
    frames, states = torch.randn(N, 2, generator=generator), torch.randn(N, 1, generator=generator)
    flow = fitted(frames, states)
    u = drawn(flow, states)
    assert float(u.mean(0).abs().max()) < 0.08 and float((u.std(0) - 1).abs().max()) < 0.08
    assert float((u[:, 0].abs() < 0.5).float().mean()) == pytest.approx(0.383, abs=0.04)
    assert score(lambda i: drawn(flow, states, i), frames) == pytest.approx(score(normals, frames), rel=0.01)


def test_before_it_is_fitted_it_is_the_prior():
    prior = Gaussian(torch.full((1, N, 2), 3.0), torch.full((1, N, 2), 0.5))
    flow, noise = InnovationFlow(1, 2, nfe=2, hidden_width=8), torch.Generator().manual_seed(4)
    with torch.no_grad():
        u = flow.draw(torch.randn(N, 1), prior, noise)
    torch.testing.assert_close(u, prior.sample(torch.Generator().manual_seed(4)))
