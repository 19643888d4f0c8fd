"""Score a predictor, fitted to another corpus, on stale contexts of this one. Baselines are that corpus's too."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.records import Record, record
from latentdyn.measurements.lagged import SEED_NAMES
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import SPEAKERS_SEEN


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `evaluation` of the config says.

    Raises:
        UserError: its latents are of another representation than those that the predictor was fitted to.
    """
    fitted_to = subject.fitted_to()
    evaluation = evaluate_lagged(
        subject.predictors(),
        subject.latents,
        subject.frames,
        subject.store.frame_rate_hz,
        EvaluationSettings(**settings),
        seed_names=SEED_NAMES,
        fitted_to=(fitted_to.latents, fitted_to.frames),
    )
    seen = _speakers_seen(subject.frames, fitted_to.frames)
    return Measured([*evaluation.records, *seen], evaluation.speakers, evaluation.worst_frames)


def _speakers_seen(frames: pd.DataFrame, fitted_to: pd.DataFrame) -> Iterator[Record]:
    """How many speakers of each split have the name of one that the fit saw: a training or a validation speaker."""
    known = set(fitted_to.speaker_id[fitted_to["split"] != "eval"].unique())
    for split, mine in frames.groupby("split", observed=True):
        names = set(mine.speaker_id.unique())
        yield record(SPEAKERS_SEEN, float(len(names & known)), len(names), split=split)
