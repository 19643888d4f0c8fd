"""The table of parametrisations: what a head describes and starts from, beside forecasts and free runs."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from latentdyn.config.measurements import Measurement
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.measurements.injection import Injection
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.tables.base import RowsTable, check_predictors, check_same_frames, check_trained, frames_of
from latentdyn.config.values import Names, Split

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_SPLIT: Split = "eval"  # all of its numbers are of held-out speakers
_SETTINGS = ("target", "linear_skip", "target_axes")


class ArmsTable(RowsTable):
    """A table of scores, forecasts and free runs of predictors, and of what they are (`arms` of its plan)."""

    adds_to_plan: ClassVar[frozenset[str]] = frozenset({"arms"})

    predictors: Names = Field(
        description="a row each; they must be fitted at k = 1 and share `window_frames` and their longest horizon"
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        for origin in (str, config.origin):  # forecasts are of the frames of the predictor that training began with
            check_same_frames(where, [frames_of(config, name, origin(name)) for name in self.predictors])
        check_trained(where, config, self.predictors, [1])
        measured = {
            "injection.splits": config.section(Injection).splits,
            "free_runs.split": [config.section(FreeRuns).split],
        }
        for setting, splits in measured.items():
            if _SPLIT not in splits:
                raise ValueError(f"{where}: it shows the split {_SPLIT}, which is not among {setting}")

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        found = self.by_rows(config, Evaluation, corpus, self.predictors, unconditional=True)
        for kind in (Injection, FreeRuns):
            found += self.by_rows(config, kind, corpus, self.predictors)
        return found

    def arm(self, config: "Root", name: str) -> dict[str, Any]:
        """What is said of a predictor beside its numbers, by column."""
        return {setting: str(getattr(config.predictors[name], setting, "")) for setting in _SETTINGS}

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        return super().plan(config, corpus) | {"arms": {name: self.arm(config, name) for name in self.predictors}}


class ParametrisationTable(ArmsTable):
    """Scores, forecasts and free runs of predictors that differ in what their heads describe, or in their regime."""

    kind: Literal["parametrisation"]
