"""Checkpoints: what is saved is loaded, for both kinds of model; anything else is refused."""

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.files import file_sha256, read_json, write_json
from latentdyn.models.checkpoint import read_checkpoint, save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.models.score.loading import load_score_model

LINEAR = {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 3], "covariance": "full", "ridges": [0.01]}
SCORE = {"network": {"width": 8, "blocks": 1}, "sigma_min": 0.1, "sigma_max": 1.0, "training": {
    "steps": 2, "batch_size": 8, "learning_rate": 1e-2, "weight_decay": 0.0, "gradient_clip_norm": 1.0,
    "validate_every_steps": 1, "select": "last", "patience_validations": None,
}}  # fmt: skip
SETTINGS = {"predictor": LINEAR, "score": SCORE}
CPU = torch.device("cpu")


@pytest.fixture
def save(make_store, var_process, tmp_path):
    """Fit a model of a kind and save it; its handle, and its weights by part."""
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 60))

    def save_(kind):
        state = tmp_path / kind
        fitted = fit_model(kind, SETTINGS[kind], store, frames, seed=7, state=state, device=CPU)
        handle = tmp_path / f"{kind}.json"
        data = {"latents": "x", "frames": "y"}
        save_checkpoint(handle, fitted.weights, kind=kind, settings=SETTINGS[kind], dim=2, seed=7, data=data, curve="z")
        return handle, fitted.weights

    return save_


def test_predictors_are_loaded_by_horizon(save):
    handle, weights = save("predictor")
    predictors = load_predictors(handle, LINEAR, 2, CPU)
    assert list(predictors) == [1, 3] and list(weights) == ["k1", "k3"]
    for k, predictor in predictors.items():
        assert not predictor.training
        for name, value in predictor.state_dict().items():
            assert torch.equal(value, weights[f"k{k}"][name])


def test_a_score_model_is_loaded_as_one_whole(save):
    handle, weights = save("score")
    model = load_score_model(handle, SCORE, 2, CPU)
    assert not model.training and model.sigma_max == 1.0
    assert weights.keys() == {"whole"}
    for name, value in model.state_dict().items():
        assert torch.equal(value, weights["whole"][name])


@pytest.mark.parametrize(("kind", "parts"), [("predictor", ["k1", "k3"]), ("score", ["whole"])])
def test_a_handle_tells_all_that_identifies_the_model(save, kind, parts):
    handle, _ = save(kind)
    assert read_json(handle, made_by="train_predictor") == {
        "schema_version": 3, "kind": kind, "settings": SETTINGS[kind], "dim": 2, "parts": parts, "seed": 7,
        "data": {"latents": "x", "frames": "y"}, "curve": "z",
        "digest": file_sha256(handle.with_suffix(".safetensors")),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "settings", "dim", "message"),
    [
        ("predictor", {**LINEAR, "covariance": "diagonal"}, 2, r"trained with other settings \(covariance\)"),
        ("predictor", {**LINEAR, "window_frames": 3, "new": 1}, 2, r"trained with other settings \(new, window_frames"),
        ("predictor", LINEAR, 3, "2 dimensions, not 3"),
        ("predictor", None, 3, "2 dimensions, not 3"),
        ("score", None, 2, "of kind predictor, not score"),
    ],
)
def test_another_model_than_the_one_asked_for_is_refused(save, kind, settings, dim, message):
    handle, _ = save("predictor")
    with pytest.raises(UserError, match=message):
        read_checkpoint(handle, kind, settings, dim)


@pytest.mark.parametrize("kind", SETTINGS)
def test_damaged_weights_are_refused(save, kind):
    handle, _ = save(kind)
    weights = handle.with_suffix(".safetensors")
    whole = weights.read_bytes()
    flipped = whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:]
    for damaged in (whole[:-1], flipped, b""):
        weights.write_bytes(damaged)
        with pytest.raises(UserError, match=rf"not the ones their handle describes.*delete .*{kind}\.json and run"):
            read_checkpoint(handle, kind, SETTINGS[kind], 2)


@pytest.mark.parametrize(
    ("data", "others"),
    [({"latents": "x", "frames": "other"}, "frames"), ({"latents": "o", "frames": "o"}, "frames and latents")],
)
def test_a_model_is_refused_where_it_was_not_fitted(save, data, others):
    handle, _ = save("predictor")
    assert load_predictors(handle, LINEAR, 2, CPU, {"latents": "x", "frames": "y"})
    with pytest.raises(UserError, match=f"fitted to other {others} than those it is used with here"):
        load_predictors(handle, LINEAR, 2, CPU, data)


def test_another_version_is_refused(save):
    handle, _ = save("predictor")
    write_json(handle, {**read_json(handle, made_by="train_predictor"), "schema_version": 1})
    with pytest.raises(UserError, match="schema version 1"):
        read_checkpoint(handle, "predictor", None, 2)
