"""The context-free Gaussian is the closed-form fit of the deltas, and the baseline that ΔNLL is taken against."""

import numpy as np
import pytest
import torch

from latentdyn.diagnostics.scores import score_frames
from latentdyn.errors import UserError
from latentdyn.stores.windows import Scaling
from tests.settings import predictor_of

TRANSITION = np.array([[0.8, 0.3], [-0.2, 0.7]])


@pytest.fixture
def data(make_store, var_process, windows_of):
    """Training and validation windows of steps that are correlated and whose mean is not zero."""
    utterances = var_process(TRANSITION, 10, 200)
    store, frames = make_store({key: x + 0.3 * np.arange(len(x))[:, None] for key, x in utterances.items()})
    return [windows_of(store, frames, 2, [1, 3], split) for split in ("train", "validation")]


def fitted(train, validation, k=1, dim=2, **options):
    predictor = predictor_of("gaussian", dim, window_frames=2, horizons=[1, 3], **options)
    predictor.set_scaling(Scaling.fit(train))
    return predictor, list(predictor.solve(train, validation, k))


@pytest.mark.parametrize("mean", ["fitted", "zero"])
@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_it_is_the_closed_form_fit(data, covariance, mean):
    train, validation = data
    predictor, records = fitted(train, validation, covariance=covariance, mean=mean)
    steps = train.batch(slice(None), 1)[1].double().numpy()
    location = steps.mean(0) if mean == "fitted" else np.zeros(2)
    moment = (steps - location).T @ (steps - location) / len(steps)
    if covariance == "diagonal":
        moment = np.diag(np.diag(moment))
    reference = torch.distributions.MultivariateNormal(torch.from_numpy(location), torch.from_numpy(moment))
    context, delta = validation.batch(slice(None), 1)
    density = predictor.density(context)
    torch.testing.assert_close(density.log_prob(delta).double(), reference.log_prob(delta.double()), rtol=0, atol=1e-4)
    torch.testing.assert_close(density.mean().double(), reference.mean.expand(len(delta), 2), rtol=0, atol=1e-5)
    expected = float(-reference.log_prob(delta.double()).mean())
    assert records == [{"k": 1, "validation_nll": pytest.approx(expected, abs=1e-5)}]


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_any_frame_may_follow(data, covariance):
    train, validation = data
    predictor, _ = fitted(train, validation, covariance=covariance, mean="frames")
    frames = train.latents[train.rows].double().numpy()
    moment = np.cov(frames.T, bias=True)
    if covariance == "diagonal":
        moment = np.diag(np.diag(moment))
    reference = torch.distributions.MultivariateNormal(torch.from_numpy(frames.mean(0)), torch.from_numpy(moment))
    context, delta = validation.batch(slice(None), 1)
    expected = reference.log_prob((context[:, -1] + delta).double())
    torch.testing.assert_close(predictor.density(context).log_prob(delta).double(), expected, rtol=0, atol=1e-3)
    stays = context[:, -1] + predictor.density(context).mean()
    torch.testing.assert_close(stays.double(), reference.mean.expand(len(delta), 2), rtol=0, atol=1e-4)


def test_where_the_newest_frame_is_not_known_any_step_may_follow(data):
    plain, as_if_independent = (fitted(*data, k=3, mean=mean)[0] for mean in ("fitted", "frames"))
    context, delta = data[1].batch(slice(None), 3)
    torch.testing.assert_close(
        as_if_independent.density(context).log_prob(delta), plain.density(context).log_prob(delta)
    )


def test_neither_the_context_nor_its_age_matters(data):
    near, _ = fitted(*data, k=1, covariance="full")
    far, _ = fitted(*data, k=3, covariance="full")
    delta = torch.randn(5, 2)
    expected = near.density(torch.zeros(5, 2, 2)).log_prob(delta)
    assert torch.equal(far.density(torch.randn(5, 2, 2)).log_prob(delta), expected)


def test_it_is_the_baseline_of_the_scores(data):
    train, validation = data
    for covariance, column in (("diagonal", "nll_baseline"), ("full", "nll_full")):
        predictor, _ = fitted(train, validation, covariance=covariance)
        scores = score_frames(predictor, validation, 1, Scaling.fit(train))
        np.testing.assert_allclose(scores.nll, scores[column], atol=1e-5)


def test_without_held_out_speakers_there_is_no_validation_nll(data):
    _, (record,) = fitted(data[0], None)
    assert record["k"] == 1 and np.isnan(record["validation_nll"])


def test_deltas_that_are_too_few_to_span_the_space_have_no_full_covariance(make_store, windows_of):
    store, frames = make_store({("u", "t"): np.random.default_rng(0).normal(size=(7, 5))})
    train = windows_of(store, frames, 2, [1], "train")  # five deltas about their mean span four dimensions
    fitted(train, None, dim=5, covariance="diagonal")
    with pytest.raises(UserError, match="do not span all 5 dimensions"):
        fitted(train, None, dim=5, covariance="full", mean="zero")
