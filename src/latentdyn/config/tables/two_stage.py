"""Two-stage generation: its measurement, and its table."""

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

from latentdyn.config.lookup import Engram
from latentdyn.config.measurements import Measurement, MeasurementKind
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.predictors import VMFLogNormal
from latentdyn.config.shapes import Known
from latentdyn.config.tables.base import PlainTable, Shown, check_predictors, check_trained
from latentdyn.config.values import Names

if TYPE_CHECKING:
    from latentdyn.config.root import Root

_LEAST_WINDOW = 3  # a length is told by two directions before it, too
_AHEAD = 16  # frames that a forecast is scored on


class TwoStage(MeasurementKind):
    """Directions first and lengths after them, beside both together. The section `free_runs` says how long."""

    measurement = "two_stage"
    metrics = "two_stage.json"

    @classmethod
    def form(cls) -> type[BaseModel]:
        return FreeRuns.form()

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        return config.section(FreeRuns).settings(config, by, variant)

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        config.section(FreeRuns).check(where, config, known, by, variant)
        window = config.all_predictors[by].window_frames
        known.check_frames(where, max(window, 9) + _AHEAD, "a forecast of 16 frames from a context")


class TwoStageTable(PlainTable):
    """Two-stage generation (seed 004, Exp 8) beside joint sampling, by the measures of free runs."""

    shown = Shown(
        about="`joint`: a predictor that sees directions alone draws length and direction of each step together. "
        "`two_stage`: the same predictor draws all directions, one after another; then all lengths are drawn at once, "
        "given the directions around each step and its speaker's mean level and rate. Neither sees where the frames "
        "are, so that runs may wander off as a random walk does: compare with a table of kind `free_runs`, whose "
        "predictors see it. `data`: frames of the data. `half`: one half of the speakers beside the other. "
        "`phase_randomised`: training utterances with random phases. `marginal`: training frames one by one. "
        "`energy` and `step_length` are over the data's, 1 is right.",
        caption="Directions first and lengths after them, beside both together",
        columns=("unbounded", "energy", "step_length", "frechet_latents", "frechet_deltas", "classifier_accuracy",
                 "energy_score_state", "autocorrelation_deltas", "r2_lengths"),
        drawn=("energy", "step_length", "frechet_deltas", "classifier_accuracy"),
        across="step",
    )  # fmt: skip

    kind: Literal["two_stage"]
    predictors: Names = Field(
        description="rows; of kind vmf_lognormal with `context_normalisation: directions`, fitted at k = 1"
    )

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        check_predictors(where, config, self.predictors)
        check_trained(where, config, self.predictors, [1])
        for name in self.predictors:
            predictor = config.predictors[name]
            if not isinstance(predictor, VMFLogNormal) or predictor.context_normalisation != "directions":
                raise ValueError(
                    f"{where}.predictors: '{name}' does not make directions of directions alone. Name predictors of "
                    "kind vmf_lognormal with context_normalisation: directions"
                )
            if predictor.linear_skip != "none" or isinstance(predictor.lookup, Engram):
                raise ValueError(
                    f"{where}.predictors: '{name}' has a linear skip or looks up frames, so that lengths would decide "
                    "directions; leave out linear_skip, and lookup of kind engram"
                )
            if predictor.window_frames < _LEAST_WINDOW:
                raise ValueError(f"{where}.predictors: window_frames of '{name}' must be {_LEAST_WINDOW} or more")

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return self.by_rows(config, TwoStage, corpus, self.predictors)
