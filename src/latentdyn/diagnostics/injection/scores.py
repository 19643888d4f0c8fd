"""Scores of every step of every forecast, and of the ceiling: one number for each of QUANTITIES."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from latentdyn.diagnostics.injection.forecasts import Mode
from latentdyn.diagnostics.rollout import Rollout
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.metrics import (
    CORRECTION_COSINE,
    CORRECTION_RATIO,
    COSINE,
    DNLL,
    MAGNITUDE_RATIO,
    STATE_ERROR,
    STATE_ERROR_NORMALISED,
)
from latentdyn.predictors.base import Predictor
from latentdyn.stores.windows import Scaling

QUANTITIES = (DNLL, COSINE, MAGNITUDE_RATIO, STATE_ERROR, STATE_ERROR_NORMALISED, CORRECTION_COSINE, CORRECTION_RATIO)


def score_modes(
    forecasts: Iterator[tuple[Mode, int, Rollout]], ceilings: Mapping[int, Predictor], truth: Tensor, scaling: Scaling,
    n_steps: int,
) -> Iterator[tuple[Mode, np.ndarray]]:  # fmt: skip
    """Mode, and scores (B, S, Q) of B segments or draws of them, in the segments' order; Q as in QUANTITIES."""
    deltas = truth[:, -n_steps - 1 :].double().diff(dim=1)
    mean, std = scaling.delta_mean.to(deltas), scaling.delta_std.to(deltas)
    baseline = -diagonal_gaussian(mean[None], std.log()[None]).log_prob(deltas.flatten(0, 1)).view(deltas.shape[:2])
    spread = float(scaling.frame_std.square().sum().sqrt())
    for mode, draws, forecast in forecasts:
        true_steps, nll, states = (
            tensor.repeat_interleave(draws, dim=0) for tensor in (deltas, baseline, truth[:, -n_steps - 1 :])
        )
        error = _or_overflow((forecast.states[:, :-1] - states[:, :-1]).double().norm(dim=2))
        steps = _step_scores(forecast.steps, forecast.nll, true_steps, nll)
        correction = _correction_scores(forecast, states)
        yield mode, torch.stack([*steps, error, error / spread, *correction], dim=2).cpu().numpy()
    known = sorted(h for h in ceilings if h <= n_steps)
    if known:
        yield Mode("ceiling"), _ceiling_scores(ceilings, known, truth, deltas, baseline).cpu().numpy()


@torch.inference_mode()
def _ceiling_scores(
    ceilings: Mapping[int, Predictor], known: Sequence[int], truth: Tensor, deltas: Tensor, baseline: Tensor
) -> Tensor:
    """Scores (B, S, Q) of the lagged predictors; NaN, which is left out, where there is none and of states."""
    scores = deltas.new_full((*baseline.shape, len(QUANTITIES)), math.nan)
    context = truth[:, : -baseline.shape[1]]
    for h in known:
        density = ceilings[h].density(context)
        delta = deltas[:, h - 1]
        nll = -density.log_prob(delta.to(truth))
        scores[:, h - 1, :3] = torch.stack(_step_scores(density.mean(), nll, delta, baseline[:, h - 1]), dim=1)
    return scores


def _step_scores(steps: Tensor, nll: Tensor, deltas: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dnll, cosine and magnitude ratio, (...) each, of predicted steps and true deltas (..., D).

    +inf where a prediction overflowed; NaN, which is left out, where a step of length 0 has no direction or ratio.
    """
    return _or_overflow(nll.double()) - baseline, *_cosine_and_ratio(steps, deltas)


def _correction_scores(forecast: Rollout, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and ratio, (B, S) each, of what was added to a state and the way from there to the true one (truth:
    (B, S + 1, D)); NaN, which is left out, where nothing is corrected."""
    if forecast.corrections is None:
        nothing = torch.full_like(forecast.nll, math.nan, dtype=torch.float64)
        return nothing, nothing
    added = forecast.corrections.double()
    return _cosine_and_ratio(added, truth[:, 1:] - (forecast.states[:, 1:] - added))


def _cosine_and_ratio(steps: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and ratio of lengths of vectors (..., D), with +inf and NaN as said above."""
    steps = steps.double()
    length, true_length = steps.norm(dim=-1), truth.norm(dim=-1)
    finite = torch.isfinite(length)
    cosine = (steps * truth).sum(-1) / (length * true_length)
    ratio = torch.where(true_length > 0, length / true_length, math.nan)
    return torch.where(finite, cosine, math.inf), torch.where(finite, ratio, math.inf)


def _or_overflow(values: Tensor) -> Tensor:
    """What is no number any more has overflowed on its way."""
    return torch.where(values.isnan(), math.inf, values)
