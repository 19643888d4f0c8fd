"""What a user can set of the injection diagnostic."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class InjectionSettings:
    """The `injection` section of the config, and what it shares with `evaluation`.

    utterances, segments: of each split, and of each utterance. steps: S. injected_steps_b: when B sees truth, 1 to S.
    draws, temperature: of the sampled forecasts of a segment; 0 draws leave them out.
    """

    splits: Sequence[str]
    utterances: int
    segments: int
    steps: int
    injected_steps_b: Sequence[int]
    draws: int
    temperature: float
    bootstrap_resamples: int
