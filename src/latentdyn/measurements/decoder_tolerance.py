"""How much white noise on latents can be heard: y = x + σ ε, σ in deviations of each dimension of training frames."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from latentdyn.measurements.hearing import experiment_of
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.perception.experiment import Moments, deviation_rows
from latentdyn.perception.listening import Presentation
from latentdyn.perception.trajectories import Deviation
from latentdyn.seeds import numpy_generator


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `decoder_tolerance` of the config says."""
    experiment = experiment_of(subject, settings, "decoder_tolerance")
    moments = Moments.of(subject.latents, subject.index)
    deviations: list[pd.DataFrame] = []

    def presentations() -> Iterator[Presentation]:
        for utterance in experiment.utterances():
            yield from experiment.references(utterance)
            x = utterance.latents
            noise = numpy_generator("tolerance", utterance.utterance_id).standard_normal(x.shape) * moments.std
            for sigma in settings["sigmas"]:  # of one noise, so that a curve is smooth
                y = x + sigma * noise
                deviation = Deviation.of(y, x)
                deviations.append(
                    deviation_rows(utterance, deviation, moments.spread, "noisy", motion=False, sigma=sigma)
                )
                yield experiment.decoded(utterance, y, "noisy", sigma=sigma)

    heard = experiment.session.hear(presentations())
    return Measured(*experiment.measured(heard, deviations))
