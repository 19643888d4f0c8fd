"""The table of trade-offs: what a representation costs and gives, in one row."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from latentdyn.config.measurements import Measurement, MeasurementKind
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.measurements.injection import Injection
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.measurements.perception import DecoderTolerance
from latentdyn.config.tables.base import (
    RowsTable,
    check_predictors,
    check_same_frames,
    check_trained,
    frames_of,
    unheard_rows,
)
from latentdyn.config.tables.geometry import Geometry
from latentdyn.config.values import Names, Split, no_duplicates

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_SPLIT: Split = "eval"  # all of its numbers are of held-out speakers
Group = Literal["geometry", "injection", "free_runs", "perception"]
_OF_PREDICTORS: dict[Group, type[MeasurementKind]] = {"injection": Injection, "free_runs": FreeRuns}
_OF_REPRESENTATIONS: dict[Group, type[MeasurementKind]] = {"geometry": Geometry, "perception": DecoderTolerance}


class TradeoffTable(RowsTable):
    """Dimension, rate, predictability, forecasts, free runs and audio quality of each representation, in one row."""

    adds_to_plan: ClassVar[frozenset[str]] = frozenset({"unheard"})

    kind: Literal["tradeoff"]
    predictors: Names = Field(
        description="a row each; they must be fitted at k = 1 and share `window_frames` and their longest horizon, and "
        "the section `geometry` too, if it is asked for"
    )
    groups: Annotated[list[Group], AfterValidator(no_duplicates)] = Field(
        ["geometry", "injection", "free_runs"],
        description="what is shown beside the scores of stale contexts. `perception` (PESQ of what is decoded, by the "
        "section `decoder_tolerance`) needs an optional package: docs/perception.md",
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        for origin in (str, config.origin):  # forecasts are of the frames of the predictor that training began with
            scored = [frames_of(config, name, origin(name)) for name in self.predictors]
            if "geometry" in self.groups:
                section = config.section(Geometry)
                scored.append(("the section geometry", section.window_frames, section.horizons[-1]))
            check_same_frames(where, scored)
        check_trained(where, config, self.predictors, [1])
        wanted: dict[Group, list[tuple[str, Sequence[Any], Any]]] = {
            "geometry": [("geometry.horizons", config.section(Geometry).horizons, 1)],
            "injection": [("injection.splits", config.section(Injection).splits, _SPLIT)],
            "free_runs": [("free_runs.split", [config.section(FreeRuns).split], _SPLIT)],
            "perception": config.section(DecoderTolerance).needed_for_pesq(),
        }
        for group in self.groups:
            for setting, given, needed in wanted[group]:
                if needed not in given:
                    raise ValueError(f"{where}.groups: {group} shows {needed}, which is not among {setting}")

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        found = self.by_rows(config, Evaluation, corpus, self.predictors, unconditional=True)
        for group, kind in _OF_PREDICTORS.items():
            if group in self.groups:
                found += self.by_rows(config, kind, corpus, self.predictors)
        unheard = unheard_rows(config, self.rows(config))
        for group, kind in _OF_REPRESENTATIONS.items():
            if group in self.groups:
                rows = [row for row in self.rows(config) if group == "geometry" or row not in unheard]
                found += [config.section(kind).of(config, corpus, row, row, 0) for row in rows]
        return found

    def plan(self, config: "Root", corpus: str) -> dict[str, Any]:
        return super().plan(config, corpus) | {"unheard": unheard_rows(config, self.rows(config))}
