"""Scores of every step of every forecast, and of the ceiling: one number for each of QUANTITIES, and of ENERGIES."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdyn.diagnostics.injection.energies import Energies
from latentdyn.diagnostics.injection.forecasts import Mode
from latentdyn.diagnostics.rollout import Rollout, or_overflow
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.metrics import (
    CORRECTION_COSINE,
    CORRECTION_RATIO,
    COSINE,
    DNLL,
    MAGNITUDE_RATIO,
    STATE_ERROR,
    STATE_ERROR_NORMALISED,
    Metric,
)
from latentdyn.predictors.base import Predictor
from latentdyn.stores.windows import Scaling

QUANTITIES = (DNLL, COSINE, MAGNITUDE_RATIO, STATE_ERROR, STATE_ERROR_NORMALISED, CORRECTION_COSINE, CORRECTION_RATIO)


@dataclass(frozen=True)
class Scores:
    """Scores of one mode.

    values: (B, S, Q) of B segments or draws of them, in the segments' order; Q as in QUANTITIES. A NaN is left out.
    energies: (B, S, E), a row a segment, E as in ENERGIES; None where a segment has fewer than two draws.
    scored: (S,) bool, the steps that have scores. lacks: the quantities that the densities cannot give.
    """

    values: np.ndarray
    energies: np.ndarray | None
    scored: np.ndarray
    lacks: frozenset[Metric]


def score_modes(
    forecasts: Iterator[tuple[Mode, int, Rollout]], ceilings: Mapping[int, Predictor], truth: Tensor, scaling: Scaling,
    n_steps: int, energies: Energies | None,
) -> Iterator[tuple[Mode, Scores]]:  # fmt: skip
    """The scores of every mode, and those of the ceiling as a mode of that name."""
    deltas = truth[:, -n_steps - 1 :].double().diff(dim=1)
    mean, std = scaling.delta_mean.to(deltas), scaling.delta_std.to(deltas)
    baseline = -diagonal_gaussian(mean[None], std.log()[None]).log_prob(deltas.flatten(0, 1)).view(deltas.shape[:2])
    spread = float(scaling.frame_std.square().sum().sqrt())
    for mode, draws, forecast in forecasts:
        true_steps, nll, states = (
            tensor.repeat_interleave(draws, dim=0) for tensor in (deltas, baseline, truth[:, -n_steps - 1 :])
        )
        error = or_overflow((forecast.states[:, :-1] - states[:, :-1]).double().norm(dim=2))
        steps = (forecast.nll.double() - nll, *_cosine_and_ratio(forecast.steps, true_steps))
        correction = _correction_scores(forecast, states)
        values = torch.stack([*steps, error, error / spread, *correction], dim=2).cpu().numpy()
        energy = energies.of_forecast(forecast, draws).cpu().numpy() if energies and draws > 1 else None
        lacks = frozenset({DNLL} if bool(forecast.nll.isnan().all()) else ())
        yield mode, Scores(values, energy, np.ones(n_steps, bool), lacks)
    known = sorted(h for h in ceilings if h <= n_steps)
    if known:
        yield Mode("ceiling"), _ceiling_scores(ceilings, known, truth, deltas, baseline, energies)


@torch.inference_mode()
def _ceiling_scores(
    ceilings: Mapping[int, Predictor], known: Sequence[int], truth: Tensor, deltas: Tensor, baseline: Tensor,
    energies: Energies | None,
) -> Scores:  # fmt: skip
    """Scores of the lagged predictors; NaN at the steps without one, and of states."""
    scores = deltas.new_full((*baseline.shape, len(QUANTITIES)), math.nan)
    context = truth[:, : -baseline.shape[1]]
    for h in known:
        density = ceilings[h].density(context)
        delta = deltas[:, h - 1]
        if density.gives("log_prob"):
            scores[:, h - 1, 0] = or_overflow(-density.log_prob(delta.to(truth))).double() - baseline[:, h - 1]
        if density.gives("mean"):
            scores[:, h - 1, 1:3] = torch.stack(_cosine_and_ratio(density.mean(), delta), dim=1)
    needs = {DNLL: "log_prob", COSINE: "mean", MAGNITUDE_RATIO: "mean"}
    lacks = frozenset(metric for metric, method in needs.items() if not density.gives(method))
    energy = energies.of_ceiling(ceilings, known).cpu().numpy() if energies else None
    return Scores(scores.cpu().numpy(), energy, np.isin(np.arange(1, deltas.shape[1] + 1), known), lacks)


def _correction_scores(forecast: Rollout, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and ratio, (B, S) each, of what was added to a state and the way from there to the true one (truth:
    (B, S + 1, D)); NaN, which is left out, where nothing is corrected."""
    if forecast.corrections is None:
        nothing = torch.full_like(forecast.nll, math.nan, dtype=torch.float64)
        return nothing, nothing
    added = forecast.corrections.double()
    return _cosine_and_ratio(added, truth[:, 1:] - (forecast.states[:, 1:] - added))


def _cosine_and_ratio(steps: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and ratio of lengths, (...), of predicted and true vectors (..., D).

    +inf where a prediction overflowed; NaN, which is left out, where a vector of length 0 has no direction or ratio.
    """
    steps = steps.double()
    length, true_length = steps.norm(dim=-1), truth.norm(dim=-1)
    finite = torch.isfinite(length)
    cosine = (steps * truth).sum(-1) / (length * true_length)
    ratio = torch.where(true_length > 0, length / true_length, math.nan)
    return torch.where(finite, cosine, math.inf), torch.where(finite, ratio, math.inf)
