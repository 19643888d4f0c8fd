"""Sections `training`: how gradient descent fits a model."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from latentdyn.config.kinds import any_kind_of
from latentdyn.config.regimes import RegimeKind, TeacherForced
from latentdyn.config.values import Count, LearningRate, Size, Strict

if TYPE_CHECKING:
    Regime = RegimeKind
else:
    Regime = any_kind_of(RegimeKind)


class _GradientDescent(Strict):
    """AdamW, and which step's weights it keeps."""

    learning_rate: LearningRate = Field(1e-3, description="AdamW's step size, constant")
    weight_decay: float = Field(1e-4, ge=0, le=1e6, description="AdamW's decoupled decay")
    gradient_clip_norm: float = Field(  # a smaller one drowns in the 1e-8 that AdamW adds to its deviations
        1.0, ge=1e-6, le=1e12, description="larger gradients are scaled down to this norm"
    )
    validate_every_steps: Count = Field(500, description="updates between two points of the held-out curve")
    select: Literal["best_validation", "last"] = Field(
        "best_validation", description="which weights are kept: the best on the validation speakers, or the last"
    )
    patience_validations: Count | None = Field(
        None, description="stop after this many validations without a new best; null trains all steps"
    )


class Training(_GradientDescent):
    """Maximum likelihood (seed 001, Appendix B)."""

    steps: Count = Field(25000, description="parameter updates")
    max_frames: Count | None = Field(
        None,
        description="frames that the predictor is fitted to at most: whole utterances, one of each training speaker in "
        "turn. null: all. What its scores are compared with (baselines) sees all of them",
    )
    batch_size: Size = Field(256, description="frames in an update; of rollouts, frames to start from")
    sequence_frames: int = Field(
        64,
        ge=1,
        le=100_000,
        description="where `reads` is `past`: frames of a sequence, each of them scored",
    )
    regime: Regime = Field(TeacherForced(kind="teacher_forced"), description="which contexts it learns from")


class ScoreTraining(_GradientDescent):
    """Denoising, at a noise level drawn for every frame (Song & Ermon 2019)."""

    steps: Count = Field(10000, description="parameter updates")
    batch_size: Size = Field(512, description="frames in an update")


class RepresentationTraining(_GradientDescent):
    """Sequences of latents, since what is asked for may be said of latents that follow each other."""

    steps: Count = Field(2000, description="parameter updates")
    batch_size: Size = Field(16, description="sequences in an update")
    sequence_frames: int = Field(24, ge=2, le=100_000, description="latents of a sequence, in a row")
    learning_rate: LearningRate = Field(2e-3, description="AdamW's step size, constant")
    validate_every_steps: Count = Field(50, description="updates between two points of the held-out curve")
    patience_validations: Count | None = Field(
        4, description="stop after this many validations without a new best; null trains all steps"
    )


class FactorizerTraining(RepresentationTraining):
    """The same, with more patience: networks that begin at 0 pay after some hundred updates."""

    patience_validations: Count | None = Field(
        12, description="stop after this many validations without a new best; null trains all steps"
    )
