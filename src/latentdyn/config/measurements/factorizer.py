"""What is asked of factorizers: their health on held-out speakers."""

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

from latentdyn.config.measurements.base import MeasurementKind
from latentdyn.config.measurements.lagged import Evaluation
from latentdyn.config.measurements.learned import Learned
from latentdyn.config.representations.factorizer import Factorizer
from latentdyn.config.shapes import Known
from latentdyn.config.values import part_of

if TYPE_CHECKING:
    from latentdyn.config.root import Root


class FactorizerHealth(MeasurementKind):
    """Whether state and innovation of a factorizer do their parts, in the frames of its source."""

    measurement = "factorizer"
    by = "representation"
    metrics = "factorizer_{variant}.json"
    sums = "factorizer_{variant}_speakers.parquet"
    variant = "reference"
    roles: ClassVar = {}
    needs_gpu = False
    compares = True
    minutes = (30, 20)
    copies = 8.0

    _shared: ClassVar = {"max_frames", "bootstrap_resamples"}

    @classmethod
    def form(cls) -> type[BaseModel]:
        return part_of(Evaluation, cls._shared, base=part_of(Learned, {"ridges"}))

    def settings(self, config: "Root", by: str, variant: str | None) -> dict[str, Any]:
        shared = config.section(Evaluation).model_dump(mode="json", include=self._shared)
        return {**shared, "ridges": config.section(Learned).ridges}

    def check(self, where: str, config: "Root", known: Known, by: str, variant: str | None) -> None:
        own = config.all_representations[by]
        assert isinstance(own, Factorizer)
        length = own.window_frames + own.training.sequence_frames
        known.check_frames(where, length, f"'{by}' (window_frames, training.sequence_frames)")
        known.check_split(where, "eval", "factorizers are measured on it")
        if len(config.section(Learned).ridges) > 1:
            known.check_split("learned.ridges", "validation", "speakers of the split validation choose it")
