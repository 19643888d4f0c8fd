"""Denoising: the score of a law that is not Gaussian, resumed equals uninterrupted, bad input."""

import dataclasses
import math

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.models.fit import fit_model
from latentdyn.models.score import fitting
from latentdyn.models.score.fitting import Denoising
from latentdyn.models.score.network import ScoreModel
from latentdyn.training.loop import TrainingSettings, train

SETTINGS = TrainingSettings(
    steps=40, batch_size=32, learning_rate=1e-2, weight_decay=1e-4, gradient_clip_norm=1.0, validate_every_steps=10,
    select="best_validation", patience_validations=None,
)  # fmt: skip
MODEL = {"network": {"width": 8, "blocks": 1}, "sigma_min": 0.1, "sigma_max": 1.0,
         "training": dataclasses.asdict(SETTINGS)}  # fmt: skip
CPU = torch.device("cpu")


def two_clusters(n: int, seed: int) -> torch.Tensor:
    """(n, 2): -1 or 1 in the first dimension, with deviation .3; standard normal in the second."""
    draws = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 2, generator=draws)
    x[:, 0] = 0.3 * x[:, 0] + torch.where(torch.rand(n, generator=draws) < 0.5, -1.0, 1.0)
    return x


def train_score(model, latents, rows, held_out_rows, settings, state_file, interval=1e9):
    objective = Denoising(model, latents, rows, held_out_rows, settings.batch_size, ("test",))
    return train(model, objective, settings, state_file=state_file, checkpoint_interval_s=interval)


def run(state_file, settings=SETTINGS, interval=1e9, width=8, n=1000):
    latents = two_clusters(n, 0)
    torch.manual_seed(0)
    model = ScoreModel(2, width=width, blocks=2, sigma_min=0.1, sigma_max=1.0)
    rows = torch.arange(n).chunk(2)
    model.set_moments(latents, rows[0])
    return model, train_score(model, latents, *rows, settings, state_file, interval)


def test_it_learns_the_score_of_two_clusters(tmp_path):
    settings = dataclasses.replace(SETTINGS, steps=600, batch_size=256, learning_rate=3e-3, validate_every_steps=100)
    model, curve = run(tmp_path / "s.pt", settings, width=32, n=20_000)
    # its own noisy law, in its own units
    sigma, (scale, _) = 0.4, model.frame_std
    variance = (0.3 / scale) ** 2 + sigma**2
    z = torch.stack([torch.linspace(-1.6, 1.6, 21), torch.linspace(1, -1, 21)], 1)
    centre = 1 / scale
    exact = torch.stack([(centre * torch.tanh(centre * z[:, 0] / variance) - z[:, 0]) / variance,
                         -z[:, 1] / (1 + sigma**2)], 1)  # fmt: skip
    with torch.inference_mode():
        score, gaussian = model.score(z, sigma), -model.gaussian_noise(z, torch.full((21,), sigma)) / sigma
    error, of_gaussian = ((s - exact).square().mean().sqrt() for s in (score, gaussian))
    assert error < 0.25 * of_gaussian
    assert curve[0]["step"] == 0 and math.isnan(curve[0]["train_loss"])
    assert min(point["validation_loss"] for point in curve) < 0.9 * curve[0]["validation_loss"]


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_at", [1, 10, 23, 39])
def test_a_killed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, monkeypatch, kill_at):
    expected, expected_curve = run(tmp_path / "whole.pt")
    seed_for, drawn = fitting.seed_for, []

    def counting(*names):
        if names[-2:] == ("step", kill_at) and not drawn.count("killed"):
            drawn.append("killed")
            raise Killed
        if names[-2] == "step":
            drawn.append(names[-1])
        return seed_for(*names)

    monkeypatch.setattr(fitting, "seed_for", counting)
    with pytest.raises(Killed):
        run(tmp_path / "killed.pt", interval=0.0)
    resumed, curve = run(tmp_path / "killed.pt")
    assert drawn == [*range(kill_at), "killed", *range(kill_at, SETTINGS.steps)], "no finished step is done twice"
    np.testing.assert_equal(curve, expected_curve)  # NaN of step 0 included
    for name, value in expected.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_the_gaussian_is_kept_where_training_makes_it_worse(tmp_path, monkeypatch):
    held_out = iter([1.0, 3.0, 2.0, 2.5])
    monkeypatch.setattr(fitting, "mean_loss", lambda *_: next(held_out))
    model, curve = run(tmp_path / "s.pt", dataclasses.replace(SETTINGS, patience_validations=3))
    assert [point["step"] for point in curve] == [0, 10, 20, 30]
    z = torch.ones(1, 2)
    assert torch.equal(model.noise(z, torch.tensor([0.5])), model.gaussian_noise(z, torch.tensor([0.5])))


def test_choosing_by_held_out_speakers_needs_some(tmp_path):
    latents, rows = two_clusters(100, 0), torch.arange(100)
    model = ScoreModel(2, width=8, blocks=1, sigma_min=0.1, sigma_max=1.0)
    with pytest.raises(UserError, match=r"training\.select"):
        train_score(model, latents, rows, rows[:0], SETTINGS, tmp_path / "s.pt")
    last = dataclasses.replace(SETTINGS, select="last")
    curve = train_score(model, latents, rows, rows[:0], last, tmp_path / "s.pt")
    assert len(curve) == 5 and math.isnan(curve[-1]["validation_loss"])


def test_a_loss_that_is_not_finite_stops_it(tmp_path):
    latents, rows = two_clusters(100, 0), torch.arange(100)
    model = ScoreModel(2, width=8, blocks=1, sigma_min=0.1, sigma_max=1.0)
    latents[:] = torch.inf
    settings = dataclasses.replace(SETTINGS, select="last")
    with pytest.raises(UserError, match="denoising loss or its gradient is not finite at step 0"):
        train_score(model, latents, rows, rows, settings, tmp_path / "s.pt")


@pytest.fixture
def fitted(make_store, var_process, tmp_path):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 60))

    def fit(frames=frames):
        return fit_model("score", MODEL, store, frames, seed=0, state=tmp_path / "state", device=CPU)

    return fit, store, frames


def test_only_training_speakers_are_fitted_to(fitted):
    fit, store, frames = fitted
    result = fit()
    model, curve = result.weights["whole"], result.curve
    train = store.load()[frames.of_splits("train").rows()]
    np.testing.assert_allclose(model["frame_mean"], train.mean(0), rtol=1e-5)
    np.testing.assert_allclose(model["frame_std"], train.std(0), rtol=1e-5)
    assert curve.columns.tolist() == ["step", "train_loss", "validation_loss"] and len(curve) == 5


def test_without_training_speakers_there_is_nothing_to_fit(fitted):
    fit, _, frames = fitted
    with pytest.raises(UserError, match="no training speaker has a finite frame"):
        fit(frames.of_splits("validation", "eval"))
