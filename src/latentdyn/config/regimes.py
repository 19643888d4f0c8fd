"""Sections `training.regime`: which contexts a predictor learns from."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, model_validator

from latentdyn.config.values import Horizons, Strict

Probability = Annotated[float, Field(ge=0, le=1)]
Target = Literal["step", "state"]
_TARGET = "what is asked: the true step, or the way from where the context has led to the true next state"
_BACKPROPAGATE = "through the generated states; false takes them as given, and needs less memory"


class RegimeKind(Strict):
    """Which contexts a predictor learns from, and what is asked of it there."""

    kind: str  # each kind's own word


class TeacherForced(RegimeKind):
    """True contexts, true steps."""

    kind: Literal["teacher_forced"]


class NoisyContext(RegimeKind):
    """True contexts with noise that preserves their variance, as in CALM."""

    kind: Literal["noisy_context"]
    max_noise: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="the share of a context frame's variance that is noise is uniform below this"
    )
    target: Target = Field("state", description=_TARGET)


class ScheduledSampling(RegimeKind):
    """Rollouts by the mean into which truth is put back ever more rarely (Exp 1B, seed 003 §1.2)."""

    kind: Literal["scheduled_sampling"]
    unroll_steps: int = Field(16, ge=2, description="K: steps of a rollout")
    p_teacher_start: Probability = Field(0.2, description="probability that a step starts from the true state")
    p_teacher_end: Probability = Field(0.0, description="the same in the end")
    decay_steps: PositiveInt = Field(2000, description="parameter updates from the one to the other")
    target: Target = Field("step", description=_TARGET)
    backpropagate: bool = Field(False, description=_BACKPROPAGATE)


class Unrolled(RegimeKind):
    """Rollouts by the mean that grow longer while training (Phase 4, seed 004 §2)."""

    kind: Literal["unrolled"]
    first_unroll_steps: PositiveInt = Field(2, description="steps of a rollout at first")
    unroll_steps: int = Field(16, ge=2, description="K: steps of a rollout in the end")
    grow_steps: PositiveInt = Field(2000, description="parameter updates from the one to the other")
    target: Target = Field("step", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)

    @model_validator(mode="after")
    def _grows(self) -> "Unrolled":
        if self.first_unroll_steps > self.unroll_steps:
            raise ValueError("first_unroll_steps must be at most unroll_steps")
        return self


class MultiHorizon(RegimeKind):
    """Rollouts by the mean that are asked at some steps only, near ones and far ones."""

    kind: Literal["multi_horizon"]
    at_steps: Horizons = Field([1, 2, 4, 8], description="those steps")
    target: Target = Field("state", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)


class SampledUnroll(RegimeKind):
    """Rollouts by draws from the mixture's components (Exp 5, seed 004 §4)."""

    kind: Literal["sampled_unroll"]
    unroll_steps: int = Field(16, ge=2, description="steps of a rollout")
    draws: PositiveInt = Field(1, description="M: rollouts of each start")
    target: Target = Field("state", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)
