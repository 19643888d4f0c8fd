"""Score a predictor on stale contexts, on every split (Phase 1)."""

from dataclasses import replace
from typing import Any

import numpy as np

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.rate import kbit_per_s, noise_entropy
from latentdyn.diagnostics.records import Record
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import DIM, NLL, RATE_KBIT_PER_S, READOUT_VARIANCE

SEED_NAMES = ("evaluate",)  # of its random numbers


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `evaluation` of the config says."""
    predictors = subject.predictors()
    evaluation = evaluate_lagged(
        predictors,
        subject.latents,
        subject.index,
        subject.store.frame_rate_hz,
        EvaluationSettings(**settings),
        seed_names=SEED_NAMES,
    )
    found = evaluation.records
    records = [*found, *_readout_variance(subject, found), *_rates(subject, found)]
    return Measured(records, evaluation.speakers, evaluation.worst_frames)


def _readout_variance(subject: Subject, records: list[Record]) -> list[Record]:
    """What a linear readout explains of its source, beside each record of its dimension."""
    share = subject.store.handle.get("explained_variance")
    if share is None:
        return []
    unit = READOUT_VARIANCE.unit
    return [replace(r, metric=READOUT_VARIANCE.name, unit=unit, value=share) for r in records if r.metric == DIM.name]


def _rates(subject: Subject, records: list[Record]) -> list[Record]:
    """What noisy frames cost to send by this predictor, beside each NLL at k = 1: there it knows all of its window."""
    deviation = subject.store.handle.get("noise_deviation")
    if not deviation:
        return []
    entropy = noise_entropy(np.full(subject.store.dim, deviation))

    def rate(nll: float | None) -> float | None:
        return None if nll is None else kbit_per_s(nll - entropy, subject.store.frame_rate_hz)

    name, unit = RATE_KBIT_PER_S.name, RATE_KBIT_PER_S.unit
    return [
        replace(r, metric=name, unit=unit, value=rate(r.value), ci_low=rate(r.ci_low), ci_high=rate(r.ci_high))
        for r in records
        if r.metric == NLL.name and r.horizon == 1
    ]
