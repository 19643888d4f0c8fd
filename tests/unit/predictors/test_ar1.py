"""AR(1) in each dimension is least squares there, and predicts white noise's steps exactly as well as theory says."""

import math

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.scores import score_frames
from latentdyn.errors import UserError
from latentdyn.predictors.base import build_predictor
from latentdyn.stores.windows import Scaling

DIM = 3


def fitted(train, validation, k):
    predictor = build_predictor({"kind": "ar1", "window_frames": 2, "horizons": [1, 2]}, DIM)
    predictor.set_scaling(Scaling.fit(train))
    return predictor, list(predictor.solve(train, validation, k))


def utterances_of(coefficients, n_frames=2000, offset=0.0):
    rng = np.random.default_rng(0)
    utterances = {}
    for speaker in ("t0", "t1", "v0"):
        x = np.zeros((n_frames, DIM))
        for t in range(1, n_frames):
            x[t] = coefficients * x[t - 1] + rng.normal(size=DIM)
        utterances[speaker, speaker] = offset + x
    return utterances


@pytest.mark.parametrize("k", [1, 2])
def test_each_dimension_is_regressed_on_its_own_newest_frame(make_store, windows_of, k):
    store, frames = make_store(utterances_of(np.array([0.9, 0.5, -0.3]), offset=50.0))
    train, validation = (windows_of(store, frames, 2, [1, 2], split) for split in ("train", "validation"))
    predictor, records = fitted(train, validation, k)
    context, delta = (value.double().numpy() for value in train.batch(slice(None), k))
    held_context, held_delta = validation.batch(slice(None), k)
    nll = np.zeros(len(held_delta))
    for d in range(DIM):
        newest = np.stack([np.ones(len(delta)), context[:, -1, d]], 1)
        (intercept, slope), (sse,), *_ = np.linalg.lstsq(newest, delta[:, d])
        sigma = math.sqrt(sse / len(delta))
        assert float(predictor.slope[d]) == pytest.approx(slope, abs=1e-5)
        assert float(predictor.intercept[d]) == pytest.approx(intercept, abs=1e-3)
        assert float(predictor.log_sigma[d].exp()) == pytest.approx(sigma, rel=1e-5)
        normal = torch.distributions.Normal(intercept + slope * held_context[:, -1, d].double(), sigma)
        nll -= normal.log_prob(held_delta[:, d].double()).numpy()
    density = predictor.density(held_context)
    np.testing.assert_allclose(-density.log_prob(held_delta).numpy(), nll, atol=1e-3)
    assert records == [{"k": k, "validation_nll": pytest.approx(nll.mean(), abs=1e-4)}]


def test_on_white_noise_it_predicts_the_step_back_and_the_gain_is_half_ln_2(make_store, windows_of):
    store, frames = make_store(utterances_of(np.zeros(DIM), n_frames=10_000))
    train, validation = (windows_of(store, frames, 2, [1, 2], split) for split in ("train", "validation"))
    for k, slope, gain in ((1, -1.0, -0.5 * math.log(2)), (2, 0.0, 0.0)):
        predictor, _ = fitted(train, validation, k)
        torch.testing.assert_close(predictor.slope, torch.full((DIM,), slope), rtol=0, atol=0.04)
        scores = score_frames(predictor, validation, k, Scaling.fit(train))
        assert float((scores.nll - scores.nll_baseline).mean()) / DIM == pytest.approx(gain, abs=0.02)


def test_it_recovers_independent_autoregressions(make_store, windows_of):
    coefficients = np.array([0.95, 0.5, -0.3])
    store, frames = make_store(utterances_of(coefficients, n_frames=10_000))
    train = windows_of(store, frames, 2, [1, 2], "train")
    predictor, (record,) = fitted(train, None, 2)
    # x_t - x_{t-1} given x_{t-2}: slope a (a - 1), variance 1 + (a - 1)²
    np.testing.assert_allclose(predictor.slope, coefficients * (coefficients - 1), atol=0.03)
    np.testing.assert_allclose(predictor.log_sigma.exp() ** 2, 1 + (coefficients - 1) ** 2, rtol=0.05)
    assert np.isnan(record["validation_nll"])


def test_a_dimension_that_its_line_predicts_exactly_has_no_density(make_store, windows_of):
    decay = 1000 * 0.5 ** np.arange(12.0)  # exact in float32: Δx = -x_{t-1} / 2
    noise = np.random.default_rng(0).normal(size=(2, 12, DIM - 1))
    store, frames = make_store({(f"u{i}", f"t{i}"): np.column_stack([decay, noise[i]]) for i in range(2)})
    with pytest.raises(UserError, match="tells the next step exactly, up to rounding, in 1 of 3 directions"):
        fitted(windows_of(store, frames, 2, [1, 2], "train"), None, 1)
