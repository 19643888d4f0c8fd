"""The forecasts of one predictor, mode by mode."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.diagnostics.injection.settings import InjectionSettings
from latentdyn.diagnostics.rollout import Rollout, by_draws, by_median, rollout, rollout_modes
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import torch_generator


@dataclass(frozen=True)
class Mode:
    """How a forecast is made. The fields are those of its records: a word, and the correction of its states if any."""

    mode: str
    correction: str | None = None
    langevin_steps: int | None = None
    sigma: float | None = None


# from truth (B, W + S, D) and what names their draws: mode, how many draws of each segment, in their order, forecasts
Forecasts = Callable[[Tensor, tuple[object, ...]], Iterator[tuple[Mode, int, Rollout]]]


def make_forecasts(
    predictor: Predictor, truth: Tensor, settings: InjectionSettings, names: tuple[object, ...]
) -> Iterator[tuple[Mode, int, Rollout]]:
    """Mode, how many draws of each segment, forecasts of all segments at once, of every mode that can be made."""
    s = settings.steps
    never = torch.zeros(s, dtype=torch.bool)
    with torch.inference_mode():
        density = predictor.density(truth[:1, :-s])
    if density.gives("mean"):
        for mode, forecast in rollout_modes(predictor, truth, s, settings.injected_steps_b).items():
            yield Mode(mode), 1, forecast
    if density.gives("median"):
        yield Mode("D_median"), 1, rollout(predictor, truth, s, never, by_median)
    if settings.draws:
        step = by_draws(torch_generator(*names, "draws", device=truth.device), settings.temperature)
        repeated = truth.repeat_interleave(settings.draws, dim=0)
        yield Mode("D_sampled"), settings.draws, rollout(predictor, repeated, s, never, step)
