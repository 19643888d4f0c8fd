"""What does not depend on the unit of the latents, and on where their zero is, does not."""

import math

import numpy as np
import pandas as pd
import pytest
import torch

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.models.fit import fit_model
from latentdyn.predictors.base import build_predictor
from tests.settings import settings_of

SETTINGS = EvaluationSettings(max_frames=1000, rollout_frames=50, energy_draws=2, bootstrap_resamples=20,
                              worst_frames=1, own_frames=True, principal_dims=(2,))  # fmt: skip
INVARIANT = {"dnll", "dnll_full", "level_gain", "cosine", "r2_delta", "r2_mean", "r2_head", "rollout_gap_median",
             "rollout_gap_linear_median", "energy_score", "spectral_radius", "unbounded", "mu_logm_at_clamp",
             "sigma_at_clamp", "kappa", "nll_nonfinite"}  # fmt: skip


def found(make_store, utterances, kind: str, folder) -> pd.Series:
    store, frames = make_store(utterances, folder.name)
    settings = settings_of("predictors", kind, window_frames=2, horizons=[1])
    if "training" in settings:
        settings["network"] = settings_of("network", "linear")
        settings["training"] |= {"steps": 8, "batch_size": 32, "validate_every_steps": 4}
    folder.mkdir()
    fitted = fit_model("predictor", settings, store, frames, seed=0, state=folder, device=torch.device("cpu"))
    model = build_predictor(settings, store.dim).eval()
    model.load_state_dict(fitted.weights["k1"])
    evaluation = evaluate_lagged({1: model}, torch.from_numpy(store.load()), frames, 12.5, SETTINGS, ("x",))
    return pd.Series({r.metric: r.value for r in evaluation.records if r.split == "eval" and r.slice == "all"})


@pytest.mark.parametrize("kind", ["linear_gaussian", "mdn", "vmf_lognormal"])
def test_metrics_are_the_same_in_other_units_and_about_another_zero(make_store, var_process, tmp_path, kind):
    data = var_process(np.array([[0.8, 0.3], [-0.2, 0.7]]), 10, 80)
    reference = found(make_store, data, kind, tmp_path / "reference")
    assert math.isfinite(reference["r2_head"])
    for name, factor, shift in (("small", 1e-3, 0), ("huge", 1e15, 0), ("shifted", 1.0, 1e3)):
        changed = {key: factor * x + shift for key, x in data.items()}
        other = found(make_store, changed, kind, tmp_path / name)
        same = sorted(INVARIANT & set(reference.index))
        np.testing.assert_allclose(
            other[same].astype(float), reference[same].astype(float), rtol=2e-3, atol=2e-3, err_msg=name
        )
        assert other["nll"] == pytest.approx(reference["nll"] + 2 * math.log(factor), abs=2e-3)
