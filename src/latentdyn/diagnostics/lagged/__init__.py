"""Phase 1, the lagged-context diagnostic (seed 001 §2): how much a stale context tells about the next step.

ΔNLL(k) = NLL[p(Δx_t | x_{t-k-W+1 .. t-k})] - NLL[baseline of Δx], nats a frame; negative is good. Train and eval go
through this one path. Beside it stands what a ΔNLL alone would hide: a baseline that knows the covariance, the level
gain, both forms of the log-magnitude R², robust summaries, the worst frames, and the gap when the context is the
model's own.

A density without a likelihood or a mean has the records that it can have, and records of status `missing` (see
capabilities). The energy score (see energy) exists for all: of Δx_t given the stale context, on the frames of the
rollout gap, by `energy_draws` draws a frame; energy_score_baseline is that of the diagonal Gaussian of training deltas.
"""

from latentdyn.diagnostics.lagged.evaluation import Evaluation, evaluate_lagged
from latentdyn.diagnostics.lagged.settings import EvaluationSettings

__all__ = ["Evaluation", "EvaluationSettings", "evaluate_lagged"]
