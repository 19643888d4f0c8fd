"""The injection diagnostic (seed 004, Experiment 2): where forecasts get lost, and whether injected truth helps.

Segments of held-out utterances are forecast for S steps. A mode is a way to do it (see rollout for when truth enters):

- A, B, C, D: by the mean, with truth at every step, at some steps, at step 1 only, at no step. C is the same as D;
- D_median: by the median, where the density has one of its own;
- D_sampled: by draws. Each draw counts as a forecast;
- ceiling: no rollout. A forecast of step h knows x up to x_0 only. So does a context that is k = h frames stale: the
  lagged predictor of that staleness, on the same frames, estimates the best score that a forecast can have.

Forecasts are scored on the true Δx_h, by step and pooled over steps, with 95 % intervals that resample speakers:

- dnll: NLL less that of a diagonal Gaussian of training deltas;
- cosine: of Δx̂ and Δx; magnitude_ratio: ||Δx̂|| / ||Δx||;
- state_error: ||x̂ - x|| where the step starts, so it is 0 at step 1; state_error_normalised: the same over the RMS of
  ||x - mean||;
- correction_cosine, correction_ratio, where states are corrected (see rollout): cosine and ratio of lengths of what was
  added to x̂_h and the way from there to x_h;
- {metric}_median: over frames; nonfinite: frames where any of these overflowed;
- energy_score, energy_score_state and their baselines, of forecasts by draws and of the ceiling: see energies;
- skill, skill_nats: cosine and dnll over those of the ceiling (pooled: over the steps that have one). They are
  undefined where the ceiling's own interval holds 0. A skill above 1 says that the ceiling was fitted worse. In nats
  even the true model stays below 1: a density for one step is too narrow around a mean that is already off;
- reset_dnll, reset_cosine (B): at an injected step less at the step before; step None is their mean;
- divergence_horizon: the first step whose mean cosine is below 2 SE or whose mean state_error_normalised is above 1;
  S + 1 if there is none. Chance is a cosine of 0. SE is the larger of two: 1/sqrt(nD), that of random directions, and
  that over resampled speakers.

A predictor without a mean has no modes A to D, and one without a likelihood no dnll (see capabilities).
"""

from latentdyn.diagnostics.injection.evaluation import evaluate_injection, score_forecasts
from latentdyn.diagnostics.injection.forecasts import Forecasts, Mode
from latentdyn.diagnostics.injection.segments import draw_segments
from latentdyn.diagnostics.injection.settings import InjectionSettings

__all__ = [
    "Forecasts",
    "InjectionSettings",
    "Mode",
    "draw_segments",
    "evaluate_injection",
    "score_forecasts",
]
