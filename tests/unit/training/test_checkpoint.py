"""Checkpoints: what is saved is loaded; anything else is refused."""

import json

import numpy as np
import pytest
import torch

from latentdyn.errors import UserError
from latentdyn.training.checkpoint import load_checkpoint, save_checkpoint
from latentdyn.training.fit import fit_predictor

SETTINGS = {"kind": "linear_gaussian", "window_frames": 2, "horizons": [1, 3], "covariance": "full", "ridges": [0.01]}
CPU = torch.device("cpu")


@pytest.fixture
def checkpoint(make_store, var_process, tmp_path):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 60))
    (tmp_path / "state").mkdir()
    fitted = fit_predictor(SETTINGS, store, frames, seed_names=(0,), state=tmp_path / "state", device=CPU)
    save_checkpoint(tmp_path / "predictor.json", fitted.states, SETTINGS, 2, {"latents": "x"})
    return tmp_path / "predictor.json", fitted


def test_round_trip(checkpoint):
    handle, fitted = checkpoint
    predictors = load_checkpoint(handle, SETTINGS, 2, CPU)
    assert list(predictors) == [1, 3]
    for k, predictor in predictors.items():
        for name, value in predictor.state_dict().items():
            assert torch.equal(value, fitted.states[k][name])


@pytest.mark.parametrize(
    ("settings", "dim", "message"),
    [
        ({**SETTINGS, "covariance": "diagonal"}, 2, r"trained with other settings \(covariance\)"),
        (SETTINGS, 3, "2 dimensions, not 3"),
    ],
)
def test_a_checkpoint_of_another_config_is_refused(checkpoint, settings, dim, message):
    with pytest.raises(UserError, match=message):
        load_checkpoint(checkpoint[0], settings, dim, CPU)


def test_damaged_weights_are_refused(checkpoint):
    weights = checkpoint[0].with_suffix(".safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(UserError, match="not the ones their handle describes"):
        load_checkpoint(checkpoint[0], SETTINGS, 2, CPU)


def test_another_version_is_refused(checkpoint):
    facts = json.loads(checkpoint[0].read_text())
    checkpoint[0].write_text(json.dumps({**facts, "schema_version": 0}))
    with pytest.raises(UserError, match="schema version 0"):
        load_checkpoint(checkpoint[0], SETTINGS, 2, CPU)


def test_a_finished_horizon_is_not_fitted_twice(make_store, var_process, tmp_path, monkeypatch):
    store, frames = make_store(var_process(0.5 * np.eye(2), 10, 60))
    (tmp_path / "state").mkdir()

    def fit():
        return fit_predictor(SETTINGS, store, frames, seed_names=(0,), state=tmp_path / "state", device=CPU)

    first = fit()
    monkeypatch.setattr("latentdyn.predictors.linear_gaussian.LinearGaussian.solve", lambda *_: pytest.fail("again"))
    second = fit()
    assert torch.equal(first.states[3]["weight"], second.states[3]["weight"])
    assert second.curve.equals(first.curve)
