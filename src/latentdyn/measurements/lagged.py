"""Score a predictor on stale contexts, on every split (Phase 1)."""

from typing import Any

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.measurements.subject import Measured, Subject

SEED_NAMES = ("evaluate",)  # of its random numbers


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `evaluation` of the config says."""
    predictors = subject.predictors()
    evaluation = evaluate_lagged(
        predictors,
        subject.latents,
        subject.frames,
        subject.store.frame_rate_hz,
        EvaluationSettings(**settings),
        seed_names=SEED_NAMES,
    )
    return Measured(evaluation.records, evaluation.speakers, evaluation.worst_frames)
