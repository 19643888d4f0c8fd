"""Measure what slow features and canonical correlations find in a representation: what they say of themselves, and what
their directions are worth on held-out speakers."""

from typing import Any

from latentdyn.diagnostics.readouts import held_out
from latentdyn.diagnostics.records import record
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import CANONICAL_CORRELATION, SLOWNESS
from latentdyn.representations.base import Source, Utterances
from latentdyn.representations.cca import CanonicalCorrelations
from latentdyn.representations.sfa import SlowFeatures

_MOST = 4  # directions of each kind


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """The first directions of `sfa` and of `cca`, fitted to the training speakers as these transforms fit them.

    Records of the split `train` hold what the transforms say of themselves, those of `eval` what the same directions
    are worth there (see diagnostics.readouts).

    Raises:
        UserError: as of these transforms; or no eval utterance is long enough.
    """
    store, dim = subject.store, min(_MOST, subject.store.dim)
    source, frames = Source(store.dim, store.frame_rate_hz), subject.index
    split_of = {speaker: split for split in frames.splits for speaker in frames.of_splits(split).speakers}
    sfa = SlowFeatures(source, "float32", dim)
    cca = CanonicalCorrelations(source, "float32", dim, settings["window_frames"])
    for transform in (sfa, cca):
        transform.fit(Utterances(store, split_of, only="train"))
    trained = len(frames.of_splits("train"))
    fitted = [
        record(metric.part(f"c{i}"), value, trained, split="train")
        for metric, values in ((SLOWNESS, sfa.slowness), (CANONICAL_CORRELATION, cca.correlations[:dim]))
        for i, value in enumerate(values, start=1)
    ]
    worth = held_out(
        subject.latents,
        frames,
        slow=sfa.weights,
        predicted=cca.weights,
        predictions=cca.predictions,
        resamples=settings["bootstrap_resamples"],
        seed_names=("evaluate",),
    )
    return Measured([*fitted, *worth])
