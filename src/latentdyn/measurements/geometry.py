"""Measure a representation without a predictor: what the past tells about a frame, and the shape of its frames."""

from typing import Any

from latentdyn.diagnostics.geometry import geometry
from latentdyn.diagnostics.predictive_information import predictive_information
from latentdyn.diagnostics.records import record
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import DIM, FRAME_RATE_HZ, SPEAKERS

_SEED_NAMES = ("evaluate",)  # of a large split, the same frames as the predictors


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Predictive information at every horizon, and the shape, of the split eval, as the section `geometry` says."""
    regression = {name: settings[name] for name in ("window_frames", "horizons", "ridges")}
    resamples = settings["bootstrap_resamples"]
    information, sums = predictive_information(
        regression, subject.latents, subject.index,
        max_frames=settings["max_frames"], resamples=resamples, seed_names=_SEED_NAMES,
    )  # fmt: skip
    shape = geometry(
        subject.latents, subject.index,
        spectrum_frames=settings["spectrum_frames"], resamples=resamples, seed_names=_SEED_NAMES,
    )  # fmt: skip
    speakers = sums["speaker_id"].nunique()
    facts = [
        record(metric, value, speakers, split="eval")
        for metric, value in (
            (DIM, subject.store.dim), (FRAME_RATE_HZ, subject.store.frame_rate_hz), (SPEAKERS, speakers)
        )
    ]  # fmt: skip
    return Measured([*shape, *facts, *information], sums)
