"""What a user sets of the lagged diagnostic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationSettings:
    """The `evaluation` section of the config, for one predictor.

    own_frames: whether to measure too what it makes of frames that it has drawn or predicted itself: the energy score,
    the rollout gap, free runs.
    """

    max_frames: int
    rollout_frames: int
    energy_draws: int
    bootstrap_resamples: int
    worst_frames: int
    principal_dims: tuple[int, ...]
    own_frames: bool
