"""Forecast segments with every variant of a correction, beside the ceiling of a stale context."""

from typing import Any

from latentdyn.correction.forecasts import evaluate_corrections
from latentdyn.correction.variants import SamplingSettings
from latentdyn.diagnostics.injection import InjectionSettings
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.models.score.loading import load_score_model


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as an entry of `corrections` (key `sampling`) and the section `injection` of the config say."""
    records, sums = evaluate_corrections(
        subject.predictors()[1],
        subject.predictors("ceiling"),
        subject.load("score", load_score_model),
        subject.latents,
        subject.index,
        subject.store.frame_rate_hz,
        SamplingSettings(**settings["sampling"]),
        InjectionSettings(**settings["injection"]),
        seed_names=("inject",),  # segments and draws are those of the injection
    )
    return Measured(records, sums)
