"""What a user sets of the lagged diagnostic."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EvaluationSettings:
    """The `evaluation` section of the config."""

    max_frames: int
    rollout_frames: int
    energy_draws: int
    bootstrap_resamples: int
    worst_frames: int
    principal_dims: tuple[int, ...]
