"""How much frames change when white noise is added to the audio, beside log-mel frames of the same audio."""

from typing import Any

from latentdyn.measurements.hearing import decoding_of
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.perception.noise import noise_responses


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `robustness` of the config says."""
    return Measured(noise_responses(decoding_of(subject), subject.index, settings, "robustness", str(subject.device)))
