"""Tables of forecasts with and without injected truth."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.injection import Injection
from latentdyn.config.tables.base import RolloutTable
from latentdyn.config.values import Split

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class ForecastTable(RolloutTable):
    """A table of forecasts beside their ceiling."""

    def measured_splits(self, config: "Root") -> tuple[str, list[Split]]:
        return "injection.splits", config.section(Injection).splits

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return self.by_rows(config, Injection, corpus, self.predictors)


class InjectionTable(ForecastTable):
    """Forecasts with and without injected truth, beside the ceiling (seed 003, Appendix A)."""

    kind: Literal["injection"]


class InjectionStepsTable(ForecastTable):
    """The same, a row for each step."""

    kind: Literal["injection_steps"]
