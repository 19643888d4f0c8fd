"""The table of long free runs."""

from typing import TYPE_CHECKING, Literal

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.tables.base import RolloutTable
from latentdyn.config.values import Split

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class FreeRunsTable(RolloutTable):
    """Long free runs beside the data: are they bounded, do they move, have they the same distribution?"""

    kind: Literal["free_runs"]

    def measured_splits(self, config: "Root") -> tuple[str, list[Split]]:
        return "free_runs.split", [config.section(FreeRuns).split]

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return self.by_rows(config, FreeRuns, corpus, self.predictors)
