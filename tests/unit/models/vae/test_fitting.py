"""Training: sequences, moments, what is refused, what stops it, and what is told of a collapse."""

import logging
import re

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.models.fit import fit_model
from latentdyn.models.vae.fitting import Evidence, VAEFitting
from latentdyn.models.vae.health import warn_of_collapse
from latentdyn.models.vae.network import HEALTH, VAE

from .examples import PRIOR, TERMS, settings

CPU = torch.device("cpu")
TRANSITION = np.array([[0.9, 0.2], [0, 0.5]])


@pytest.fixture
def fit(make_store, var_process, tmp_path):
    def fit_(own, utterances=None, state="state"):
        store, frames = make_store(utterances or var_process(TRANSITION, 10, 40))
        return fit_model("vae", own, store, frames, seed=0, state=tmp_path / state, device=CPU)

    return fit_


def health(fitted, split="validation"):
    return dict(zip(HEALTH, fitted.weights["whole"][f"health_{split}"].tolist(), strict=True))


def test_moments_are_those_of_stacked_training_frames_alone(make_store, var_process):
    utterances = var_process(TRANSITION, 10, 40)
    store, frames = make_store({name: x * [1, 5] + 3 for name, x in utterances.items()})
    fitting = VAEFitting(settings(stack=2), store, frames, 0, CPU)
    train = [x * [1, 5] + 3 for (_, speaker), x in utterances.items() if speaker.startswith("t")]
    pairs = np.concatenate([np.concatenate([x[:-1], x[1:]], 1) for x in train]).astype(np.float32).astype(float)
    halves = pairs.reshape(-1, 2)
    mean, std = halves.mean(0), halves.std(0)
    expected = (mean, std, (pairs.mean(0) - np.tile(mean, 2)) / np.tile(std, 2),
                np.cov(pairs.T, bias=True) / np.outer(np.tile(std, 2), np.tile(std, 2)))  # fmt: skip
    for found, right in zip(fitting.moments, expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)


def test_training_beats_its_linear_start_where_frames_are_bent(fit):
    """Three dimensions that one number tells, x = (s, s², s³) in deviations: a line tells less."""
    rng = np.random.default_rng(0)
    bent = {}
    for i in range(20):
        s = rng.uniform(-1.5, 1.5, size=(40, 1))
        bent[f"u{i}", f"{'tttve'[i % 5]}{i}"] = np.concatenate([s, s**2, s**3], 1) + 0.02 * rng.normal(size=(40, 3))
    training = {"steps": 100, "validate_every_steps": 50, "learning_rate": 0.01, "patience_validations": None}
    own = settings(training, dim=1, network={"kind": "mlp", "width": 32, "layers": 1}, objective={"beta": 0.01})
    fitted = fit(own, bent)
    assert fitted.curve["validation_loss"].min() < 0.5 * fitted.curve["validation_loss"].iloc[0]
    assert health(fitted)["reconstruction_r2"] > 0.9
    assert fitted.weights["whole"]["kept_step"] > 0


@pytest.mark.parametrize("term", TERMS, ids=lambda term: term["kind"])
def test_each_term_changes_what_is_learned(fit, term):
    plain, with_term = (
        fit(settings({"steps": 3, "select": "last"}, objective={"terms": terms}), state=f"state{len(terms)}")
        for terms in ([], [term])
    )
    assert not torch.equal(
        plain.weights["whole"]["encoder_line.weight"], with_term.weights["whole"]["encoder_line.weight"]
    )


def test_beta_grows_over_its_warm_up_and_the_held_out_loss_has_all_of_it(make_store, var_process):
    store, frames = make_store(var_process(TRANSITION, 10, 40))
    objectives = []
    for beta, steps in ((0.4, 0), (0.1, 0), (0.4, 4)):
        fitting = VAEFitting(settings(objective={"beta": beta, "beta_warmup_steps": steps}), store, frames, 0, CPU)
        torch.manual_seed(0)
        model = fitting.build()
        model.set_start(fitting.moments, beta=0.1)
        objectives.append(fitting.objective(model, fitting.parts[0]))
    whole, quarter, growing = objectives
    assert torch.equal(growing.loss(0), quarter.loss(0)) and torch.equal(growing.loss(3), whole.loss(3))
    assert torch.equal(growing.loss(9), whole.loss(9))
    assert growing.held_out_loss() == whole.held_out_loss() > quarter.held_out_loss()


def test_the_innovation_rate_of_what_is_predictable_is_below_its_kl(fit, var_process):
    slow = var_process(np.diag([0.98, 0.95]), 10, 80)
    training = {"steps": 100, "validate_every_steps": 50, "learning_rate": 0.05}
    fitted = fit(
        settings(training, network={"kind": "none"}, objective={"beta": 0.05, "prior": PRIOR | {"share": 1.0}}), slow
    )
    assert health(fitted)["innovation_nats"] < 0.8 * health(fitted)["kl_nats"]
    assert np.isnan(health(fit(settings({"steps": 1}), slow, "standard"))["innovation_nats"])


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_at", [1, 13, 19])
def test_a_killed_training_continues_as_if_it_had_not_been_killed(
    make_store, var_process, tmp_path, monkeypatch, kill_at
):
    store, frames = make_store(var_process(TRANSITION, 10, 40))
    network = {"kind": "mlp", "width": 8, "layers": 1, "dropout": 0.3}
    own = settings(network=network, objective={"terms": TERMS, "prior": PRIOR, "beta_warmup_steps": 15})

    def run(state, **options):
        return fit_model("vae", own, store, frames, seed=0, state=tmp_path / state, device=CPU, **options)

    whole, loss = run("whole"), Evidence.loss

    def killed(self, step):
        if step == kill_at:
            raise Killed
        return loss(self, step)

    monkeypatch.setattr(Evidence, "loss", killed)
    with pytest.raises(Killed):
        run("killed", checkpoint_interval_s=-1)
    monkeypatch.setattr(
        Evidence, "loss", lambda self, step: loss(self, step) if step >= kill_at else pytest.fail("twice")
    )
    resumed = run("killed")
    assert resumed.curve.equals(whole.curve)
    for name, value in whole.weights["whole"].items():
        assert torch.equal(resumed.weights["whole"][name].nan_to_num(-1), value.nan_to_num(-1)), name


def test_utterances_too_short_for_a_sequence_are_refused(fit, var_process):
    with pytest.raises(
        UserError, match=r"of 32 finite frames in a row.*8 latents of 4 frames.*sequence_frames and stack"
    ):
        fit(settings(stack=4), var_process(TRANSITION, 10, 31))


def test_validation_speakers_who_choose_the_step_need_long_utterances_too(fit, var_process):
    short = {(u, s): x[:20] if s[0] == "v" else x for (u, s), x in var_process(TRANSITION, 10, 40).items()}
    with pytest.raises(UserError, match=r"no speaker of split validation has an utterance of 24 finite frames"):
        fit(settings(stack=3), short)
    assert np.isnan(health(fit(settings({"select": "last", "steps": 1}, stack=3), short))["kl_nats"])


def test_more_dimensions_than_a_latent_stands_for_are_refused(fit):
    with pytest.raises(UserError, match=r"7 dimensions are more than the 6 numbers of 3 frames.*set dim to 6 or less"):
        fit(settings(dim=7, stack=3))


def test_a_dimension_that_never_changes_is_refused(fit, var_process):
    still = {name: x * [1, 0] + 2 for name, x in var_process(TRANSITION, 10, 40).items()}
    with pytest.raises(UserError, match=r"1 of 2 dimensions of the source never change.*dimension 1, counted from 0\)"):
        fit(settings(), still)


def test_without_validation_speakers_the_step_cannot_be_chosen(fit, var_process):
    no_validation = {(u, s): x for (u, s), x in var_process(TRANSITION, 10, 40).items() if s[0] != "v"}
    with pytest.raises(UserError, match=r"training\.select.*splits\.validation"):
        fit(settings(), no_validation)
    last = fit(settings({"select": "last"}), no_validation)
    assert np.isnan(health(last)["kl_nats"]) and health(last, "train")["kl_nats"] > 0


def test_a_loss_that_is_not_finite_stops_the_training_and_leaves_its_batch(fit, tmp_path, monkeypatch):
    own, calls = VAE.loss, []

    def breaking(self, seen, beta):
        calls.append(self.training)
        return own(self, seen, beta) * (np.nan if calls.count(True) == 4 else 1)

    monkeypatch.setattr(VAE, "loss", breaking)
    with pytest.raises(
        UserError, match=r"not finite at step 3 .*lower training\.learning_rate .*or a weight of smooth"
    ):
        fit(settings(objective={"terms": TERMS[:1]}))
    batch = np.load(tmp_path / "state/nonfinite_batch.npz")
    assert batch["step"] == 3 and batch["frames"].shape == (8, 8, 2) and len(batch["rows"]) == 8


def test_a_rank_far_below_the_dimensions_is_told(caplog):
    numbers = {
        "reconstruction_r2": 0.5,
        "kl_nats": 20.0,
        "innovation_nats": np.nan,
        "effective_rank": 1.2,
        "dead_dims": 0,
    }
    warn_of_collapse(numbers, 8, ["smooth", "predict"])
    assert "8 dimensions vary in 1.2 directions (effective rank)" in caplog.text
    assert "a lower weight of smooth and predict in objective.terms" in caplog.text


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            settings(objective={"beta": 50.0}),
            r"collapse: the latents carry .* nats.*Give a lower objective\.beta or a longer",
        ),
        (
            settings({"steps": 60, "learning_rate": 0.1}, objective={"terms": [{"kind": "smooth", "weight": 1000.0}]}),
            r"collapse.*or a lower weight of smooth in objective\.terms",
        ),
        (
            settings(objective={"beta": 0.9}),
            r"1 of 2 dimensions carry nothing .*lower objective\.beta or a smaller dim",
        ),
        (settings(objective={"beta": 0.01}), None),
    ],
    ids=["beta", "smooth", "dead", "fine"],
)
def test_a_collapse_is_told_with_its_knob(fit, var_process, caplog, own, said):
    one_direction = {name: x @ [[1, 1], [0.3, -0.3]] for name, x in var_process(0.5 * np.eye(2), 10, 40).items()}
    with caplog.at_level(logging.WARNING):
        fit(own, one_direction)
    assert bool(caplog.records) == (said is not None)
    assert said is None or re.search(said, caplog.text)
