"""Sections `training`: how gradient descent fits a model, and which contexts a predictor learns from."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from latentdyn.config.values import Horizons, Strict

Probability = Annotated[float, Field(ge=0, le=1)]
Target = Literal["step", "state"]
_TARGET = "what is asked: the true step, or the way from where the context has led to the true next state"
_BACKPROPAGATE = "through the generated states; false takes them as given, and needs less memory"


class TeacherForced(Strict):
    """True contexts, true steps."""

    kind: Literal["teacher_forced"]


class NoisyContext(Strict):
    """True contexts with noise that preserves their variance, as in CALM."""

    kind: Literal["noisy_context"]
    max_noise: Annotated[float, Field(gt=0, le=1)] = Field(
        0.2, description="the share of a context frame's variance that is noise is uniform below this"
    )
    target: Target = Field("state", description=_TARGET)


class ScheduledSampling(Strict):
    """Rollouts by the mean into which truth is put back ever more rarely (Exp 1B, seed 003 §1.2)."""

    kind: Literal["scheduled_sampling"]
    unroll_steps: int = Field(16, ge=2, description="K: steps of a rollout")
    p_teacher_start: Probability = Field(0.2, description="probability that a step starts from the true state")
    p_teacher_end: Probability = Field(0.0, description="the same in the end")
    decay_steps: PositiveInt = Field(2000, description="parameter updates from the one to the other")
    target: Target = Field("step", description=_TARGET)
    backpropagate: bool = Field(False, description=_BACKPROPAGATE)


class Unrolled(Strict):
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


class MultiHorizon(Strict):
    """Rollouts by the mean that are asked at some steps only, near ones and far ones."""

    kind: Literal["multi_horizon"]
    at_steps: Horizons = Field([1, 2, 4, 8], description="those steps")
    target: Target = Field("state", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)


class SampledUnroll(Strict):
    """Rollouts by draws from the mixture's components (Exp 5, seed 004 §4)."""

    kind: Literal["sampled_unroll"]
    unroll_steps: int = Field(16, ge=2, description="steps of a rollout")
    draws: PositiveInt = Field(1, description="M: rollouts of each start")
    target: Target = Field("state", description=_TARGET)
    backpropagate: bool = Field(True, description=_BACKPROPAGATE)


Regime = Annotated[
    TeacherForced | NoisyContext | ScheduledSampling | Unrolled | MultiHorizon | SampledUnroll,
    Field(discriminator="kind"),
]


class _GradientDescent(Strict):
    """AdamW, and which step's weights it keeps."""

    learning_rate: PositiveFloat = Field(1e-3, description="AdamW's step size, constant")
    weight_decay: NonNegativeFloat = Field(1e-4, description="AdamW's decoupled decay")
    gradient_clip_norm: PositiveFloat = Field(1.0, description="larger gradients are scaled down to this norm")
    validate_every_steps: PositiveInt = Field(500, description="steps between two points of the held-out curve")
    select: Literal["best_validation", "last"] = Field(
        "best_validation", description="whose weights are kept: the step best on the validation speakers, or the last"
    )
    patience_validations: PositiveInt | None = Field(
        None, description="stop after so many validations without a new best; null trains all steps"
    )


class Training(_GradientDescent):
    """Maximum likelihood (seed 001, Appendix B)."""

    steps: PositiveInt = Field(25000, description="parameter updates")
    batch_size: PositiveInt = Field(256, description="frames in a step; of generated contexts, frames to start from")
    regime: Regime = Field(TeacherForced(kind="teacher_forced"), description="which contexts it learns from")


class ScoreTraining(_GradientDescent):
    """Denoising, at a noise level drawn for every frame (Song & Ermon 2019)."""

    steps: PositiveInt = Field(10000, description="parameter updates")
    batch_size: PositiveInt = Field(512, description="frames in a step")
