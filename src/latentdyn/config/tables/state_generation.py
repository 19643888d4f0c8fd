"""Frames generated from factorizers' states: their measurement, and their table."""

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import BaseModel, Field

from latentdyn.config.measurements import Measurement, MeasurementKind
from latentdyn.config.measurements.free_runs import FreeRuns
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.representations.factorizer import Factorizer
from latentdyn.config.shapes import Known
from latentdyn.config.tables.base import PlainTable, Shown, by_predictors, check_predictors, check_trained
from latentdyn.config.values import Names, part_of

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class StateGeneration(MeasurementKind):
    """Free runs of states, in the frames of the factorizer's source. The section `free_runs` says how long."""

    measurement = "state_generation"
    metrics = "state_generation_{variant}.json"
    variant = "reference"
    compares = True
    copies = 8.0

    _shared: ClassVar = {"energy_draws"}

    @classmethod
    def form(cls) -> type[BaseModel]:
        return part_of(Evaluation, cls._shared, base=FreeRuns.form())

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        shared = config.section(Evaluation).model_dump(mode="json", include=self._shared)
        return {**config.section(FreeRuns).settings(config, by, variant), **shared}

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        config.section(FreeRuns).check(where, config, known, by, variant)


class StateGenerationTable(PlainTable):
    """Generation from a factorizer's state (seed 002 §4), judged in the frames of its source.

    Rows that differ in `way_back` alone compare ways to get the innovation at inference.
    """

    shown = Shown(
        about="`sampled`: free runs of the predictor's states by draws, led to frames of the factorizer's source with "
        "the innovation that its `way_back` says. `true_states`: true states led to frames in the same way; what they "
        "miss is not the predictor's. `data`: frames of the data. `half`: one half of the speakers beside the other. "
        "`phase_randomised`: training utterances with random phases. `marginal`: training frames one by one. `energy` "
        "and `step_length` are over the data's, 1 is right. Where the noise σ of frames given state and innovation is "
        "not drawn (`noise` of `way_back`), energy lies below 1. Innovations are drawn beside the states, so that what "
        "they do to later frames is missing: autocorrelations may lie below the data's for the true model, too. "
        "`energy_score_state` is of draws of a frame given its true state, and of `marginal` without it; without an "
        "innovation all draws are one frame. `innovation_kbit_per_s` is the KL, whatever the way back takes.",
        caption="Frames generated from states",
        columns=("energy", "step_length", "frechet_latents", "frechet_deltas", "classifier_accuracy",
                 "autocorrelation_latents", "energy_score_state", "innovation_kbit_per_s"),
        drawn=("energy", "step_length", "frechet_latents", "classifier_accuracy"),
        across="step",
    )  # fmt: skip

    kind: Literal["state_generation"]
    predictors: Names = Field(description="rows; of states, fitted at k = 1")

    def check(self, where: str, config: "Root") -> None:
        super().check(where, config)
        for row in self.rows(config):
            if not isinstance(config.all_representations[row], Factorizer):
                raise ValueError(f"{where}.representations: '{row}' is no factorizer")
        check_predictors(where, config, self.predictors)
        check_trained(where, config, self.predictors, [1])

    def measurements(self, config: "Root", corpus: str) -> list[Measurement]:
        return [
            measurement
            for row in self.rows(config)
            if isinstance(own := config.all_representations[row], Factorizer)
            for measurement in by_predictors(
                config, StateGeneration, corpus, [(row, name) for name in self.predictors], self.seeds, own.source
            )
        ]
