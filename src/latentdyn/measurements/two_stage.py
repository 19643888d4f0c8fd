"""Generate directions first and lengths after them, and compare with drawing both together."""

from typing import Any

from latentdyn.diagnostics.free_runs import FreeRunSettings
from latentdyn.diagnostics.two_stage import measure_two_stage
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `free_runs` of the config says."""
    return Measured(
        measure_two_stage(
            subject.predictors()[1],
            subject.latents,
            subject.index,
            subject.store.frame_rate_hz,
            FreeRunSettings(**settings),
            seed_names=("two stages",),
        )
    )
