"""`evaluation`: how every predictor is scored on stale contexts (Phase 1)."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, Field, create_model

from latentdyn.config.measurements.base import MeasurementKind
from latentdyn.config.values import FrameCount, Size, no_duplicates, part_of

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Evaluation(MeasurementKind):
    """How a trained predictor is scored."""

    measurement = "lagged"
    section = "evaluation"
    purpose = "how every predictor is scored"
    metrics = "metrics.json"
    sums = "speakers.parquet"
    minutes = (60, 50)

    max_frames: FrameCount = Field(200_000, description="frames scored in each split; a larger split is subsampled")
    rollout_frames: FrameCount = Field(4096, description="of these, frames whose context the model generates itself")
    energy_draws: int = Field(
        16, ge=2, le=100_000, description="draws of each density for the energy score, on `rollout_frames` frames"
    )
    bootstrap_resamples: int = Field(
        1000,
        ge=40,
        le=1_000_000,
        description="resamples of the speakers for 95 % intervals. Of 40, one lies beyond each end",
    )
    worst_frames: int = Field(
        20, ge=0, le=1_000_000, description="frames of highest NLL listed for each split and horizon"
    )
    principal_dims: Annotated[list[Size], AfterValidator(no_duplicates), AfterValidator(sorted)] = Field(
        [8],
        description="m: R² of the step and variance ratios of clusters are also taken along the first m principal "
        "axes of the training deltas; an m above the dimension is left out",
    )

    @classmethod
    def form(cls) -> type[BaseModel]:
        return create_model("EvaluationOfOne", __base__=cls, own_frames=(bool, True))

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        """Whether own frames are measured too: what a density without a context makes of them follows from its scores,
        and no table asks for it."""
        twin = by not in config.predictors and config.all_predictors[by].unconditional() is None
        return {**self.model_dump(mode="json"), "own_frames": not twin}


class WithEvaluation(MeasurementKind):
    """What kinds share whose step gets some settings of the section `evaluation`, beside their own."""

    of_evaluation: ClassVar[frozenset[str]] = frozenset({"bootstrap_resamples"})

    @classmethod
    def form(cls) -> type[BaseModel]:
        return part_of(Evaluation, cls.of_evaluation, base=cls)

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        shared = config.section(Evaluation).model_dump(mode="json", include=set(self.of_evaluation))
        return {**self.model_dump(mode="json"), **shared}
