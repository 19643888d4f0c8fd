"""What a generated frame costs: a measurement without settings of its own."""

from latentdyn.config.measurements.base import MeasurementKind


class GenerationCost(MeasurementKind):
    """Operations and milliseconds of a frame that is drawn in a stream, by one thread of a CPU."""

    measurement = "generation_cost"
    metrics = "generation_cost.json"
    needs_gpu = False
    minutes = (10, 100)

    @property
    def threads(self) -> int:
        return 1
