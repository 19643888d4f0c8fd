"""Training: resumed equals uninterrupted bit for bit, the best step is kept, a bad loss stops it."""

import dataclasses
import io
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Scaling, Windows, common_runs
from latentdyn.training import likelihood
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import TrainingSettings, train
from latentdyn.training.loop import run as run_trainings
from latentdyn.training.regimes import TeacherForced
from latentdyn.training.updates import _by_learning_rate
from tests.settings import settings_of

NETWORK = {"kind": "mlp", "width": 16, "layers": 1, "dropout": 0.3}
MDN = settings_of("predictors", "mdn", window_frames=2, horizons=[1], n_components=2, network=NETWORK)
SETTINGS = TrainingSettings(
    steps=40, batch_size=32, learning_rate=1e-2, weight_decay=1e-4, gradient_clip_norm=1.0, validate_every_steps=10,
    select="best_validation", patience_validations=None,
)  # fmt: skip


@pytest.fixture
def data(make_store, var_process):
    store, frames = make_store(var_process(np.array([[0.9, 0.2], [0, 0.5]]), 10, 60))
    usable = common_runs(frames, 2, [1])
    latents = torch.from_numpy(store.load())
    return [Windows.of(latents, usable.of_splits(split), 2) for split in ("train", "validation")]


def run(data, state_file, settings=SETTINGS, interval=1e9):
    torch.manual_seed(0)
    predictor = build_predictor(MDN, 2)
    predictor.set_scaling(Scaling.fit(data[0]))
    return predictor.state_dict(), fit(predictor, data, settings, state_file, interval)


def fit(predictor, data, settings, state_file, interval=1e9):
    objective = Likelihood(predictor, *data, 1, TeacherForced(), settings.batch_size, ("test",))
    return train(predictor, objective, settings, state_file=state_file, checkpoint_interval_s=interval)


class Killed(Exception):
    pass


@pytest.mark.parametrize("kill_at", [1, 7, 10, 23, 39])
def test_a_killed_run_equals_an_uninterrupted_one_bit_for_bit(data, tmp_path, monkeypatch, kill_at):
    expected, expected_curve = run(data, tmp_path / "whole.pt")
    loss, drawn = Likelihood.loss, []

    def killing(self, step):
        if step == kill_at and "killed" not in drawn:
            drawn.append("killed")
            raise Killed
        drawn.append(step)
        return loss(self, step)

    monkeypatch.setattr(Likelihood, "loss", killing)
    with pytest.raises(Killed):
        run(data, tmp_path / "killed.pt", interval=0.0)
    resumed, curve = run(data, tmp_path / "killed.pt")
    assert drawn == [*range(kill_at), "killed", *range(kill_at, SETTINGS.steps)], "no finished step is done twice"
    np.testing.assert_equal(curve, expected_curve)  # NaN of step 0 included
    assert resumed.keys() == expected.keys()
    for name in expected:
        assert torch.equal(resumed[name], expected[name]), name


def test_the_best_step_on_held_out_speakers_is_kept(data, tmp_path, monkeypatch):
    at_20, _ = run(data, tmp_path / "short.pt", dataclasses.replace(SETTINGS, steps=20, select="last"))
    held_out = iter([4.0, 3.0, 1.0, 2.0, 1.5])
    monkeypatch.setattr(likelihood, "mean_nll", lambda *_: next(held_out))
    kept, curve = run(data, tmp_path / "whole.pt")
    assert [point["validation_nll"] for point in curve] == [4.0, 3.0, 1.0, 2.0, 1.5]
    assert all(torch.equal(kept[name], at_20[name]) for name in kept)
    assert kept["kept_step"] == 20


def test_weights_that_no_step_improved_say_so(data, tmp_path, monkeypatch, caplog):
    caplog.set_level("INFO")
    held_out = iter([1.0, 3.0, 2.0, 2.0, 1.5])
    monkeypatch.setattr(likelihood, "mean_nll", lambda *_: next(held_out))
    kept, _ = run(data, tmp_path / "whole.pt")
    assert kept["kept_step"] == 0
    assert "step 0 of 40 is best on held-out speakers: no update made it better than the start" in caplog.text


def test_a_module_may_have_a_learning_rate_of_its_own_for_what_is_directly_its_own():
    lookup = {
        "kind": "engram",
        "codes": "random",
        "n_codes": 2,
        "ngrams": [1],
        "rows": 2,
        "width": 1,
        "learning_rate": 0.5,
    }
    model = build_predictor(MDN | {"lookup": lookup | {"learning_rate": 0.5}}, 2)
    groups = _by_learning_rate(model, 0.01)
    assert [(group["lr"], len(group["params"])) for group in groups] == [(0.01, 5), (0.5, 1)]
    assert groups[1]["params"][0] is model.lookup.table
    assert _by_learning_rate(torch.nn.Linear(2, 2), 0.01)[0]["lr"] == 0.01


def test_training_does_not_load_the_compiler():
    script = """
import sys, torch
from latentdyn.training.updates import Objective, Updates
class Sum(Objective):
    def loss(self, step):
        return model.weight.square().sum()
model = torch.nn.Linear(2, 2)
updates = Updates(model, Sum(), 0.1, 0.0, 1.0)
updates.update(0)
updates.load(updates.optimizer.state_dict())
assert "torch._dynamo" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_nothing_to_train_draws_no_bar(monkeypatch):
    monkeypatch.setattr("latentdyn.training.loop.progress", lambda **_: pytest.fail("a bar"))
    assert list(run_trainings([])) == []


def test_patience_stops_early(data, tmp_path):
    settings = dataclasses.replace(SETTINGS, learning_rate=1.0, steps=400, patience_validations=2)
    _, curve = run(data, tmp_path / "s.pt", settings)
    best = min(range(len(curve)), key=lambda i: curve[i]["validation_nll"])
    assert len(curve) == best + 3 < 40


def test_a_log_says_how_far_it_is_and_the_time_left(data, tmp_path, caplog):
    caplog.set_level("INFO")
    run(data, tmp_path / "s.pt")
    assert any(re.search(r"40/40 \[\d\d:\d\d<00:00, .*step", message) for message in caplog.messages)


def test_it_learns(data, tmp_path):
    _, curve = run(data, tmp_path / "s.pt", dataclasses.replace(SETTINGS, steps=300))
    # the process's own conditional entropy, 2 * ½ ln(2πe), is the floor
    assert curve[0]["validation_nll"] > curve[-1]["validation_nll"]
    assert 2.83 < curve[-1]["validation_nll"] < 3.1


def test_a_loss_that_is_not_finite_stops_with_the_step_and_the_batch(data, tmp_path):
    train_windows = data[0]
    row = int(train_windows.rows[3])
    latents = train_windows.latents.clone()
    latents[row] = 1e30
    data = [dataclasses.replace(train_windows, latents=latents), data[1]]
    torch.manual_seed(0)
    predictor = build_predictor(MDN, 2)
    with pytest.raises(UserError, match=r"not finite at step \d+ of horizon k=1.*nonfinite_batch_k1\.npz"):
        fit(predictor, data, SETTINGS, tmp_path / "s.pt")
    batch = np.load(tmp_path / "nonfinite_batch_k1.npz")
    assert batch["context"].shape == (32, 2, 2) and row in [*batch["rows"], *(batch["rows"] - 1), *(batch["rows"] - 2)]


@pytest.mark.parametrize("at", [0, 9, 25, 39])  # 9 and 39 are followed by a validation
@pytest.mark.parametrize("part", ["loss", "gradient"])
def test_an_update_that_is_not_finite_changes_no_weight_and_is_told_by_its_own_step(
    data, tmp_path, monkeypatch, at, part
):
    predictor, loss, before = build_predictor(MDN, 2), Likelihood.loss, {}
    predictor.set_scaling(Scaling.fit(data[0]))

    def spoilt(self, step):
        if step != at:
            return loss(self, step)
        before.update({name: value.clone() for name, value in predictor.state_dict().items()})
        zero = sum(parameter.sum() for parameter in predictor.parameters()) * 0.0
        return loss(self, step) + (zero.sqrt() if part == "gradient" else np.inf)  # the slope of a root at 0 is inf

    monkeypatch.setattr(Likelihood, "loss", spoilt)
    with pytest.raises(UserError, match=f"not finite at step {at} of horizon k=1"):
        fit(predictor, data, SETTINGS, tmp_path / "s.pt")
    for name, value in predictor.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert np.load(tmp_path / "nonfinite_batch_k1.npz")["step"] == at


def test_choosing_by_held_out_speakers_needs_some(data, tmp_path):
    with pytest.raises(UserError, match=r"training\.select"):
        run([data[0], None], tmp_path / "s.pt")
    _, curve = run([data[0], None], tmp_path / "s.pt", dataclasses.replace(SETTINGS, select="last"))
    assert len(curve) == 5 and np.isnan(curve[-1]["validation_nll"])


def test_a_state_that_a_gpu_saved_is_continued_on_a_cpu(data, tmp_path, monkeypatch):
    half = dataclasses.replace(SETTINGS, steps=20)
    monkeypatch.setattr(
        torch.serialization, "location_tag", lambda storage: "cuda:0"
    )  # what a file says of its tensors
    run(data, tmp_path / "s.pt", half, interval=-1)
    monkeypatch.undo()
    with pytest.raises(RuntimeError, match="CUDA"):
        torch.load(io.BytesIO((tmp_path / "s.pt").read_bytes()[32:]), weights_only=True)
    resumed, curve = run(data, tmp_path / "s.pt")
    expected, expected_curve = run(data, tmp_path / "whole.pt")
    np.testing.assert_equal(curve, expected_curve)
    assert all(torch.equal(resumed[name], expected[name]) for name in expected)


def test_settings_of_training_are_picked_from_their_section():
    section = {**dataclasses.asdict(SETTINGS), "regime": {"kind": "teacher_forced"}}
    assert TrainingSettings.of(section) == SETTINGS
