"""Predictors against what they should recover, and against each other."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Scaling, Windows, common_frames

SETTINGS = {"kind": "mdn", "window_frames": 3, "horizons": [1], "n_components": 2, "hidden_width": 16, "dropout": 0.0,
            "hidden_layers": 2, "log_sigma_min": -5.0, "log_sigma_max": 3.0, "training": {}}  # fmt: skip
LINEAR = {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 2], "covariance": "full", "ridges": [1e-6]}


def windows_of(store, frames, window, horizons, split):
    usable = common_frames(frames, store.n_rows, window, horizons)
    return Windows.of(torch.from_numpy(store.load()), usable[usable["split"] == split], window)


def covariance_of(dim):
    root = torch.randn(dim, dim, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    return root @ root.T + 0.1 * torch.eye(dim, dtype=torch.float64)


@pytest.mark.parametrize("axes", ["natural", "principal"])
def test_the_training_loss_of_the_mdn_is_its_density_in_natural_units(axes):
    torch.manual_seed(0)
    predictor = build_predictor({**SETTINGS, "target_axes": axes}, 4)
    scale = torch.tensor([0.5, 1, 2, 10], dtype=torch.float64)
    predictor.set_scaling(Scaling(scale + 1, scale, scale - 3, 2 * scale, covariance_of(4)))
    context, delta = 3 * torch.randn(7, 3, 4), torch.randn(7, 4)
    torch.testing.assert_close(
        predictor.nll(context, delta), -predictor.density(context).log_prob(delta), rtol=1e-5, atol=1e-4
    )


def test_a_context_free_mdn_in_principal_axes_is_the_full_covariance_gaussian():
    predictor = build_predictor({**SETTINGS, "target_axes": "principal", "n_components": 1}, 4)
    with torch.no_grad():
        for parameter in predictor.parameters():
            parameter.zero_()  # one component, mean 0 and sigma 1 in the axes' units
    mean, covariance = torch.tensor([1.0, -2, 0, 3], dtype=torch.float64), covariance_of(4)
    predictor.set_scaling(Scaling(mean, mean.abs() + 1, mean, covariance.diagonal().sqrt(), covariance))
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
    predictor, rescaled = build_predictor(SETTINGS, 4), build_predictor(SETTINGS, 4)
    rescaled.load_state_dict(predictor.state_dict())
    ones = torch.ones(4)
    rescaled.set_scaling(Scaling(0 * ones, 10 * ones, 0 * ones, 10 * ones, 100 * torch.eye(4)))
    context, delta = torch.randn(7, 3, 4), torch.randn(7, 4)
    left = predictor.nll(context, delta) + 4 * np.log(10)
    torch.testing.assert_close(left, rescaled.nll(10 * context, 10 * delta), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_linear_predictor_recovers_a_var_and_equals_scikit_learn(make_store, var_process, covariance):
    from sklearn.linear_model import LinearRegression

    transition = np.array([[0.8, 0.3], [-0.2, 0.7]])
    store, frames = make_store(var_process(transition, 20, 500))
    train = windows_of(store, frames, 2, [1, 2], "train")
    predictor = build_predictor({**LINEAR, "covariance": covariance}, 2)
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


def test_held_out_speakers_choose_the_ridge(make_store, var_process):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 60))
    train, validation = (windows_of(store, frames, 2, [1], split) for split in ("train", "validation"))
    predictor = build_predictor({**LINEAR, "ridges": [1e-6, 1e6]}, 2)
    predictor.set_scaling(Scaling.fit(train))
    trials = list(predictor.solve(train, validation, 1))
    assert [t["ridge"] for t in trials] == [1e-6, 1e6]
    assert trials[0]["validation_nll"] < trials[1]["validation_nll"]
    assert float(predictor.weight.abs().max()) > 0.1  # not the one that the large ridge shrank
    nll = -predictor.density(validation.batch(slice(None), 1)[0]).log_prob(validation.batch(slice(None), 1)[1]).mean()
    assert float(nll) == pytest.approx(trials[0]["validation_nll"], rel=1e-5)


def test_several_ridges_without_held_out_speakers_are_refused(make_store, var_process):
    store, frames = make_store(var_process(0.5 * np.eye(2), 3, 60))
    predictor = build_predictor({**LINEAR, "ridges": [1e-6, 1.0]}, 2)
    with pytest.raises(UserError, match="held-out training speakers"):
        predictor.solve(windows_of(store, frames, 2, [1], "train"), None, 1)
