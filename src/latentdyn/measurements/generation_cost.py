"""Count and time what a generated frame costs."""

from typing import Any

from latentdyn.diagnostics.generation_cost import measure_generation_cost
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject`; there are no settings."""
    return Measured(measure_generation_cost(subject.predictors()[1], subject.latents, split="eval"))
