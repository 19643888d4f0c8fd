"""Predictors against what they should recover, and against each other."""

import numpy as np
import pytest
import scipy.stats
import torch

from latentdyn.distributions.student_mixture import bounded_log_dofs
from latentdyn.errors import UserError
from latentdyn.stores.windows import Scaling
from tests.settings import predictor_of

MDN = {"kind": "mdn", "window_frames": 3, "n_components": 2, "network": {"kind": "mlp", "width": 16}}
LINEAR = {"kind": "linear_gaussian", "window_frames": 2, "ridges": [1e-6]}
HEADS = {
    "mdn": {"kind": "mdn", "n_components": 2},
    "student": {"kind": "mdn", "n_components": 2, "components": "student_t"},
    "affine flow": {"kind": "flow", "univariate": "affine", "hidden_width": 16, "features": 5},
    "spline flow": {"kind": "flow", "univariate": "spline", "hidden_width": 16, "features": 5},
}
NETWORKS = {
    "none": {"kind": "none"},
    "linear": {"kind": "linear"},
    "mlp": {"kind": "mlp", "width": 16, "layers": 1},
    "transformer": {"kind": "transformer", "width": 16, "layers": 1, "heads": 2},
    "gru": {"kind": "gru", "width": 16},
}


@pytest.mark.parametrize("axes", ["natural", "principal"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("head", HEADS)
def test_the_training_loss_is_the_density_in_natural_units(head, network, axes, scaling):
    torch.manual_seed(0)
    options = {"window_frames": 3, "target_axes": axes, "network": NETWORKS[network]}
    predictor = predictor_of(dim=4, **HEADS[head], **options).eval()
    predictor.set_scaling(scaling)
    context, delta = 3 * torch.randn(7, 3, 4), torch.randn(7, 4)
    nll = predictor.nll(context, delta)
    torch.testing.assert_close(nll, -predictor.density(context).log_prob(delta), rtol=1e-5, atol=1e-4)
    nll.mean().backward()
    for name, parameter in predictor.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all(), name
    precise = predictor.double()
    in_float64 = precise.nll(context.double(), delta.double())
    torch.testing.assert_close(nll.double(), in_float64, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("head", HEADS)
def test_draws_have_the_mean_and_log_norm_that_the_density_says(head, scaling):
    torch.manual_seed(0)
    predictor = predictor_of(dim=4, **HEADS[head], window_frames=3, network={"kind": "linear"}).eval()
    predictor.set_scaling(scaling)
    with torch.inference_mode():
        density = predictor.density(torch.randn(1, 3, 4).expand(10_000, -1, -1))
        draws, mean, log_norm = (
            density.sample(torch.Generator().manual_seed(1)),
            density.mean(),
            density.mean_log_norm(),
        )
    assert torch.equal(draws, density.sample(torch.Generator().manual_seed(1)))
    spread = draws.std(0)
    assert ((mean[0] - draws.mean(0)).abs() < 0.1 * spread).all()
    assert float(log_norm[0]) == pytest.approx(float(draws.norm(dim=1).log().mean()), abs=0.15)


@pytest.mark.parametrize("axes", ["natural", "principal"])
@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("head", [*HEADS, "vmf"])
def test_the_mean_step_is_the_mean_of_the_density(head, network, axes, scaling):
    torch.manual_seed(0)
    options = {"window_frames": 3, "network": NETWORKS[network]}
    options |= {"kind": "vmf_lognormal"} if head == "vmf" else {**HEADS[head], "target_axes": axes}
    predictor = predictor_of(dim=4, **options).eval()
    predictor.set_scaling(scaling)
    context = 3 * torch.randn(7, 3, 4)
    step, unit = predictor.mean_step(context), scaling.delta_std.max()
    torch.testing.assert_close(step / unit, predictor.density(context).mean() / unit, rtol=1e-5, atol=1e-5)
    precise = predictor.double()
    mean = precise.density(context.double()).mean()
    torch.testing.assert_close(precise.mean_step(context.double()) / unit, mean / unit, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("components", ["gaussian", "student_t"])
def test_the_mean_step_of_an_mdn_needs_weights_and_means_only(components):
    torch.manual_seed(0)
    predictor = predictor_of(dim=4, **MDN, components=components)
    context, last = torch.randn(7, 3, 4), predictor.network.layers[-1]
    before = predictor.mean_step(context)
    with torch.no_grad():
        last.weight[2 * (1 + 4) :] = torch.nan
    assert torch.equal(predictor.mean_step(context), before)
    assert predictor.density(context).log_prob(torch.zeros(7, 4)).isnan().all()


@pytest.mark.parametrize("components", ["gaussian", "student_t"])
def test_the_mdn_reports_how_much_of_it_is_at_the_clamp(components, scaling):
    torch.manual_seed(0)
    clamp = {"log_sigma_min": -0.1, "log_sigma_max": 0.3}
    options = {"components": components, "target_axes": "principal"}
    predictor = predictor_of(dim=4, **MDN, **clamp, **options)
    with torch.no_grad():  # two components of equal weight, half of all log sigmas at either bound
        for parameter in predictor.network.layers[-1].parameters():
            parameter.zero_()
        log_sigmas = predictor.network.layers[-1].bias[2 + 2 * 4 : 2 + 4 * 4].view(2, 4)
        log_sigmas[0, :3], log_sigmas[1, :1] = -7, 7
    predictor.set_scaling(scaling)
    facts = predictor.density(torch.randn(7, 3, 4)).facts()
    torch.testing.assert_close(facts, {"sigma_at_clamp": torch.full((7,), 0.5)})


def test_each_student_component_has_its_own_degrees_of_freedom_and_starts_at_20():
    torch.manual_seed(0)
    predictor = predictor_of(dim=4, **MDN, components="student_t")
    context, last = torch.randn(7, 3, 4), predictor.network.layers[-1]
    dofs = predictor.density(context).mixture.log_dofs.exp()
    assert dofs.shape == (7, 2) and (dofs > 10).all() and (dofs < 40).all()
    with torch.no_grad():
        last.weight[-2:], last.bias[-2:] = 0, torch.tensor([-2.0, 3.0])
    expected = bounded_log_dofs(torch.tensor([-2.0, 3.0])).expand(7, 2)
    torch.testing.assert_close(predictor.density(context).mixture.log_dofs, expected)


def test_a_student_mdn_finds_heavy_tails():
    """t steps of 3 degrees of freedom, without a context."""
    generator = torch.Generator().manual_seed(0)
    delta = torch.randn(4096, 4, generator=generator)
    delta /= (torch.randn(4096, 3, generator=generator).square().mean(1, keepdim=True)).sqrt()
    nll = {}
    for components in ("gaussian", "student_t"):
        torch.manual_seed(0)
        options = {"components": components, "n_components": 1, "network": {"kind": "none"}}
        predictor = predictor_of(dim=4, **MDN | options)
        optimizer = torch.optim.Adam(predictor.parameters(), lr=0.05)
        for _ in range(150):
            optimizer.zero_grad()
            loss = predictor.nll(torch.zeros(len(delta), 3, 4), delta).mean()
            loss.backward()
            optimizer.step()
        nll[components] = float(loss.detach())
    dof = predictor.density(torch.zeros(1, 3, 4)).mixture.log_dofs.exp()
    assert float(dof.detach()) == pytest.approx(3, rel=0.1)
    reference = scipy.stats.multivariate_t(np.zeros(4), df=3)
    assert nll["student_t"] == pytest.approx(-reference.logpdf(delta.numpy()).mean(), abs=0.01)
    assert nll["gaussian"] > nll["student_t"] + 0.3


def test_a_context_free_mdn_in_principal_axes_is_the_full_covariance_gaussian(scaling):
    options = {"target_axes": "principal", "n_components": 1, "network": {"kind": "none"}}
    predictor = predictor_of(dim=4, **MDN | options)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.zero_()  # one component, mean 0 and sigma 1 in the axes' units
    mean, covariance = scaling.delta_mean, scaling.delta_covariance
    predictor.set_scaling(scaling)
    context, delta = torch.randn(7, 3, 4), torch.randn(7, 4)
    expected = torch.distributions.MultivariateNormal(mean.float(), covariance.float())
    torch.testing.assert_close(
        predictor.density(context).log_prob(delta), expected.log_prob(delta), rtol=1e-4, atol=1e-3
    )
    torch.testing.assert_close(predictor.density(context).mean(), mean.float().expand(7, 4), rtol=1e-4, atol=1e-4)
    with torch.inference_mode():
        many = predictor.density(torch.zeros(50_000, 3, 4))
    draws = many.sample(torch.Generator().manual_seed(0))
    torch.testing.assert_close(torch.cov(draws.T), covariance.float(), rtol=0.05, atol=0.05)
    assert float(draws.norm(dim=1).log().mean()) == pytest.approx(float(many.mean_log_norm()[0]), abs=0.05)


def test_the_mdn_is_the_same_density_in_other_units():
    torch.manual_seed(0)
    predictor, rescaled = predictor_of(dim=4, **MDN), predictor_of(dim=4, **MDN)
    rescaled.load_state_dict(predictor.state_dict())
    ones = torch.ones(4)
    rescaled.set_scaling(Scaling(0 * ones, 10 * ones, 0 * ones, 10 * ones, 100 * torch.eye(4)))
    context, delta = torch.randn(7, 3, 4), torch.randn(7, 4)
    left = predictor.nll(context, delta) + 4 * np.log(10)
    torch.testing.assert_close(left, rescaled.nll(10 * context, 10 * delta), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_linear_predictor_recovers_a_var_and_equals_scikit_learn(make_store, var_process, windows_of, covariance):
    from sklearn.linear_model import LinearRegression

    transition = np.array([[0.8, 0.3], [-0.2, 0.7]])
    store, frames = make_store(var_process(transition, 20, 500))
    train = windows_of(store, frames, 2, [1, 2], "train")
    predictor = predictor_of(dim=2, **LINEAR, covariance=covariance)
    predictor.set_scaling(Scaling.fit(train))
    list(predictor.solve(train, None, 1))
    context, delta = train.batch(slice(None), 1)
    regression = LinearRegression().fit(context.flatten(1).numpy(), delta.numpy())
    mean = predictor.density(context).mean().numpy()
    np.testing.assert_allclose(mean, regression.predict(context.flatten(1).numpy()), atol=2e-4)
    # the newest frame's weight is A - I, the older one's 0
    weight = (predictor.weight.T / predictor.frame_std.repeat(2)).numpy()
    np.testing.assert_allclose(weight[:, 2:], transition - np.eye(2), atol=0.05)
    np.testing.assert_allclose(weight[:, :2], 0, atol=0.05)
    residual = np.cov((delta.numpy() - mean).T)
    expected = residual if covariance == "full" else np.diag(np.diag(residual))
    np.testing.assert_allclose((predictor.factor @ predictor.factor.T).numpy(), expected, rtol=0.01, atol=0.01)


def test_held_out_speakers_choose_the_ridge(make_store, var_process, windows_of):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 60))
    train, validation = (windows_of(store, frames, 2, [1], split) for split in ("train", "validation"))
    predictor = predictor_of(dim=2, **LINEAR | {"ridges": [1e-6, 1e6]})
    predictor.set_scaling(Scaling.fit(train))
    trials = list(predictor.solve(train, validation, 1))
    assert [t["ridge"] for t in trials] == pytest.approx([1e-6, 1e6, 1e-7])  # it looked a step further
    assert trials[0]["validation_nll"] < trials[1]["validation_nll"]
    assert float(predictor.weight.abs().max()) > 0.1  # not the one that the large ridge shrank
    nll = -predictor.density(validation.batch(slice(None), 1)[0]).log_prob(validation.batch(slice(None), 1)[1]).mean()
    assert float(nll) == pytest.approx(trials[0]["validation_nll"], rel=1e-5)


def test_several_ridges_without_held_out_speakers_are_refused(make_store, var_process, windows_of):
    store, frames = make_store(var_process(0.5 * np.eye(2), 3, 60))
    predictor = predictor_of(dim=2, **LINEAR | {"ridges": [1e-6, 1.0]})
    with pytest.raises(UserError, match="held-out training speakers"):
        predictor.solve(windows_of(store, frames, 2, [1], "train"), None, 1)


@pytest.mark.parametrize("share", [1e-2, 1e-4, 1e-6])
def test_the_residual_covariance_is_right_to_1e_6(make_store, windows_of, share):
    """Against numpy's least squares on the same contexts, where the context tells all but a share of the variance."""
    rng = np.random.default_rng(0)
    turn = scipy.stats.special_ortho_group.rvs(3, random_state=0)
    x = np.zeros((4000, 3))
    x[0] = rng.normal(size=3)
    for t in range(1, len(x)):
        x[t] = np.sqrt(1 - share) * turn @ x[t - 1] + np.sqrt(share) * rng.normal(size=3) * [1, 2, 0.5]
    store, frames = make_store({("u", "t"): x})
    train = windows_of(store, frames, 2, [1], "train")
    predictor = predictor_of(dim=3, **LINEAR | {"ridges": [0.0]})
    predictor.set_scaling(Scaling.fit(train))
    predictor.solve(train, None, 1)
    context, delta = (part.numpy() for part in train.batch(slice(None), 1))
    design = np.column_stack([context.reshape(len(context), -1).astype(np.float64), np.ones(len(context))])
    target = delta.astype(np.float64)
    residual = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    factor = predictor.factor.double().numpy()
    expected = residual.T @ residual / len(residual)
    unit = np.sqrt(np.diag(expected))
    np.testing.assert_allclose((factor @ factor.T - expected) / np.outer(unit, unit), 0, atol=1e-6)


def test_steps_that_follow_exactly_are_refused(make_store, windows_of):
    t = np.arange(600.0)[:, None]
    store, frames = make_store({("u", "t"): np.sin(t * [0.3, 0.7])})  # x_t = 2 cos(ω) x_{t-1} - x_{t-2}
    train = windows_of(store, frames, 2, [1], "train")
    predictor = predictor_of(dim=2, **LINEAR | {"ridges": [0.0]})
    predictor.set_scaling(Scaling.fit(train))
    with pytest.raises(UserError, match="tells the next step exactly, up to rounding, in 2 of 2 directions"):
        predictor.solve(train, None, 1)


def test_one_frame_that_only_contexts_hold_is_told(make_store, windows_of, var_process):
    data = var_process(0.5 * np.eye(2), 3, 60)
    data["u0", "t0"][0] = 1e20
    store, frames = make_store(data)
    train = windows_of(store, frames, 2, [1, 4], "train")
    predictor = predictor_of(dim=2, **LINEAR)
    predictor.set_scaling(Scaling.fit(train))  # no target frame holds it
    predictor.solve(train, None, 1)
    with pytest.raises(UserError, match="contexts hold frames so far from all others"):
        predictor.solve(train, None, 4)
