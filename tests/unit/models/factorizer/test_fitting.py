"""Training: the exact answers of a known process, a killed training, and what is refused."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.models.factorizer.fitting import Bound, FactorizerFitting
from latentdyn.models.factorizer.network import HEALTH, Factorizer
from latentdyn.models.fit import fit_model

from .examples import EVERYTHING, PROCESS, settings, utterances

CPU = torch.device("cpu")


@pytest.fixture
def fit(make_store, tmp_path):
    def fit_(own, data=None, state="state", **options):
        store, frames = make_store(data or utterances())
        return fit_model("factorizer", own, store, frames, seed=0, state=tmp_path / state, device=CPU, **options)

    return fit_


def health(fitted, split="validation"):
    return dict(zip(HEALTH, fitted.weights["whole"][f"health_{split}"].tolist(), strict=True))


def test_rate_bound_and_information_of_a_known_process_are_the_exact_ones(fit):
    """A Kalman filter over all frames; the model reads eight, which tell as much."""
    own = settings({"steps": 30, "batch_size": 16}, window_frames=8, dynamics={"weight": 0.0})
    found, given = health(fit(own, utterances(160))), PROCESS.given_past()
    assert found["kl_nats"] == pytest.approx(PROCESS.rate(), rel=0.03)
    assert found["rate_nats"] == pytest.approx(PROCESS.rate(), rel=0.03)
    assert found["nll"] == pytest.approx(PROCESS.nll(given), abs=0.1)
    assert found["window_nll"] == pytest.approx(PROCESS.nll(PROCESS.given_window(1, 8)), abs=0.05)
    assert found["state_information"] == pytest.approx(PROCESS.information(given), rel=0.05)
    assert found["window_information"] == pytest.approx(PROCESS.information(given), rel=0.03)
    assert found["efficiency"] == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("share", [0.5, 1.0, 2.0])
def test_a_target_of_the_kl_is_hit(fit, share):
    target = share * PROCESS.rate()
    own = settings({"steps": 30, "select": "last"}, innovation={"target_nats": target})
    assert health(fit(own))["kl_nats"] == pytest.approx(target, rel=0.05)


def test_the_kl_of_beta_follows_reverse_water_filling(fit):
    """½ Σ ln⁺(λ_i / β σ²), by what the state leaves."""
    beta = 4.0
    found = health(fit(settings({"steps": 1, "select": "last"}, innovation={"beta": beta})))
    values = np.linalg.eigvalsh(PROCESS.given_window(1, 4))
    expected = 0.5 * np.log(values / (beta * PROCESS.noise**2)).clip(min=0).sum()
    assert found["kl_nats"] == pytest.approx(expected, rel=0.05)


def test_training_beats_its_linear_start_where_frames_are_bent(fit):
    """x = (s, s² of the frame before): a line of frames cannot predict the second dimension."""
    rng = np.random.default_rng(0)
    bent = {}
    for i in range(20):
        s = rng.uniform(-1.7, 1.7, size=41)
        bent[f"u{i}", f"{'tttve'[i % 5]}{i}"] = np.stack([s[1:], s[:-1] ** 2], 1) + 0.02 * rng.normal(size=(40, 2))
    training = {"steps": 150, "validate_every_steps": 50, "learning_rate": 0.02, "patience_validations": None}
    own = settings(
        training, dim=2, window_frames=1, encoder={"kind": "mlp", "width": 32, "layers": 1}, dynamics={"weight": 0.0},
        reconstructor={"sigma": 0.2},
    )  # fmt: skip
    found = fit(own, bent)
    assert health(found)["nll"] < health(found)["window_nll"] - 0.3
    assert found.weights["whole"]["kept_step"] > 0


def test_states_are_white_over_the_training_frames_exactly(make_store, fit):
    fitted = fit(settings({"steps": 5, "select": "last"}, encoder={"kind": "gru", "width": 8}))
    model = Factorizer(4, settings(encoder={"kind": "gru", "width": 8})).eval()
    model.load_state_dict(fitted.weights["whole"])
    frames = [torch.from_numpy(x).float()[None] for (_, speaker), x in utterances().items() if speaker[0] == "t"]
    with torch.inference_mode():
        states = torch.cat([model.stored(model.encoder(model.deviations(x)))[0] for x in frames]).double()
    torch.testing.assert_close(states.mean(0), torch.zeros(4).double(), rtol=0, atol=1e-5)
    torch.testing.assert_close(torch.cov(states.T, correction=0), torch.eye(4).double(), rtol=0, atol=1e-4)


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_at", [1, 13, 19])
def test_a_killed_training_continues_as_if_it_had_not_been_killed(make_store, tmp_path, monkeypatch, kill_at):
    store, frames = make_store(utterances(10, 40))
    own = settings(**EVERYTHING)

    def run(state, **options):
        return fit_model("factorizer", own, store, frames, seed=0, state=tmp_path / state, device=CPU, **options)

    whole, loss = run("whole"), Bound.loss

    def killed(self, step):
        if step == kill_at:
            raise Killed
        return loss(self, step)

    monkeypatch.setattr(Bound, "loss", killed)
    with pytest.raises(Killed):
        run("killed", checkpoint_interval_s=-1)
    monkeypatch.setattr(Bound, "loss", lambda self, step: loss(self, step) if step >= kill_at else pytest.fail("twice"))
    resumed = run("killed")
    assert resumed.curve.equals(whole.curve)
    for name, value in whole.weights["whole"].items():
        assert torch.equal(resumed.weights["whole"][name].nan_to_num(-1), value.nan_to_num(-1)), name


def test_the_cost_grows_over_its_warm_up_and_the_held_out_loss_has_all_of_it(make_store):
    store, frames = make_store(utterances(10, 40))
    objectives = []
    for beta, steps in ((0.4, 0), (0.1, 0), (0.4, 4)):
        own = settings(innovation={"beta": beta, "beta_warmup_steps": steps})
        fitting = FactorizerFitting(own, store, frames, 0, CPU)
        torch.manual_seed(0)
        model = fitting.build()
        fitting.set_moments(model)
        objectives.append(fitting.objective(model, fitting.parts[0]))
        model.innovation.log_variance.data.fill_(-1)  # the start depends on beta
        model.innovation.line.weight.data.fill_(0.1)
        model.reconstructor.of_innovation.weight.data.fill_(0.1)
    whole, quarter, growing = objectives
    assert torch.equal(growing.loss(0), quarter.loss(0)) and torch.equal(growing.loss(3), whole.loss(3))
    assert growing.held_out_loss() == whole.held_out_loss() > quarter.held_out_loss()


@pytest.mark.parametrize(
    ("own", "data", "said"),
    [
        ({}, utterances(10, 15), r"of 16 finite frames in a row.*the 4 of window_frames and 12 after them"),
        ({"dim": 17}, None, r"dim is 17, above the 16 numbers of 4 frames of the source.*set it to 16 or less"),
        ({"innovation": {"dim": 5}}, None, r"innovation\.dim is 5, above the 4 numbers of a frame"),
        ({"window_frames": 12}, utterances(3, 30), r"too few for their 64 numbers.*lower window_frames"),
        (
            {"dim": 5},
            {name: np.hstack([x, x])[:, :5] for name, x in utterances(10, 60).items()},
            None,
        ),
    ],
    ids=["short", "dim", "innovation", "few", "dependent"],
)  # fmt: skip
def test_what_cannot_be_is_refused(fit, own, data, said):
    own = settings(own.get("training"), **{name: value for name, value in own.items() if name != "training"})
    if said is None:  # a dimension that is told by others costs nothing but a line
        assert np.isfinite(health(fit(own, data))["nll"])
        return
    with pytest.raises(UserError, match=said):
        fit(own, data)


def test_a_dimension_that_never_changes_is_refused(fit):
    still = {name: x * [1, 1, 0, 1] + 2 for name, x in utterances(10, 40).items()}
    with pytest.raises(UserError, match=r"1 of 4 dimensions of the source never change.*dimension 2, counted from 0\)"):
        fit(settings(), still)


def test_a_loss_that_is_not_finite_stops_the_training_and_leaves_its_batch(fit, tmp_path, monkeypatch):
    own, calls = Factorizer.loss, []

    def breaking(self, seen, share):
        calls.append(self.training)
        return own(self, seen, share) * (np.nan if calls.count(True) == 4 else 1)

    monkeypatch.setattr(Factorizer, "loss", breaking)
    with pytest.raises(UserError, match=r"not finite at step 3 .*lower training\.learning_rate .*weight of dynamics"):
        fit(settings(), utterances(10, 40))
    batch = np.load(tmp_path / "state/nonfinite_batch.npz")
    assert batch["step"] == 3 and batch["frames"].shape == (8, 16, 4) and len(batch["rows"]) == 8
