"""The table of the seed documents' thresholds."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, ValidationInfo, field_validator

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.tables.injection import ForecastTable
from latentdyn.config.values import Name

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class GatesTable(ForecastTable):
    """The seed documents' thresholds, met or not (seed 003 §2, §6, seed 004 §9)."""

    kind: Literal["gates"]
    reference: Name | None = Field(
        None, description="one of the representations: the others' ΔNLL at k = 1 is compared with its own"
    )

    @field_validator("reference")
    @classmethod
    def _one_of_them(cls, reference: str | None, earlier: ValidationInfo) -> str | None:
        if reference is not None and reference not in earlier.data.get("representations", [reference]):
            raise ValueError(f"'{reference}' is not among representations")
        return reference

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        evaluations = self.by_rows(config, Evaluation, corpus, self.predictors)
        return evaluations + super().measurements(config, corpus)
