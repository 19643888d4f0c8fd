"""The table of forecasts whose states a score model corrects."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.corrections import CorrectedForecasts
from latentdyn.config.tables.base import undefined
from latentdyn.config.tables.injection import ForecastTable
from latentdyn.config.values import Name, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class ScoreCorrectionTable(ForecastTable):
    """Forecasts whose states a score model corrects, beside their controls (seed 003 §6.2)."""

    adds_to_plan = frozenset({"sampling"})
    gates = ("horizon_extended",)

    kind: Literal["score_correction"]
    correction: Name = Field(description="one of `corrections`: score model, levels and numbers of steps")
    variants: Annotated[
        list[Literal["none", "langevin", "noise_only", "score_only", "gaussian_only", "shrink_only"]],
        Field(min_length=1),
        AfterValidator(no_duplicates),
    ] = Field(
        ["none", "langevin", "noise_only", "score_only", "gaussian_only", "shrink_only"],
        description="rows: no correction, both parts of a Langevin step, its noise alone, its score alone, the score "
        "of a Gaussian of the training frames alone, and a mere shrinking towards their mean",
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        if self.correction not in config.corrections:
            raise undefined(f"{where}.correction", self.correction, config.corrections)

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return self.by_rows(config, CorrectedForecasts, corpus, self.predictors, self.correction)

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        return {**super().plan(config, corpus), "sampling": config.corrections[self.correction].sampling()}
