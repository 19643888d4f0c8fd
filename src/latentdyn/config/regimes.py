"""Sections `training.regime`: which contexts a predictor learns from."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from latentdyn.config.values import Count, Horizons, Size, Strict, check_schedule

Probability = Annotated[float, Field(ge=0, le=1)]
Target = Literal["step", "state"]
_TARGET = "what it must predict: the true step, or the way from the state where the step starts to the true next state"
_BACKPROPAGATE = "gradients go through the generated states; false takes the states as given, and needs less memory"


class RegimeKind(Strict):
    """Which contexts a predictor learns from, and what it must predict there."""

    # how a predictor that reads the past learns by it: from every frame of sequences, by runs of its own, or not at all
    of_past: ClassVar[Literal["sequences", "runs"] | None] = None

    kind: str  # each kind's own word

    @property
    def longest(self) -> int:
        """Frames that it predicts one after another."""
        return int(getattr(self, "unroll_steps", 1))

    def check_steps(self, steps: int) -> None:
        """Check that so many parameter updates are enough for what changes while they are made.

        Raises:
            ValueError: they are not. The text begins with the key that is to blame.
        """


class TeacherForced(RegimeKind):
    """True contexts, true steps."""

    of_past: ClassVar = "sequences"

    kind: Literal["teacher_forced"]


class NoisyContext(RegimeKind):
    """True contexts with noise that preserves their variance, as in CALM."""

    of_past: ClassVar = "sequences"

    kind: Literal["noisy_context"]
    max_noise: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="largest share of a context frame's variance that is noise; shares are uniform below it"
    )
    clean_frames: int = Field(
        0,
        ge=0,
        le=100_000,
        description="so many of the newest frames of a context have no noise, as in CALM. Of a whole past: none, or "
        "the `window_frames` that a linear skip sees",
    )
    target: Target = Field("state", description=_TARGET)


class ScheduledSampling(RegimeKind):
    """Rollouts by the mean. Truth is put back into them, more and more rarely (Exp 1B, seed 003 §1.2)."""

    of_past: ClassVar = "runs"

    kind: Literal["scheduled_sampling"]
    unroll_steps: int = Field(16, ge=2, le=100_000, description="K: steps of a rollout")
    p_teacher_start: Probability = Field(0.2, description="probability that a step starts from the true state")
    p_teacher_end: Probability = Field(0.0, description="the same probability at the end")
    decay_steps: Count = Field(2000, description="parameter updates until p_teacher_end is reached")
    target: Target = Field("step", description=_TARGET)
    backpropagate: bool = Field(False, description=_BACKPROPAGATE)

    def check_steps(self, steps: int) -> None:
        if self.p_teacher_start != self.p_teacher_end:
            check_schedule("decay_steps", self.decay_steps, steps, "a step starts from truth by p_teacher_end")


class Unrolled(RegimeKind):
    """Rollouts by the mean that grow longer while training (Phase 4, seed 004 §2)."""

    of_past: ClassVar = "runs"

    kind: Literal["unrolled"]
    first_unroll_steps: Size = Field(2, description="steps of a rollout at first")
    unroll_steps: int = Field(16, ge=2, le=100_000, description="K: steps of a rollout in the end")
    grow_steps: Count = Field(2000, description="parameter updates until rollouts have unroll_steps")
    target: Target = Field("step", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)

    def check_steps(self, steps: int) -> None:
        if self.first_unroll_steps != self.unroll_steps:
            check_schedule("grow_steps", self.grow_steps, steps, "rollouts have unroll_steps")

    @model_validator(mode="after")
    def _grows(self) -> "Unrolled":
        if self.first_unroll_steps > self.unroll_steps:
            raise ValueError("first_unroll_steps must be at most unroll_steps")
        return self


class MultiHorizon(RegimeKind):
    """Rollouts by the mean. Only some of their steps count, near ones and far ones."""

    of_past: ClassVar = "runs"

    kind: Literal["multi_horizon"]
    at_steps: Horizons = Field([1, 2, 4, 8], description="the steps that count")
    target: Target = Field("state", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)

    @property
    def longest(self) -> int:
        return self.at_steps[-1]


class SampledUnroll(RegimeKind):
    """Rollouts by draws: from a component of a mixture, or from a head that is trained to draw (Exp 5, seed 004 §4)."""

    of_past: ClassVar = "runs"

    kind: Literal["sampled_unroll"]
    unroll_steps: int = Field(16, ge=2, le=100_000, description="steps of a rollout")
    draws: Size = Field(1, description="M: rollouts of each start")
    target: Target = Field("state", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)
