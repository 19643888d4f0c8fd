"""The flow: a density that integrates to one, draws from that very density, and rows that stand for themselves."""

import math

import pytest
import torch

from latentdyn.models.checkpoint import save_checkpoint
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Scaling
from tests.settings import settings_of

MLP = {"kind": "mlp", "width": 16, "layers": 1}


def settings(**options):
    small = {"window_frames": 3, "horizons": [1], "hidden_width": 16, "hidden_layers": 1, "features": 4, "network": MLP}
    return settings_of("predictors", "flow", **small | options)


def flow_of(dim, **options):
    """A flow with random weights, far from the identity."""
    torch.manual_seed(0)
    predictor = build_predictor(settings(**options), dim)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.add_(0.15 * torch.randn_like(parameter))
    return predictor.double().eval()


def scaling_of(dim):
    std = torch.linspace(0.5, 3, dim, dtype=torch.float64)
    return Scaling(std, std, 2 - std, std, (0.6 + 0.4 * torch.eye(dim, dtype=torch.float64)) * torch.outer(std, std))


@pytest.mark.parametrize("univariate", ["affine", "spline"])
@pytest.mark.parametrize("axes", ["natural", "principal"])
@pytest.mark.parametrize("dim", [1, 2])
def test_it_integrates_to_one(univariate, axes, dim):
    predictor = flow_of(dim, univariate=univariate, target_axes=axes)
    predictor.set_scaling(scaling_of(dim))
    side = torch.linspace(-25, 25, 5001 if dim == 1 else 401, dtype=torch.float64)
    grid = torch.cartesian_prod(*[side] * dim).reshape(-1, dim)
    with torch.inference_mode():
        context = torch.randn(1, 3, dim, dtype=torch.float64).expand(len(grid), -1, -1)
        density = predictor.density(context).log_prob(grid).exp()
    cell = float(side[1] - side[0]) ** dim
    assert float(density.sum()) * cell == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("univariate", ["affine", "spline"])
def test_log_prob_is_the_change_of_variables(univariate):
    predictor = flow_of(5, univariate=univariate, target_axes="principal")
    predictor.set_scaling(scaling_of(5))
    context, delta = torch.randn(1, 3, 5, dtype=torch.float64), torch.randn(5, dtype=torch.float64)
    density = predictor.density(context)

    def to_normal(x):
        return density.transform(density.target.standardized(x[None]))[0]

    jacobian = torch.autograd.functional.jacobian(to_normal, delta)
    expected = torch.distributions.Normal(0, 1).log_prob(to_normal(delta)).sum() + torch.linalg.slogdet(jacobian)[1]
    torch.testing.assert_close(density.log_prob(delta[None])[0], expected, rtol=1e-9, atol=1e-9)
    assert (jacobian.abs() > 1e-6).all(), "every dimension reaches every normal"


@pytest.mark.parametrize("univariate", ["affine", "spline"])
def test_draws_have_the_density(univariate):
    predictor = flow_of(2, univariate=univariate)
    predictor.set_scaling(scaling_of(2))
    with torch.inference_mode():
        density = predictor.density(torch.zeros(40_000, 3, 2).double())
        draws = density.sample(torch.Generator().manual_seed(1))
        again = density.sample(torch.Generator().manual_seed(1))
        log_prob = density.log_prob(draws)
    assert torch.equal(draws, again)
    # where p is the density of the draws, E[q/p] = 1 for a density q of our choosing, here one narrower than p
    normal = torch.distributions.MultivariateNormal(draws.mean(0), 0.25 * torch.cov(draws.T))
    ratio = torch.exp(normal.log_prob(draws) - log_prob)
    assert float(ratio.mean()) == pytest.approx(1, abs=4 * float(ratio.std()) / len(ratio) ** 0.5)
    assert float(ratio.std()) < 10
    # and the share of draws in a region is the integral of p over it
    side = torch.linspace(-1, 1, 200, dtype=torch.float64)
    grid = draws.median(0).values + torch.cartesian_prod(side, side)
    with torch.inference_mode():
        inside = predictor.density(torch.zeros(len(grid), 3, 2).double()).log_prob(grid).exp().sum() * (2 / 199) ** 2
    share = ((draws - draws.median(0).values).abs() < 1).all(1).double().mean()
    assert float(share) == pytest.approx(float(inside), abs=0.01)


def test_its_averages_are_those_of_its_draws():
    predictor = flow_of(3, mean_samples=300)
    predictor.set_scaling(scaling_of(3))
    with torch.inference_mode():
        density = predictor.density(torch.ones(2, 3, 3).double())
        many = predictor.density(torch.ones(20_000, 3, 3).double()).sample(torch.Generator().manual_seed(2))
        mean, log_norm = density.mean(), density.mean_log_norm()
    error = 4 * many.std(0) * (1 / 300 + 1 / 20_000) ** 0.5
    assert ((mean[0] - many.mean(0)).abs() < error).all()
    log_norms = many.norm(dim=1).log()
    assert abs(float(log_norm[0] - log_norms.mean())) < 4 * float(log_norms.std()) * (1 / 300 + 1 / 20_000) ** 0.5
    torch.testing.assert_close(mean[0], mean[1], rtol=1e-12, atol=1e-12)


def test_the_mean_is_exact_where_the_map_is_linear():
    predictor = flow_of(3, univariate="affine", transforms=1, mean_samples=1, target_axes="principal")
    predictor.set_scaling(scaling_of(3))
    with torch.no_grad():  # scale and shift of no dimension depend on another: a Gaussian
        for layer in predictor.flow.transforms[0].hyper:
            if hasattr(layer, "weight"):
                layer.weight.zero_()
    with torch.inference_mode():
        density = predictor.density(torch.randn(4, 3, 3).double())
        at_zero = density.target.natural(density.transform.inv(torch.zeros(4, 3).double()))
    torch.testing.assert_close(density.mean(), at_zero, rtol=1e-12, atol=1e-12)


def test_the_mean_of_a_row_depends_on_its_context_alone():
    predictor, context = flow_of(3), torch.randn(4, 3, 3, dtype=torch.float64)
    with torch.inference_mode():
        together = predictor.density(context)
        alone = [predictor.density(row[None]) for row in context]
        for answer in ("mean", "mean_log_norm"):
            expected = torch.cat([getattr(density, answer)() for density in alone])
            torch.testing.assert_close(getattr(together, answer)(), expected, rtol=1e-10, atol=1e-10)


def test_without_a_network_the_context_says_nothing():
    for network, same in (({"kind": "none"}, True), (MLP, False)):
        predictor = flow_of(3, network=network)
        delta = torch.randn(4, 3, dtype=torch.float64)
        left, right = (predictor.nll(torch.randn(4, 3, 3).double(), delta) for _ in range(2))
        assert torch.equal(left, right) == same


def test_a_checkpoint_is_the_whole_flow(tmp_path):
    torch.manual_seed(0)
    predictor = build_predictor(settings(target_axes="principal"), 3)
    predictor.set_scaling(scaling_of(3))
    own = settings(target_axes="principal")
    save_checkpoint(
        tmp_path / "flow.json", {"k1": predictor.state_dict()}, kind="predictor", settings=own, dim=3, seed=0, data={}
    )
    torch.manual_seed(1)
    loaded = load_predictors(tmp_path / "flow.json", own, 3, torch.device("cpu"))[1]
    context, delta = torch.randn(4, 3, 3), torch.randn(4, 3)
    assert torch.equal(loaded.nll(context, delta), predictor.nll(context, delta))
    assert torch.equal(loaded.density(context).mean(), predictor.density(context).mean())


def test_a_fitted_flow_recovers_a_density_that_no_gaussian_has():
    """Two far apart clusters in one dimension, which of them the context's sign says only 9 times in 10."""
    torch.manual_seed(0)
    n, noise = 4096, 0.3
    context = torch.randn(n, 1, 1)
    side = torch.sign(context[:, 0]) * torch.where(torch.rand(n, 1) < 0.9, 1.0, -1.0)
    delta = 2 * side + noise * torch.randn(n, 1)
    predictor = build_predictor(settings(window_frames=1), 1)
    optimizer = torch.optim.Adam(predictor.parameters(), lr=1e-2)
    for _ in range(300):
        index = torch.randint(n, (512,))
        optimizer.zero_grad()
        predictor.nll(context[index], delta[index]).mean().backward()
        optimizer.step()
    choice = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    exact = 0.5 * math.log(2 * math.pi * math.e * noise**2) + choice
    with torch.inference_mode():
        assert float(predictor.nll(context, delta).mean()) == pytest.approx(exact, abs=0.15)
        mean = predictor.density(torch.tensor([[[1.0]], [[-1.0]]])).mean()[:, 0]
    torch.testing.assert_close(mean, torch.tensor([1.6, -1.6]), rtol=0, atol=0.6)  # of 16 draws
