"""Let a predictor run freely for long, and compare what it generates with the data."""

from typing import Any

from latentdyn.diagnostics.free_runs import FreeRunSettings, measure_free_runs
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `free_runs` of the config says."""
    predictor = subject.predictors()[1]
    names = ("run freely",)  # of its random draws: they stay the same when things are renamed
    return Measured(
        measure_free_runs(predictor, subject.latents, subject.index, FreeRunSettings(**settings), seed_names=names)
    )
