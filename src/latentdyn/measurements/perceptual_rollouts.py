"""Forecasts as they sound: a few frames of an utterance are forecast, all others stay true, and the whole is decoded.

Modes: mean and sampled forecasts; `held`, the last true frame repeated; `silence` in place of the decoded segment;
`true`, the segment as it was. The slice `window` is the segment with a margin on both sides.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from latentdyn.diagnostics.rollout import by_draws, by_mean, free_run, known_history
from latentdyn.measurements.hearing import experiment_of
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.perception.experiment import Experiment, Moments, deviation_rows
from latentdyn.perception.listening import Part, Presentation, present
from latentdyn.perception.source import Utterance
from latentdyn.perception.trajectories import Deviation
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator, torch_generator


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `perceptual_rollouts` of the config says."""
    predictor = subject.predictors()[1]
    window, longest = predictor.window_frames, max(settings["steps"])
    experiment = experiment_of(subject, settings, "perceptual_rollouts", needed=window + longest)
    moments = Moments.of(subject.latents, subject.index)
    deviations: list[pd.DataFrame] = []

    def presentations() -> Iterator[Presentation]:
        for utterance in experiment.utterances():
            yield from experiment.references(utterance)
            for number, last in enumerate(_last_known(utterance, window, longest, settings["segments"])):
                name = f"segment{number}"
                segment = _Segment(experiment, utterance, last, settings)
                forecasts = _forecasts(predictor, segment, longest, subject.device, name)
                yield segment.true()
                for steps in settings["steps"]:
                    yield segment.silence(steps)
                    for mode, states in forecasts.items():
                        spliced = utterance.latents.copy()
                        spliced[last + 1 : last + 1 + steps] = states[:steps]
                        around = slice(last, last + 1 + steps)
                        deviation = Deviation.of(spliced[around], utterance.latents[around])
                        deviations.append(
                            deviation_rows(utterance, deviation, moments.spread, mode, motion=False, step=steps)
                        )
                        yield experiment.decoded(utterance, spliced, mode, segment.parts(steps), step=steps)

    heard = experiment.session.hear(presentations())
    return Measured(*experiment.measured(heard, deviations))


class _Segment:
    """Where frames of an utterance are replaced: those after frame `last`."""

    def __init__(self, experiment: Experiment, utterance: Utterance, last: int, settings: dict[str, Any]) -> None:
        self.experiment, self.utterance, self.last = experiment, utterance, last
        self.margin_s, self.scores = settings["margin_s"], tuple(settings["window_scores"])
        self.steps: Sequence[int] = settings["steps"]
        self.frame_s = 1 / experiment.source.store.frame_rate_hz

    def window(self, steps: int) -> Part:
        start, stop = (self.last + 1) * self.frame_s, (self.last + 1 + steps) * self.frame_s
        return Part("window", (max(0.0, start - self.margin_s), stop + self.margin_s), self.scores, steps)

    def parts(self, steps: int) -> tuple[Part, ...]:
        return (*self.experiment.whole, self.window(steps))

    def true(self) -> Presentation:
        """Nothing replaced; heard once for all lengths of the segment."""
        parts = (*self.experiment.whole, *(self.window(steps) for steps in self.steps))
        return self.experiment.decoded(self.utterance, self.utterance.latents, "true", parts)

    def silence(self, steps: int) -> Presentation:
        span = ((self.last + 1) * self.frame_s, (self.last + 1 + steps) * self.frame_s)
        own = self.experiment.source.to_root(self.utterance.latents, self.utterance.utterance_id)
        return present(
            self.utterance, own, self.parts(steps), self.experiment.session, "silence", step=steps, silenced=span
        )


def _last_known(utterance: Utterance, window: int, longest: int, segments: int) -> list[int]:
    """The last true frames x_0 before the segments, ascending, drawn by name; fewer where there is no room."""
    places = len(utterance.latents) - window - longest + 1
    drawn = numpy_generator("perceptual segments", utterance.utterance_id).permutation(max(places, 0))[:segments]
    return sorted(int(place) + window - 1 for place in drawn)


def _forecasts(
    predictor: Predictor, segment: _Segment, longest: int, device: torch.device, name: str
) -> dict[str, np.ndarray]:
    """States (longest, D) after the segment's last known frame, by mode."""
    known, last = segment.utterance.latents, segment.last
    history = known_history(predictor, known, last, device)
    generator = torch_generator("perceptual draws", segment.utterance.utterance_id, name, device=device)
    steps = {"sampled": by_draws(generator)}
    if predictor.density(history).gives("mean"):
        steps = {"mean": by_mean, **steps}
    found = {
        mode: free_run(predictor, history, longest, 1, step)[0, -longest:].cpu().numpy() for mode, step in steps.items()
    }
    return {**found, "held": np.repeat(known[last : last + 1], longest, axis=0)}
