"""Free runs as they sound: draws of a predictor go on from true frames, and are decoded.

Modes: `sampled`, the runs; `true`, the true frames of the same stretch, which is the best that a run can sound;
`reconstruction`, the codec's own frames of it; `original`, its recording. DNSMOS needs no original. The Fréchet
distance is that of log-mel frames to recordings of training speakers; that of the mode `original` is the smallest to
expect of as many frames of these speakers. Where the way back leaves something to be drawn (a factorizer's innovation),
both `sampled` and `true` draw it.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from latentdyn.diagnostics.free_runs.comparison import frechet_distance
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import by_draws, free_run, known_history
from latentdyn.errors import UserError
from latentdyn.measurements.hearing import experiment_of
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import DNSMOS, FRECHET_MEL
from latentdyn.perception.experiment import Experiment
from latentdyn.perception.listening import Heard, Part, Presentation
from latentdyn.perception.mel import log_mel
from latentdyn.perception.source import draw_utterances
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator, torch_generator

SCORES = (DNSMOS.name,)


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `free_listening` of the config says.

    Raises:
        UserError: a run is longer than max_duration_s, or as of `Experiment`.
    """
    predictor, rate = subject.predictors()[1], subject.store.frame_rate_hz
    steps = max(1, round(settings["duration_s"] * rate))
    needed = predictor.window_frames + steps
    if needed > int(settings["max_duration_s"] * rate):
        raise UserError(
            f"a run of {settings['duration_s']:g} s and its context of {predictor.window_frames} frames are longer "
            f"than {settings['max_duration_s']:g} s",
            "duration_s and max_duration_s of the section free_listening",
            "shorten the runs, or allow longer utterances",
        )
    experiment = experiment_of(subject, {**settings, "scores": SCORES}, "free_listening", needed=needed, keeps_mel=True)
    heard = list(experiment.session.hear(_presentations(experiment, predictor, steps, settings, subject.device)))
    records, sums = experiment.measured(heard, [])
    return Measured(records + _frechet(experiment, heard, settings), sums)


def _presentations(
    experiment: Experiment, predictor: Predictor, steps: int, settings: dict[str, Any], device: torch.device
) -> Iterator[Presentation]:
    window, rate = predictor.window_frames, experiment.source.store.frame_rate_hz
    whole = (Part("all", None, SCORES),)
    for utterance in experiment.utterances():
        name = utterance.utterance_id
        first = window + int(
            numpy_generator("free listening", name).integers(len(utterance.latents) - window - steps + 1)
        )
        history = known_history(predictor, utterance.latents, first - 1, device)
        draws = by_draws(torch_generator("free listening", name, device=device), settings["temperature"])
        run = free_run(predictor, history, steps, 1, draws)[0, -steps:].cpu().numpy()
        spliced = np.concatenate([utterance.latents[:first], run])
        of_frames = (
            # the same noise for both, so that they differ in what they take back alone
            experiment.decoded(utterance, frames, mode, whole, torch_generator("free listening", name, "way back"))
            for mode, frames in (("true", utterance.latents), ("sampled", spliced))
        )
        for presentation in (*experiment.references(utterance, whole), *of_frames):
            yield replace(presentation, only=(first / rate, (first + steps) / rate))


def _frechet(experiment: Experiment, heard: list[Heard], settings: dict[str, Any]) -> list[Record]:
    """Distances of what was heard, by mode, to recordings of training speakers."""
    frames, wanted = experiment.frames, settings["reference_utterances"]
    there = frames.of_splits("train").n_utterances
    drawn = draw_utterances(frames, "train", min(wanted, there), 1, ("free listening", "train"), experiment.section)
    audio = (experiment.source.original(str(name), settings["max_duration_s"]) for name in drawn.index)
    reference = torch.from_numpy(np.concatenate([log_mel(one, experiment.mel) for one in audio]))
    of_modes: dict[str, list[np.ndarray]] = {}
    for one in heard:
        assert one.log_mel is not None
        of_modes.setdefault(one.where["mode"], []).append(one.log_mel)
    found = {mode: torch.from_numpy(np.concatenate(of)) for mode, of in of_modes.items()}
    return [
        record(FRECHET_MEL, frechet_distance(of, reference), len(of), split=settings["split"], mode=mode)
        for mode, of in found.items()
    ]
