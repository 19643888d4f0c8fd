"""The injection diagnostic (seed 004, Experiment 2): where a forecast loses what one step knows, and if truth mends it.

Segments of held-out utterances are forecast for S steps in several modes (see rollout, which says when truth enters):

- A, B, C, D: by the mean, with truth at every step, at some, at step 1 only, at none; C is D;
- D_median: by the median, where the density has one of its own;
- D_sampled: by draws, each of which counts as a forecast;
- ceiling: no rollout. A forecast of step h knows x up to x_0 only, just as a context that is k = h frames stale: the
  lagged predictor of that staleness, on the same frames, estimates the bound of what any forecast can score.

Scored on the true Δx_h, by step and pooled over steps, with 95 % intervals that resample speakers:

- dnll: NLL less a diagonal Gaussian's of training deltas; cosine: of Δx̂ and Δx; magnitude_ratio: ||Δx̂|| / ||Δx||;
- state_error: ||x̂ - x|| where the step starts, so 0 at step 1; state_error_normalised: over the RMS of ||x - mean||;
- correction_cosine, correction_ratio, where states are corrected (see rollout): of what was added to x̂_h and the way
  from there to x_h, as cosine and magnitude_ratio;
- {metric}_median, over frames; nonfinite: frames where any of these overflowed;
- skill, skill_nats: cosine and dnll over the ceiling's (pooled: over those steps that have one); undefined where the
  ceiling's own interval holds 0. Above 1, the ceiling was fitted worse. In nats even the true model falls short, since
  a density for one step is too sure of what follows a mean that is off;
- reset_dnll, reset_cosine (B): at an injected step less at the one before; step None is their mean;
- divergence_horizon: the first step whose mean cosine is below 2 SE (chance is 0; SE the larger of 1/sqrt(nD), that of
  random directions, and the speakers') or whose mean state_error_normalised is above 1; S + 1 if there is none.
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
