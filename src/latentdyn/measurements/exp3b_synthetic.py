"""Synthetic movements decoded: is it direction that is heard, or distance from the truth (seed 003 §1.4)?"""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from latentdyn.measurements.hearing import experiment_of
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.perception.experiment import Moments, deviation_rows
from latentdyn.perception.listening import Presentation
from latentdyn.perception.trajectories import Deviation, trajectories


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `exp3b_synthetic` of the config says."""
    experiment = experiment_of(subject, settings, "exp3b_synthetic")
    moments = Moments.of(subject.latents, subject.index)
    deviations: list[pd.DataFrame] = []

    def presentations() -> Iterator[Presentation]:
        for utterance in experiment.utterances():
            yield from experiment.references(utterance)
            names = ("exp3b", utterance.utterance_id)
            of_modes = trajectories(utterance.latents, settings["alphas"], settings["cosines"], names)
            for mode, y in of_modes.items():
                deviation = Deviation.of(y, utterance.latents)
                deviations.append(deviation_rows(utterance, deviation, moments.spread, mode, motion=True))
                yield experiment.decoded(utterance, y, mode)

    heard = experiment.session.hear(presentations())
    return Measured(*experiment.measured(heard, deviations))
