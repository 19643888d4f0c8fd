"""Rollouts: what they read, what they cost, how near they come to the exact forecasts, and what they do to frames."""

import json

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from latentdyn.models.factorizer.dynamics import Dynamics
from latentdyn.models.factorizer.fitting import FactorizerFitting
from latentdyn.models.factorizer.network import build_factorizer, rolled_steps
from latentdyn.models.fit import fit_model
from tests.conftest import store_maker

from .examples import PROCESS, SIGMA, section, settings, utterances

CPU = torch.device("cpu")
SCALE = float(np.trace(PROCESS.frame_covariance)) / PROCESS.dim  # of the squared deviations that frames are in
STEPS = 4


def rolling(training=None, sigma=SIGMA, **rollout):
    """Settings of a model that is rolled out from the first update on."""
    given = {"horizon": STEPS, "grow_steps": 0} | rollout
    return settings(
        training, window_frames=8, dynamics={"weight": 0.0, "rollout": given}, reconstructor={"sigma": sigma}
    )


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Trained models, and the held-out frames as each sees them."""

    def fit(own):
        folder = tmp_path_factory.mktemp("rollout")
        store, frames = store_maker(folder)(utterances(160))
        found = fit_model("factorizer", own, store, frames, seed=0, state=folder / "state", device=CPU)
        model = build_factorizer(own, PROCESS.dim).eval()
        model.load_state_dict(found.weights["whole"])
        x = torch.from_numpy(np.stack([PROCESS.utterance(60, np.random.default_rng(1000 + i)) for i in range(600)]))
        with torch.no_grad():
            return model, model.see(x.float(), torch.Generator().manual_seed(0))

    return fit


@pytest.fixture(scope="module")
def by_mean(fitted):
    return fitted(rolling({"steps": 60, "batch_size": 16}))


def shaken(own, source_dim=3):
    torch.manual_seed(1)
    model = build_factorizer(own, source_dim).eval()
    for name, value in model.named_parameters():
        if name.endswith("scale"):
            value.data.fill_(0.5)
    return model


def test_a_rollout_goes_on_from_its_own_forecasts_and_reads_no_later_state():
    torch.manual_seed(0)
    dynamics = Dynamics(2, "whitened", 3, settings()["network"])
    dynamics.beside.scale.data.fill_(1.0)
    states = torch.randn(2, 9, 2)
    rolled = dynamics.rolled(states, 4)
    assert rolled.shape == (2, 3, 4, 2)
    for i in range(3):
        seen = states[:, i : i + 3]
        for step in range(4):
            seen = torch.cat([seen, dynamics(torch.cat([seen[:, -3:], seen[:, :1]], 1))], 1)
            torch.testing.assert_close(rolled[:, i, step], seen[:, -1])
    changed = states.clone()
    changed[:, 3] += 1
    moved = (dynamics.rolled(changed, 4) != rolled).any(3).any(2).any(0)
    assert moved.tolist() == [False, True, True]


def test_errors_are_of_the_frames_that_the_rollout_is_about():
    """A line that forgets and a reconstructor that gives the state back: the error of step j is frame t + j itself."""
    model = shaken(settings(dim=3, dynamics={"rollout": {"horizon": 2}}))
    for name, value in model.named_parameters():
        value.data.zero_() if name.startswith(("dynamics", "reconstructor")) else None
    seen = model.see(torch.randn(2, 16, 3), torch.Generator().manual_seed(0))
    errors = model.rolled_errors(seen, 2)
    assert errors.shape == (2, 12 - 2, 2, 3)
    torch.testing.assert_close(errors[:, :, 0], seen.frames[:, 1:11])
    torch.testing.assert_close(errors[:, :, 1], seen.frames[:, 2:12])


def test_draws_are_of_the_prior_and_only_where_they_are_asked_for():
    own = settings(dim=2, innovation={"prior": "conditional"}, dynamics={"rollout": {"innovation": "sample"}})
    model, frames = shaken(own), torch.randn(400, 16, 3)
    seen = model.see(frames, torch.Generator().manual_seed(0))
    states = model.dynamics.rolled(seen.states, 1).flatten(0, 1)
    prior = model.innovation.prior(states)
    drawn = prior.mean + (0.5 * prior.log_variance).exp() * seen.noise[:, 1:].reshape(prior.mean.shape)
    expected = seen.frames[:, 1:].flatten(0, 1)[:, None] - model.reconstructor(states, drawn)
    torch.testing.assert_close(model.rolled_errors(seen, 1).flatten(0, 1), expected)
    assert float(seen.noise.std()) == pytest.approx(1, abs=0.02)
    own["dynamics"]["rollout"]["innovation"] = "mean"
    plain = shaken(own).see(frames, torch.Generator().manual_seed(0))
    assert plain.noise is None and torch.equal(plain.redrawn, seen.redrawn)


def test_its_gradient_reaches_dynamics_encoder_and_reconstructor():
    for innovation in ("mean", "sample"):
        model = shaken(settings(dim=2, dynamics={"rollout": {"horizon": 3, "innovation": innovation}}))
        seen = model.see(torch.randn(4, 16, 3), torch.Generator().manual_seed(0))
        model.rolled_errors(seen, 3).square().mean().backward()
        reached = {name for name, value in model.named_parameters() if value.grad is not None and value.grad.any()}
        assert {"dynamics.line.weight", "encoder.line.weight", "reconstructor.of_state.weight"} <= reached
        assert ("reconstructor.of_innovation.weight" in reached) == (innovation == "sample")
        assert not any(name.startswith("innovation") for name in reached), "the posterior is no part of it"


def test_forecasts_of_a_known_process_are_nearly_the_exact_ones(by_mean):
    """Beside a Kalman filter over all frames; knowing nothing would be off by the factors of the last line."""
    model, seen = by_mean
    with torch.no_grad():
        found = model.rolled_errors(seen, STEPS).square().sum(3).mean((0, 1)).double().numpy()
    exact = np.array([np.trace(PROCESS.given_past(1 + step)) for step in range(1, STEPS + 1)]) / SCALE
    assert (found / exact < 1.05).all() and (found / exact > 0.95).all()
    assert (np.trace(PROCESS.frame_covariance) / SCALE / exact > [2.0, 1.6, 1.4, 1.2]).all()


def test_dynamics_are_learned_from_rollouts_alone(by_mean):
    """From a state map of 0, by the gradient of the rollout's cost and nothing else."""
    model, seen = by_mean
    line = model.dynamics.line
    kept, at_best = line.weight.detach().clone(), cost(model, seen)
    line.weight.data.zero_()
    nothing = cost(model, seen)
    optimizer = torch.optim.Adam([line.weight], 0.05)
    for _ in range(60):
        optimizer.zero_grad()
        model.rolled_errors(seen, STEPS).square().sum(3).mean().backward()
        optimizer.step()
    found = cost(model, seen)
    line.weight.data.copy_(kept)
    assert nothing > 1.4 * at_best and found < 1.01 * at_best


def cost(model, seen):
    with torch.no_grad():
        return float(model.rolled_errors(seen, STEPS).square().sum(3).mean())


def test_by_the_mean_rolled_frames_shrink_to_what_is_known_of_them(by_mean):
    """Their variance is that of the frames less what cannot be known, tr S - tr P: the trap of a squared error. It is
    no fault of the fit, and no draw of the innovation is missed by the loss."""
    model, seen = by_mean
    with torch.no_grad():
        errors = model.rolled_errors(seen, STEPS)
        places = torch.arange(errors.shape[1])[:, None] + torch.arange(STEPS) + 1
        variance = (seen.frames[:, places] - errors).var((0, 1)).sum(1).double().numpy()
    whole = np.trace(PROCESS.frame_covariance)
    exact = np.array([whole - np.trace(PROCESS.given_past(1 + step)) for step in range(1, STEPS + 1)]) / SCALE
    np.testing.assert_allclose(variance, exact, rtol=0.08)
    assert variance[-1] < 0.5 * whole / SCALE and (np.diff(variance) < 0).all()


def test_draws_tax_the_innovation_by_a_closed_form_and_the_mean_leaves_it_alone(fitted, by_mean):
    """Of what the state leaves of a frame, an axis of variance λ, the reconstructor and the innovation make y. It is λ
    by the mean. A draw adds its variance y - σ² to the squared error, so that w y² + y = λ at weight w: frames are
    drawn too small."""
    weight = 1.0
    drawn, _ = fitted(
        rolling({"steps": 300, "batch_size": 32, "learning_rate": 0.01}, weight=weight, innovation="sample")
    )
    left = np.sort(np.linalg.eigvalsh(PROCESS.given_past())) / SCALE

    def made(model):
        out = model.reconstructor.of_innovation.weight.detach().double()
        return np.linalg.eigvalsh((out @ out.T).numpy()) + SIGMA**2

    shrunk = np.maximum((np.sqrt(1 + 4 * weight * left) - 1) / (2 * weight), SIGMA**2)
    np.testing.assert_allclose(made(by_mean[0]), left, rtol=0.1)
    np.testing.assert_allclose(made(drawn), shrunk, rtol=0.1)
    assert shrunk[-1] < 0.8 * left[-1]


def test_rollouts_grow_and_the_held_out_loss_has_all_of_them(make_store):
    grown = {"first_horizon": 2, "horizon": 6, "grow_steps": 8}
    assert [rolled_steps(grown, step) for step in (0, 1, 2, 4, 7, 8, 100, None)] == [2, 2, 3, 4, 5, 6, 6, 6]
    store, frames = make_store(utterances(10, 40))
    objectives = []
    for rollout in ({"horizon": 6, "grow_steps": 0}, {"horizon": 2, "grow_steps": 0}, grown):
        fitting = FactorizerFitting(settings(dynamics={"rollout": rollout}), store, frames, 0, CPU)
        torch.manual_seed(0)
        model = fitting.build()
        fitting.set_moments(model)
        objectives.append(fitting.objective(model, fitting.parts[0]))
    whole, short, growing = objectives
    assert torch.equal(growing.loss(0), short.loss(0)) and torch.equal(growing.loss(8), whole.loss(8))
    assert growing.held_out_loss() == whole.held_out_loss() != short.held_out_loss()


def test_without_rollouts_settings_are_written_as_before_there_were_any():
    """Models that were trained before are still those of the same settings."""
    plain, rolled = section(), section(dynamics={"rollout": {"horizon": 2}})
    assert "rollout" not in plain.canonical() and "rollout" not in json.dumps(plain.model_settings())
    assert plain.canonical() == section(dynamics={"rollout": None}).canonical()
    assert rolled.model_settings()["dynamics"]["rollout"]["horizon"] == 2
    assert (plain.trained_for, rolled.trained_for) == ("factorizer", "factorizer, rollout")
    assert type(plain).model_validate_json(plain.canonical()) == plain
    assert type(rolled).model_validate_json(rolled.canonical()) == rolled


@pytest.mark.parametrize(
    ("rollout", "said"),
    [
        ({"weight": 0.0}, "greater than 0"),
        ({"horizon": 2, "first_horizon": 3}, "first_horizon must be at most horizon"),
        ({"innovation": "both"}, "'mean' or 'sample'"),
        ({"steps": 4}, "Extra inputs are not permitted"),
    ],
)
def test_what_would_not_count_or_cannot_be_is_refused(rollout, said):
    with pytest.raises(ValidationError, match=said):
        section(dynamics={"rollout": rollout})


def test_sequences_that_are_too_short_for_a_rollout_are_refused():
    from latentdyn.config.shapes import Shape

    own = section(dynamics={"window_frames": 5, "rollout": {"horizon": 8, "grow_steps": 20}})
    with pytest.raises(
        ValueError, match=r"sequence_frames: 12 frames are too few for dynamics .* which take 13 in a row"
    ):
        own.shape_of(Shape())
    section(dynamics={"window_frames": 4, "rollout": {"horizon": 8, "grow_steps": 20}}).shape_of(Shape())
