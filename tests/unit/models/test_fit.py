"""Fitting by parts: what is finished is kept, what is damaged starts again, and other weights can be the start."""

import logging
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.models.base import Fitting, Part
from latentdyn.models.checkpoint import load_models, save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.predictors.base import build_predictor
from latentdyn.predictors.linear_skip import LINE
from latentdyn.stores.latents import open_latents
from latentdyn.stores.windows import Scaling
from latentdyn.training.loop import Training
from latentdyn.training.updates import Objective
from tests.settings import settings_of

from .factorizer.examples import EVERYTHING
from .factorizer.examples import settings as factorizer_settings
from .vae.examples import PRIOR, TERMS
from .vae.examples import settings as vae_settings

TRAINING = {"steps": 20, "batch_size": 8, "learning_rate": 1e-2, "weight_decay": 0.0, "gradient_clip_norm": 1.0,
            "validate_every_steps": 10, "select": "best_validation", "patience_validations": None}  # fmt: skip
FORCED = {**TRAINING, "max_frames": None, "regime": {"kind": "teacher_forced"}}
UNROLLED = {**FORCED, "steps": 1, "learning_rate": 1e-6, "regime": {
    "kind": "unrolled", "unroll_steps": 3, "target": "step", "backpropagate": True, "first_unroll_steps": 2,
    "grow_steps": 100,
}}  # fmt: skip
MDN, WIDER = (
    settings_of("predictors", "mdn", window_frames=3, horizons=[1, 2], n_components=2,
                network={"kind": "mlp", "width": width, "layers": 1}, training=FORCED)
    for width in (8, 9)
)  # fmt: skip
LINEAR = {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 3], "covariance": "full", "ridges": [0.01]}
SCORE = {"network": {"width": 8, "blocks": 1}, "sigma_min": 0.1, "sigma_max": 1.0, "training": TRAINING}
VAE = vae_settings(
    TRAINING, dim=1, objective={"terms": [*TERMS[:3], {"kind": "log_det_gain", "weight": 1.0}], "prior": PRIOR}
)
FACTORIZER = factorizer_settings(TRAINING, dim=2, window_frames=2, **EVERYTHING)
MODELS = {"predictor": (MDN, ["k1", "k2"]), "score": (SCORE, ["whole"]), "vae": (VAE, ["whole"]),
          "factorizer": (FACTORIZER, ["whole"])}  # fmt: skip


@pytest.fixture
def fit(make_store, var_process, tmp_path):
    store, frames = make_store(var_process(np.array([[0.9, 0.2], [0, 0.5]]), 10, 40))

    def fit_(kind, settings, state="state", seed=0, **options):
        return fit_model(
            kind,
            settings,
            store,
            frames,
            seed=seed,
            state=tmp_path / state,
            device=torch.device("cpu"),
            **options,
        )

    return fit_


def assert_equal(left, right):
    assert left.curve.equals(right.curve) and left.weights.keys() == right.weights.keys()
    for part, weights in left.weights.items():
        assert weights.keys() == right.weights[part].keys()
        assert all(torch.equal(value, right.weights[part][name]) for name, value in weights.items()), part


def test_curves_name_what_tells_parts_apart(fit):
    curve = fit("predictor", MDN).curve
    assert curve.columns.tolist() == ["k", "step", "train_nll", "validation_nll"]
    assert curve[["k", "step"]].values.tolist() == [[k, step] for k in (1, 2) for step in (0, 10, 20)]
    assert fit("predictor", LINEAR, "linear").curve.columns.tolist() == ["k", "ridge", "validation_nll"]
    assert fit("score", SCORE, "score").curve.columns.tolist() == ["step", "train_loss", "validation_loss"]


@pytest.mark.parametrize("kind", MODELS)
def test_another_seed_gives_other_weights(fit, kind):
    settings, (part, *_) = MODELS[kind]
    one, two = (fit(kind, settings, f"seed{seed}", seed).weights[part] for seed in (0, 1))
    assert any(not torch.equal(value, two[name]) for name, value in one.items())


@pytest.mark.parametrize("settings", [LINEAR, MDN], ids=lambda settings: settings["kind"])
def test_a_finished_horizon_is_not_fitted_twice(fit, monkeypatch, settings):
    first = fit("predictor", settings)
    monkeypatch.setattr("latentdyn.predictors.linear_gaussian.LinearGaussian.solve", lambda *_: pytest.fail("again"))
    monkeypatch.setattr("latentdyn.models.fit.Training", lambda *_, **__: pytest.fail("again"))
    assert_equal(fit("predictor", settings), first)


class Killed(Exception):
    pass


DAMAGES = {
    "truncated": lambda content: content[:-100],
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "garbage": lambda _: b"\x00garbage" * 50,
    "one bit": lambda content: content[:-200] + bytes([content[-200] ^ 1]) + content[-199:],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
@pytest.mark.parametrize("kind", MODELS)
def test_a_damaged_state_is_set_aside_and_its_part_starts_again(fit, tmp_path, monkeypatch, caplog, kind, damage):
    settings, parts = MODELS[kind]
    expected = fit(kind, settings, "whole")
    save = Training._save

    def killed_after_saving(training):
        save(training)
        if training.step == 15 and training.file.name == f"{parts[-1]}.pt":
            raise Killed

    monkeypatch.setattr(Training, "_save", killed_after_saving)
    with pytest.raises(Killed):
        fit(kind, settings, checkpoint_interval_s=-1)
    monkeypatch.undo()
    files = sorted(file.name for file in (tmp_path / "state").iterdir())
    assert files == sorted([f"{parts[-1]}.pt", *(f"finished_{part}.pt" for part in parts[:-1])])
    damaged = tmp_path / "state" / f"{parts[-1]}.pt"
    content = damage(damaged.read_bytes())
    damaged.write_bytes(content)
    with caplog.at_level(logging.INFO):
        again = fit(kind, settings)
    assert [r.message.count(f"{damaged} is damaged") for r in caplog.records if r.levelname == "WARNING"] == [1]
    assert "continuing" not in caplog.text
    assert damaged.with_suffix(".pt.damaged").read_bytes() == content
    assert_equal(again, expected)


def test_a_damaged_finished_part_is_fitted_again(fit, tmp_path):
    first = fit("predictor", MDN)
    finished = tmp_path / "state/finished_k2.pt"
    finished.write_bytes(finished.read_bytes()[:1000])
    assert_equal(fit("predictor", MDN), first)
    assert_equal(fit("predictor", MDN), first)  # it was written again


# ----------------------------------------------------------------------------------------------------- another kind


class Mean(torch.nn.Module):
    """One vector."""

    def __init__(self, settings, dim):
        super().__init__()
        self.register_buffer("unit", torch.zeros(dim))
        self.mean = torch.nn.Parameter(torch.randn(dim) * settings["spread"])


class MeanObjective(Objective):
    quantity, unit, held_out = "distance", "units", True

    def __init__(self, model, latents):
        self.model, self.latents = model, latents

    def loss(self, step):
        return (self.latents - self.model.mean).square().mean()

    def held_out_loss(self):
        return float(self.loss(0).detach())


class MeanFitting(Fitting):
    seed_name, parts, n_frames = "mean", (Part("odd", {"half": 1}), Part("even", {"half": 0})), (0, 0)

    def build(self):
        return Mean(self.settings, self.dim)

    def set_moments(self, model):
        model.unit.fill_(3)

    def objective(self, model, part):
        return MeanObjective(model, self.latents[part.facts["half"] :: 2])


def test_a_kind_says_what_it_is_and_the_rest_follows(fit, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "latentdyn.models.mean.fitting", SimpleNamespace(FITTING=MeanFitting))
    settings = {"spread": 0.1, "training": {**TRAINING, "steps": 400, "learning_rate": 0.05}}
    fitted = fit("mean", settings)
    assert fitted.curve.columns.tolist() == ["half", "step", "train_distance", "validation_distance"]
    save_checkpoint(tmp_path / "m.json", fitted.weights, kind="mean", settings=settings, dim=2, seed=0, data={})
    models = load_models(tmp_path / "m.json", "mean", Mean, settings, 2, torch.device("cpu"))
    assert list(models) == ["odd", "even"]
    latents = torch.from_numpy(open_latents(tmp_path / "latents.json").load())
    for half, model in zip((1, 0), models.values(), strict=True):
        torch.testing.assert_close(model.mean.detach(), latents[half::2].mean(0), rtol=0, atol=0.01)
        assert model.unit.tolist() == [3, 3]


# --------------------------------------------------------------------------------------------- starting from another


def test_it_is_fitted_to_no_more_frames_than_are_allowed_and_to_the_same_with_each_seed(fit, monkeypatch):
    seen = []
    whole = Scaling.fit.__func__
    monkeypatch.setattr(Scaling, "fit", classmethod(lambda cls, windows: seen.append(windows) or whole(cls, windows)))
    few = MDN | {"training": FORCED | {"max_frames": 50}}
    for settings, seed in ((MDN, 0), (few, 0), (few, 1)):
        fit("predictor", settings, state=f"{seed}", seed=seed)
    every, *some = (windows.rows[:].tolist() for windows in seen)
    assert len(every) > 50 and len(some[0]) == 50 and some[0] == some[1] and set(some[0]) < set(every)


def test_a_model_is_trained_on_from_the_weights_and_the_scaling_of_another(fit):
    start = fit("predictor", MDN).weights
    start["k1"]["frame_mean"] += 1.0  # so that the result shows whose scaling is kept
    arm = fit("predictor", {**MDN, "horizons": [1], "training": UNROLLED}, "arm", start=start).weights
    assert arm.keys() == {"k1"}
    assert arm["k1"].pop("kept_step") == 1 != start["k1"].pop("kept_step")  # each is that of its own training
    for name, value in start["k1"].items():
        torch.testing.assert_close(arm["k1"][name], value, rtol=0, atol=2e-6)
    assert any(not torch.equal(arm["k1"][name], value) for name, value in start["k1"].items())


def test_a_line_to_start_from_is_that_of_each_horizon_and_survives_a_kill_and_a_second_training(fit, monkeypatch):
    skip = {**MDN, "linear_skip": "learned", "target_axes": "principal", "training": {**FORCED, "select": "last"}}
    whole = fit("predictor", skip, "whole")
    lines = fit(
        "predictor", {**LINEAR, "window_frames": 3, "horizons": [1, 2], "ridges": list(LINE["ridges"])}, "line"
    ).weights
    for part, line in lines.items():
        assert torch.equal(whole.weights[part]["skip.weight"], line["weight"])
        assert torch.equal(whole.weights[part]["skip.bias"], line["bias"])
        assert whole.weights[part]["skip.trained.weight"].any()
    save = Training._save

    def killed_after_saving(training):
        save(training)
        if training.step == 15 and training.file.name == "k2.pt":
            raise Killed

    monkeypatch.setattr(Training, "_save", killed_after_saving)
    with pytest.raises(Killed):
        fit("predictor", skip, checkpoint_interval_s=-1)
    monkeypatch.undo()
    assert_equal(fit("predictor", skip), whole)
    monkeypatch.setattr("latentdyn.predictors.linear_gaussian.LinearGaussian.solve", lambda *_: pytest.fail("again"))
    arm = fit("predictor", {**skip, "training": UNROLLED}, "arm", start=whole.weights).weights
    for name in ("skip.weight", "skip.bias", "target.axes", "target.std"):
        assert torch.equal(arm["k1"][name], whole.weights["k1"][name])


@pytest.mark.parametrize(
    ("start", "why"),
    [
        ({"k1": build_predictor(WIDER, 2).state_dict()}, "size"),
        ({"k2": build_predictor(MDN, 2).state_dict()}, "part 'k1' is missing"),
    ],
)
def test_weights_of_another_model_cannot_be_continued(fit, start, why):
    with pytest.raises(UserError, match=rf"another network or head.*{why}.*starts_from"):
        fit("predictor", MDN, start=start)
