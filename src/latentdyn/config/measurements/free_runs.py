"""`free_runs`: long runs of a predictor on its own steps."""

from typing import TYPE_CHECKING

from pydantic import Field, model_validator

from latentdyn.config.measurements.lagged import WithEvaluation
from latentdyn.config.shapes import Known
from latentdyn.config.values import FrameCount, Horizons, Split, Temperature

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class FreeRuns(WithEvaluation):
    """Long free runs: do they stay bounded, and are they like the data?"""

    measurement = "free_runs"
    section = "free_runs"
    purpose = "long free runs"
    metrics = "free_runs.json"

    split: Split = Field("eval", description="runs start from its contexts, and are compared with its frames")
    runs: int = Field(64, ge=2, le=1_000_000, description="free runs, each from a context of its own")
    steps: int = Field(256, ge=9, le=1_000_000, description="frames of a run")
    at_steps: Horizons = Field([1, 16, 64, 256], description="steps at which energy and step length are reported")
    temperature: Temperature = Field(1.0, description="temperature of the draws")
    max_frames: FrameCount = Field(20_000, description="frames of the data to compare with")

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        super().check(where, config, known, by, variant)
        known.check_split("free_runs.split", self.split, f"{where} starts free runs there")
        reach = max(config.all_predictors[by].window_frames, 9)  # autocorrelations reach 9 frames back
        known.check_frames(where, reach + 1, "a comparison with free runs")

    @model_validator(mode="after")
    def _within_the_run(self) -> "FreeRuns":
        if max(self.at_steps) > self.steps:
            raise ValueError("at_steps must be at most steps")
        return self
