"""Score a predictor, fitted to another corpus, on stale contexts of this one. Baselines are that corpus's too."""

from collections.abc import Iterator
from typing import Any

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.records import Record, record
from latentdyn.measurements.lagged import SEED_NAMES
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import SPEAKERS_SEEN
from latentdyn.stores.frame_index import FrameIndex


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `evaluation` of the config says.

    Raises:
        UserError: its latents are of another representation than those that the predictor was fitted to.
    """
    fitted_to = subject.fitted_to()
    evaluation = evaluate_lagged(
        subject.predictors(),
        subject.latents,
        subject.index,
        subject.store.frame_rate_hz,
        EvaluationSettings(**settings),
        seed_names=SEED_NAMES,
        fitted_to=(fitted_to.latents, fitted_to.index),
    )
    seen = _speakers_seen(subject.index, fitted_to.index)
    return Measured([*evaluation.records, *seen], evaluation.speakers, evaluation.worst_frames)


def _speakers_seen(frames: FrameIndex, fitted_to: FrameIndex) -> Iterator[Record]:
    """How many speakers of each split have the name of one that the fit saw: a training or a validation speaker."""
    known = set(fitted_to.of_splits("train", "validation").speakers)
    for split in frames.splits:
        names = set(frames.of_splits(split).speakers)
        yield record(SPEAKERS_SEEN, float(len(names & known)), len(names), split=split)
