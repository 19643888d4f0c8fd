"""On a GPU: captured updates equal uncaptured ones, trainings side by side equal single ones, and both the CPU's.

Skipped where no GPU is. Capturing changes how kernels are launched, not which: so weights are compared bit by bit.
"""

import dataclasses

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.predictors.base import TrainedPredictor, build_predictor
from latentdyn.seeds import seed_for
from latentdyn.stores.windows import Scaling, Windows
from latentdyn.training.likelihood import Likelihood
from latentdyn.training.loop import Training, TrainingSettings, run
from latentdyn.training.regimes import build_regime
from latentdyn.training.updates import Updates
from tests.settings import predictor_of
from tests.unit.predictors.test_every_head import SECTIONS, variants
from tests.unit.training import test_regimes
from tests.unit.training.test_regimes import ALL, SCHEDULED

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU is here")

SETTINGS = TrainingSettings(
    steps=130, batch_size=16, learning_rate=1e-2, weight_decay=1e-4, gradient_clip_norm=1.0, validate_every_steps=60,
    select="best_validation", patience_validations=None,
)  # fmt: skip
HEADS = [s for kind in SECTIONS for s in variants(kind) if "training" in s]
MDN, VMF = (settings | {"window_frames": 2} for settings in (test_regimes.MDN, test_regimes.VMF))
LOOKUPS = [
    SECTIONS[head["kind"]].model_validate(head | {"lookup": lookup}).model_dump(mode="json")
    for head, lookup in ((MDN, {"kind": "engram", "n_codes": 8, "rows": 64}), (VMF, {"kind": "basis"}))
]
FADING = {**SCHEDULED, "p_teacher_start": 1.0, "decay_steps": 200}
GROWING = {**ALL[3], "grow_steps": 60}


def windows(device, outlier=None):
    rng = np.random.default_rng(0)
    latents = torch.from_numpy(rng.normal(size=(2000, 2)).cumsum(0).astype(np.float32) * 0.1)
    if outlier is not None:
        latents[outlier] = 1e30
    latents = latents.to(device)
    rows = torch.arange(20, 1980, device=device)
    return [Windows(latents, part, 2, t=part) for part in (rows[:1500], rows[1500:])]


def training(settings, regime, device, state_file, k=1, data=None, **changes):
    train, held_out = data or windows(device)
    torch.manual_seed(seed_for("init", k))
    predictor = build_predictor(settings, 2)
    assert isinstance(predictor, TrainedPredictor)
    predictor = predictor.to(device)
    predictor.set_start(Scaling.fit(windows(device)[0]), *windows(device), k)
    objective = Likelihood(predictor, train, held_out, k, build_regime(regime), 16, ("test", k))
    return Training(predictor, objective, dataclasses.replace(SETTINGS, **changes), state_file=state_file)


def weights(training):
    return {name: value.cpu() for name, value in training.model.state_dict().items()}


def finished(*trainings, **options):
    for _ in run(trainings, **options):
        pass
    return [weights(training) for training in trainings]


def assert_equal(one, other):
    assert one.keys() == other.keys()
    for name in one:
        assert torch.equal(one[name], other[name]), f"{name}: {(one[name] - other[name]).abs().max()}"


def name(settings):
    return "-".join(str(v) for v in settings.values() if isinstance(v, str))


@pytest.mark.parametrize(
    ("settings", "regime"),
    [
        *((head, ALL[0]) for head in [*HEADS, *LOOKUPS]),
        *((head, regime) for head in (MDN, VMF) for regime in [*ALL[1:], FADING, GROWING]),
    ],
    ids=lambda s: name(s),
)
def test_captured_updates_equal_uncaptured_ones(settings, regime, tmp_path, monkeypatch):
    captured = training(settings, regime, "cuda", tmp_path / "captured.pt")
    (got,) = finished(captured)
    by_rejection = settings["kind"] == "vmf_lognormal" and regime["kind"] == "sampled_unroll"
    assert bool(captured._updates._graphs) != by_rejection
    monkeypatch.setattr(Likelihood, "arithmetic", lambda *_: None)
    plain = training(settings, regime, "cuda", tmp_path / "plain.pt")
    (expected,) = finished(plain)
    assert not plain._updates._graphs
    assert_equal(got, expected)
    np.testing.assert_equal(captured.curve, plain.curve)


def test_no_update_waits_for_the_gpu(tmp_path):
    one = training(MDN, ALL[0], "cuda", tmp_path / "s.pt")
    one.begin()
    for step in range(4):
        one._updates.update(step)
    torch.cuda.set_sync_debug_mode("error")
    try:
        one._updates.update(4)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_trainings_side_by_side_equal_single_ones(tmp_path):
    together = finished(*(training(MDN, ALL[0], "cuda", tmp_path / f"{k}.pt", k) for k in (1, 2, 4)))
    for k, got in zip((1, 2, 4), together, strict=True):
        assert_equal(got, finished(training(MDN, ALL[0], "cuda", tmp_path / f"one{k}.pt", k))[0])


def test_one_that_stops_early_changes_no_other(tmp_path):
    few = {"patience_validations": 1, "learning_rate": 1.0, "validate_every_steps": 10}
    stopping = training(MDN, ALL[0], "cuda", tmp_path / "stops.pt", 1, **few)
    other = training(MDN, ALL[0], "cuda", tmp_path / "goes.pt", 2)
    ended = [one.step for one in run([stopping, other])]
    assert ended[0] < ended[1] == SETTINGS.steps
    assert_equal(weights(other), finished(training(MDN, ALL[0], "cuda", tmp_path / "single.pt", 2))[0])


@pytest.mark.parametrize("kill_at", [1, 2, 3, 60, 100])
def test_a_killed_training_equals_an_uninterrupted_one(kill_at, tmp_path, monkeypatch):
    (expected,) = finished(training(MDN, FADING, "cuda", tmp_path / "whole.pt"))
    update = Updates.update

    def killing(updates, step):
        if step == kill_at:
            raise KeyboardInterrupt
        return update(updates, step)

    monkeypatch.setattr(Updates, "update", killing)
    with pytest.raises(KeyboardInterrupt):
        finished(training(MDN, FADING, "cuda", tmp_path / "killed.pt"), checkpoint_interval_s=-1)
    monkeypatch.undo()
    again = training(MDN, FADING, "cuda", tmp_path / "killed.pt")
    assert again.step == kill_at
    assert_equal(finished(again)[0], expected)


def test_a_training_moves_between_gpu_and_cpu(tmp_path):
    finished(training(MDN, ALL[0], "cuda", tmp_path / "s.pt", steps=60), checkpoint_interval_s=-1)
    on_cpu = training(MDN, ALL[0], "cpu", tmp_path / "s.pt", steps=100)
    assert on_cpu.step == 60
    finished(on_cpu, checkpoint_interval_s=-1)
    back = training(MDN, ALL[0], "cuda", tmp_path / "s.pt")
    assert back.step == 100
    (got,) = finished(back)
    assert all(value.isfinite().all() for value in got.values())


def test_the_gpu_trains_what_the_cpu_trains(tmp_path):
    settled = MDN | {"network": {**MDN["network"], "dropout": 0.0}}  # each device draws its own dropout
    on = {device: training(settled, ALL[0], device, tmp_path / device) for device in ("cpu", "cuda")}
    cpu, gpu = (finished(one)[0] for one in on.values())
    for part in cpu:
        torch.testing.assert_close(gpu[part], cpu[part], rtol=1e-3, atol=1e-4)
    losses = [[point["train_nll"] for point in one.curve[1:]] for one in on.values()]
    np.testing.assert_allclose(*losses, rtol=1e-4)


@pytest.mark.parametrize("settings", [*HEADS, *LOOKUPS], ids=name)
def test_every_head_scores_on_a_gpu_as_on_a_cpu(settings, tmp_path):
    values = []
    for device in ("cpu", "cuda"):
        one = training(settings, ALL[0], device, tmp_path / f"{device}.pt")
        one.model.eval()
        context, delta = one.objective.windows.batch(slice(0, 400), 1)
        density = one.model.density(context)
        if not density.gives("log_prob"):
            pytest.skip("this density has no likelihood")
        values.append(density.log_prob(delta).detach().cpu())
    torch.testing.assert_close(values[1], values[0], rtol=1e-4, atol=1e-3)


def test_an_update_that_is_not_finite_changes_nothing_and_is_told(tmp_path):
    data = windows("cuda", outlier=300)
    one = training(MDN, ALL[0], "cuda", tmp_path / "s.pt", data=data)
    with pytest.raises(UserError, match=r"not finite at step (\d+)"):
        finished(one)
    assert all(value.isfinite().all() for value in weights(one).values())


def test_too_many_of_them_stop_a_regime_that_skips_them(tmp_path):
    data = windows("cuda", outlier=slice(300, 900))
    one = training(MDN, FADING, "cuda", tmp_path / "s.pt", data=data)
    with pytest.raises(UserError, match="not finite at step"):
        finished(one)
    few = windows("cuda", outlier=300)
    one = training(MDN, FADING, "cuda", tmp_path / "few.pt", data=few, validate_every_steps=130, select="last")
    finished(one)
    assert one.curve[-1]["skipped"] > 0


def test_moments_and_lines_on_a_gpu_are_those_on_a_cpu():
    found = []
    for device in ("cpu", "cuda"):
        train, held_out = windows(device)
        scaling, moments = Scaling.fit(train), train.moments(3)
        line = predictor_of("linear_gaussian", 2, window_frames=2, horizons=[1, 3]).to(device)
        line.set_scaling(scaling)
        trials = list(line.solve(train, held_out, 3))
        nlls = torch.tensor([trial["validation_nll"] for trial in trials])
        covariance = torch.from_numpy(moments.covariance)
        found.append([scaling.delta_covariance, covariance, line.weight.cpu(), line.factor.cpu(), nlls])
    for on_gpu, on_cpu in zip(*reversed(found), strict=True):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-5, atol=1e-7)
