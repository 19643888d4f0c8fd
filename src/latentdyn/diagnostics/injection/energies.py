"""Energy scores of forecasts by draws, and what they compare with (see diagnostics.energy for the score itself).

At step h of a segment, everything is a law given x up to x_0, by as many draws as there are forecasts of a segment:

- energy_score: of the step Δx_h. The law of a forecast is that of its drawn steps Δx̂_h. The ceiling's density of
  staleness h is a law of Δx_h given x up to x_0 too, so the two compare.
- energy_score_state: of the state x_h, by the drawn (corrected) states x̂_h. The ceiling has none: x_h - x_0 is the sum
  of h steps, and densities of single steps do not say how these depend on each other. At h = 1 it is energy_score.
- energy_score_baseline, energy_score_state_baseline: of the diagonal Gaussians of training deltas and training frames.

A forecast is scored at the temperature of its draws, the ceiling at temperature 1.
"""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from latentdyn.diagnostics.energy import energy_of_density, energy_score, unconditional
from latentdyn.diagnostics.rollout import Rollout
from latentdyn.metrics import ENERGY_SCORE, ENERGY_SCORE_BASELINE, ENERGY_SCORE_STATE, ENERGY_SCORE_STATE_BASELINE
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import torch_generator
from latentdyn.stores.windows import Scaling

ENERGIES = (ENERGY_SCORE, ENERGY_SCORE_STATE, ENERGY_SCORE_BASELINE, ENERGY_SCORE_STATE_BASELINE)


class Energies:
    """The energy scores (B, S, E) of one split's segments; E as in ENERGIES.

    Args:
        truth: (B, W + S, D). draws: of each density, at least 2. names: what names the draws.
    """

    def __init__(self, truth: Tensor, scaling: Scaling, n_steps: int, draws: int, names: tuple[object, ...]) -> None:
        self.context, self.draws, self.names = truth[:, :-n_steps], draws, names
        self.states = truth[:, -n_steps:]
        self.deltas = truth[:, -n_steps - 1 :].diff(dim=1)
        self.std = scaling.frame_std.to(truth)
        generator = torch_generator(*names, "baseline", device=truth.device)
        moments = ((scaling.delta_mean, scaling.delta_std), (scaling.frame_mean, scaling.frame_std))
        laws = [unconditional(mean.to(truth), std.to(truth), len(truth)) for mean, std in moments]
        self.baselines = torch.stack(
            [
                torch.stack([energy_of_density(law, x[:, i], self.std, draws, generator) for i in range(n_steps)], 1)
                for law, x in zip(laws, (self.deltas, self.states), strict=True)
            ],
            dim=2,
        )

    def of_forecast(self, forecast: Rollout, draws: int) -> Tensor:
        """Of so many forecasts of each segment, in the segments' order."""
        steps, states = (x.unflatten(0, (-1, draws)) for x in (forecast.steps, forecast.states[:, 1:]))
        scores = [
            [energy_score(draw[:, :, i], x[:, i], self.std) for i in range(x.shape[1])]
            for draw, x in ((steps, self.deltas), (states, self.states))
        ]
        return torch.cat([torch.stack([torch.stack(s, dim=1) for s in scores], dim=2), self.baselines], dim=2)

    def of_ceiling(self, ceilings: Mapping[int, Predictor], known: Sequence[int]) -> Tensor:
        """Of the lagged predictors' densities; NaN where there is none, and of states."""
        scores = self.baselines.new_full((*self.baselines.shape[:2], len(ENERGIES)), math.nan)
        generator = torch_generator(*self.names, "ceiling", device=self.context.device)
        for h in known:
            density = ceilings[h].density(self.context)
            scores[:, h - 1, 0] = energy_of_density(density, self.deltas[:, h - 1], self.std, self.draws, generator)
            scores[:, h - 1, 2] = self.baselines[:, h - 1, 0]
        return scores
