"""Forecast segments with and without injected truth, beside the ceiling of a stale context."""

from typing import Any

from latentdyn.diagnostics.injection import InjectionSettings, evaluate_injection
from latentdyn.measurements.subject import Measured, Subject


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `injection` of the config says."""
    records, sums = evaluate_injection(
        subject.predictors()[1],
        subject.predictors("ceiling"),
        subject.latents,
        subject.index,
        subject.store.frame_rate_hz,
        InjectionSettings(**settings),
        seed_names=("inject",),
    )
    return Measured(records, sums)
