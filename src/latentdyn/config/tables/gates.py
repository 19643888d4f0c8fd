"""The table of thresholds."""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.archetypes import Archetypes
from latentdyn.config.measurements.corrections import CorrectedForecasts
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.measurements.perception import DecoderTolerance
from latentdyn.config.tables.base import undefined, unheard_rows
from latentdyn.config.tables.injection import ForecastTable
from latentdyn.config.values import Name, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root

Part = Literal["projection", "vae", "vae_smooth", "vae_predicted"]


class GatesTable(ForecastTable):
    """Thresholds, met or not; most of seed documents (003 §2, §6, §7, 004 §5, §9), set before answers were known."""

    gates: ClassVar[tuple[str, ...]] = ("all",)

    kind: Literal["gates"]
    reference: Name | None = Field(
        None, description="one of the representations: the others' ΔNLL at k = 1 is compared with its own"
    )
    parts: dict[Part, Name] = Field(
        {},
        description="which of the representations gates of learned ones compare: a linear `projection` (such as "
        "PCA-32), the `vae` alone, and those with L_smooth and L_pred",
    )
    groups: Annotated[list[Literal["free_runs", "archetypes", "perception"]], AfterValidator(no_duplicates)] = Field(
        [],
        description="what is measured besides, so that its gates are answered. `perception` (PESQ of what is decoded, "
        "by the section `decoder_tolerance`) needs an optional package: docs/perception.md",
    )
    correction: Name | None = Field(None, description="one of `corrections`: forecasts with it are measured besides")

    @field_validator("reference", "parts")
    @classmethod
    def _among_them(cls, named: str | dict[Part, str] | None, earlier: ValidationInfo) -> str | dict[Part, str] | None:
        names = list(named.values()) if isinstance(named, dict) else [named] if named else []
        for name in names:
            if name not in earlier.data.get("representations", names):
                raise ValueError(f"'{name}' is not among representations")
        return named

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        if self.correction is not None and self.correction not in config.corrections:
            raise undefined(f"{where}.correction", self.correction, config.corrections)
        for setting, given, needed in config.section(DecoderTolerance).needed_for_pesq():
            if "perception" in self.groups and needed not in given:
                raise ValueError(f"{where}.groups: perception shows {needed}, which is not among {setting}")

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        found = self.by_rows(config, Evaluation, corpus, self.predictors) + super().measurements(config, corpus)
        rows, unheard = self.rows(config), unheard_rows(config, self.rows(config))
        if "free_runs" in self.groups:
            found += self.by_rows(config, FreeRuns, corpus, self.predictors)
        if "archetypes" in self.groups:
            found += [config.section(Archetypes).of(config, corpus, row, row, 0) for row in rows]
        if "perception" in self.groups:
            heard = [row for row in rows if row not in unheard]
            found += [config.section(DecoderTolerance).of(config, corpus, row, row, 0) for row in heard]
        if self.correction is not None:
            found += self.by_rows(config, CorrectedForecasts, corpus, self.predictors, self.correction)
        return found
