"""Score a predictor on stale contexts, on every split (Phase 1)."""

from dataclasses import replace
from typing import Any

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.records import Record
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import DIM, READOUT_VARIANCE

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
    records = [*evaluation.records, *_readout_variance(subject, evaluation.records)]
    return Measured(records, evaluation.speakers, evaluation.worst_frames)


def _readout_variance(subject: Subject, records: list[Record]) -> list[Record]:
    """What a linear readout explains of its source, beside each record of its dimension."""
    share = subject.store.handle.get("explained_variance")
    if share is None:
        return []
    unit = READOUT_VARIANCE.unit
    return [replace(r, metric=READOUT_VARIANCE.name, unit=unit, value=share) for r in records if r.metric == DIM.name]
