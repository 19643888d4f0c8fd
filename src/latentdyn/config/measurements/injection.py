"""`injection`: forecasts of a few steps into which truth is injected or not (seed 003 §1.2)."""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field, model_validator

from latentdyn.config.measurements.base import Model, predictor_model
from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.shapes import Known
from latentdyn.config.values import Count, Horizons, Split, Temperature, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class Injection(WithEvaluation):
    """Forecasts of a few steps into which truth is injected or not (seed 003 §1.2)."""

    measurement = "injection"
    section = "injection"
    purpose = "forecasts of a few steps"
    metrics = "injection.json"
    sums = "injection_speakers.parquet"
    roles: ClassVar = {"predictor": "predictor", "ceiling": "predictor"}

    splits: Annotated[list[Split], Field(min_length=1), AfterValidator(no_duplicates)] = Field(
        ["train", "eval"], description="where segments are drawn from"
    )
    utterances: Count = Field(
        16,
        description="utterances of each split, drawn among those that are long enough. The 16 of the seed documents "
        "are few speakers: take more for narrow intervals",
    )
    segments: int = Field(8, ge=1, le=100_000, description="segments of each of these utterances")
    steps: int = Field(16, ge=1, le=100_000, description="steps of a forecast")
    injected_steps_b: Horizons = Field([4, 8, 12], description="steps at which mode B is given the truth")
    draws: int = Field(8, ge=0, le=100_000, description="forecasts by draws of each segment; 0 leaves them out")
    temperature: Temperature = Field(1.0, description="of these draws; below 1 they stay closer to what is likeliest")

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        super().check(where, config, known, by, variant)
        window, ceilings = config.all_predictors[by].window_frames, config.all_predictors[config.origin(by)].horizons
        known.check_frames(where, window + self.steps, "a forecast (window_frames, and steps of the section injection)")
        known.check_frames(where, window + ceilings[-1], f"the ceiling of predictor '{by}' (its horizons)")
        for split in self.splits:
            known.check_split("injection.splits", split, f"{where} takes segments of it")
            if (there := known.utterances(split)) is not None and there < self.utterances:
                raise ValueError(
                    f"injection.utterances: {where} asks for {self.utterances} utterances of split {split}, and corpus "
                    f"'{known.corpus_name}' has {there} there"
                )

    @model_validator(mode="after")
    def _within_the_forecast(self) -> "Injection":
        if max(self.injected_steps_b) > self.steps:
            raise ValueError("injected_steps_b must be at most steps")
        return self

    def models(self, config: "Root", by: str, variant: str | None) -> dict[str, Model]:
        """The predictor, and the one whose horizons bound what it can forecast."""
        names = {"predictor": by, "ceiling": config.origin(by)}
        return {role: predictor_model(config, name) for role, name in names.items()}
