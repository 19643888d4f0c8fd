"""The Phase 0 table."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.clusters import Clustering
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.tables.base import (
    RowsTable,
    SliceRows,
    SplitRows,
    check_predictors,
    check_same_frames,
    check_trained,
    frames_of,
    undefined,
)
from latentdyn.config.values import Name, Names, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class ClusteringTable(RowsTable):
    """Phase 0 (seed 000 §2, 001 §1): do clusters of contexts tell about the next step?"""

    kind: Literal["clustering"]
    keys: Names = Field(description="rows, in this order")
    predictors: Annotated[list[Name], AfterValidator(no_duplicates)] = Field(
        [],
        description="further rows, at k = 1 on the same frames: what the whole context tells. They must share "
        "`window_frames` and the longest horizon with the section `clustering`",
    )
    splits: SplitRows = Field(["eval"], description="rows")
    slices: SliceRows = Field(["all"], description="rows; `high_energy` needs audio")

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        for key in self.keys:
            if key not in config.keys:
                raise undefined(f"{where}.keys", key, config.keys)
        clustering = config.section(Clustering)
        scored = [frames_of(config, name, name) for name in self.predictors]
        check_same_frames(where, [*scored, ("clustering", clustering.window_frames, clustering.longest_horizon)])
        check_trained(where, config, self.predictors, [1])

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        evaluations = self.by_rows(config, Evaluation, corpus, self.predictors, unconditional=True)
        clustering = config.section(Clustering)
        return evaluations + [clustering.of(config, corpus, r, key, 0) for r in self.rows(config) for key in self.keys]
