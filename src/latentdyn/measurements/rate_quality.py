"""Rate against quality: what y = x + σ ε costs to send, and how it sounds, for every σ; and points of a quantizer.

σ is in deviations of each dimension of training frames. Noise is white, or shaped by what the decoder lets be heard
(perception.sensitivity): of the same entropy, so that rates compare. Rates are of all frames of a split, scores of a
few of its utterances; both are of the same y. Where frames are dequantized, there is no noise to add: their codes have
a rate, and they sound as they are.
"""

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.rate import channel_rates, noise_entropy, shuffled_rows
from latentdyn.diagnostics.records import Record, record
from latentdyn.measurements.hearing import experiment_of
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import CODE_BITS_PER_S, RATE_KBIT_PER_S
from latentdyn.perception.experiment import ALL, Experiment, Moments
from latentdyn.perception.listening import Presentation
from latentdyn.perception.sensitivity import decoder_sensitivity, noise_shape
from latentdyn.seeds import numpy_generator

_NAME = "rate_quality"


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `rate_quality` of the config says.

    Raises:
        UserError: no way back to audio, or as of `channel_rates`.
    """
    experiment = experiment_of(subject, settings, _NAME)
    coded, std = bool(subject.store.handle.get("codes")), Moments.of(subject.latents, subject.index).std
    shapes = {} if coded else _shapes(subject, experiment, settings, std)

    def presentations() -> Iterator[Presentation]:
        for utterance in experiment.utterances():
            yield from experiment.references(utterance)
            if coded:
                yield experiment.decoded(utterance, utterance.latents, "quantizer")
                continue
            for mode, shape in shapes.items():
                noise = _noise(utterance.utterance_id, utterance.latents.shape, shape)
                for sigma in settings["sigmas"]:  # of one noise, so that a curve is smooth
                    yield experiment.decoded(utterance, utterance.latents + sigma * noise, mode, sigma=sigma)

    records, sums = experiment.measured(experiment.session.hear(presentations()), [])
    if coded:
        return Measured([*records, _nominal_rate(subject, settings["split"])], sums)
    order = shuffled_rows(subject.index.finite(), len(subject.latents), (_NAME, "order"))
    for (mode, shape), sigma in itertools.product(shapes.items(), settings["sigmas"]):
        found, found_sums = channel_rates(
            settings, _noisy(subject, sigma * shape), order, subject.index,
            entropy=noise_entropy(sigma * std), frame_rate_hz=subject.store.frame_rate_hz, split=settings["split"],
            max_frames=settings["max_frames"], resamples=settings["bootstrap_resamples"], seed_names=(_NAME,),
            mode=mode, sigma=sigma,
        )  # fmt: skip
        records += found
        sums = pd.concat([sums, found_sums], ignore_index=True)
    return Measured(records, sums)


def _shapes(
    subject: Subject, experiment: Experiment, settings: dict[str, Any], std: np.ndarray
) -> dict[str, np.ndarray]:
    """For σ = 1 the deviations (D,) of white noise, and the matrix (D, D) of shaped noise, by the mode of their rows.

    Raises:
        UserError: as of `decoder_sensitivity`.
    """
    shapes = {"noisy": std} if "white" in settings["noises"] else {}
    if "shaped" in settings["noises"]:
        given = settings["shaping"]
        mel = replace(experiment.mel, floor_db=given["floor_db"])
        of = decoder_sensitivity(experiment.source, subject.index, given, mel, subject.device)
        shapes["shaped"] = noise_shape(of.matrix, std, given["ridge"])
    return shapes


def _noise(utterance_id: str, size: tuple[int, ...], shape: np.ndarray) -> np.ndarray:
    """Noise for an utterance's frames (T, D); of its beginning, the beginning. shape: as `_shapes` gives it."""
    white = numpy_generator(_NAME, utterance_id).standard_normal(size)
    return shape * white if shape.ndim == 1 else white @ shape.T


def _noisy(subject: Subject, shape: np.ndarray) -> Tensor:
    """All frames of the store with noise of this shape."""
    noisy = subject.latents.clone()
    for one in subject.store.utterances.itertuples():
        frames = noisy[one.start : one.start + one.n_frames]
        frames += torch.from_numpy(_noise(str(one.utterance_id), tuple(frames.shape), shape)).to(frames)
    return noisy


def _nominal_rate(subject: Subject, split: str) -> Record:
    """The rate of the codes that dequantized frames were made of."""
    handle = subject.store.handle
    rate = handle[CODE_BITS_PER_S.name] / 1000
    return record(RATE_KBIT_PER_S, rate, handle["n_frames"], split=split, slice=ALL, mode="quantizer")
