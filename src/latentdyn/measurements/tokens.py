"""Measure what the past tells in bits a second: of frames, and of the codes that dequantized frames were made of."""

import math
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.predictive_information import predictive_information
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.tokens import TokenSettings, fit, frame_bits, predicted, stage_books
from latentdyn.errors import UserError
from latentdyn.measurements.subject import Measured, Subject
from latentdyn.metrics import FRAME_INFORMATION, TOKEN_BITS_PER_S, TOKEN_BITS_PER_S_ALONE, TOKEN_INFORMATION
from latentdyn.seeds import numpy_generator, seed_for
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.quantizer import NONE, Quantizer

_RIDGES = (1e-4, 1e-2, 1.0)  # the grid goes on where validation asks for more


def measure(subject: Subject, settings: dict[str, Any]) -> Measured:
    """Measure `subject` as the section `tokens` of the config says; where there are no codes, its frames alone.

    Raises:
        UserError: no training or validation frame has a whole past, or as of `predictive_information`.
    """
    records = _of_frames(subject, settings)
    if subject.store.handle.get("codes"):
        records += _of_codes(subject, settings)
    return Measured(records)


def _of_frames(subject: Subject, settings: dict[str, Any]) -> list[Record]:
    """The predictive information at k = 1 on eval, in bits a second."""
    given = {"window_frames": settings["window_frames"], "horizons": [1], "ridges": list(_RIDGES)}
    found, _ = predictive_information(
        given,
        subject.latents,
        subject.index,
        max_frames=settings["max_frames"],
        resamples=settings["bootstrap_resamples"],
        seed_names=("tokens",),
    )
    (nats,), scale = found, subject.store.frame_rate_hz / math.log(2)
    value, low, high = (math.nan if x is None else x * scale for x in (nats.value, nats.ci_low, nats.ci_high))
    return [record(FRAME_INFORMATION, value, nats.n, split="eval", ci_low=low, ci_high=high)]


def _of_codes(subject: Subject, settings: dict[str, Any]) -> list[Record]:
    """The cross-entropy of codes, with the past and without it."""
    store, codes = subject.store, subject.store.load_codes()
    resamples, most = settings["bootstrap_resamples"], settings["max_frames"]
    own = TokenSettings(**{k: v for k, v in settings.items() if k not in ("bootstrap_resamples", "max_frames")})
    books = stage_books(Quantizer.of(store.fitted()))
    frames = _whole(subject.index, codes, own.window_frames)
    by_split = {split: frames.of_splits(split).draw(most, ("tokens", split)) for split in frames.splits}
    data = {s: predicted(codes, mine["row"].to_numpy(), books, own.window_frames) for s, mine in by_split.items()}
    for split in ("train", "validation"):
        if split not in data:
            raise UserError(
                f"no frame of {split} has {own.window_frames} frames of codes before it",
                store.path,
                "lower window_frames of the section tokens, or give the split more speakers",
            )
    train, validation, device = data["train"], data["validation"], subject.device
    models = [
        fit(train, validation, books, own, past=past, seed=seed_for("tokens"), device=device) for past in (True, False)
    ]
    records: list[Record] = []
    for split, mine in by_split.items():
        given, alone = (frame_bits(model, data[split], device) * store.frame_rate_hz for model in models)
        values = np.stack([given, alone, alone - given], axis=1)
        generator = numpy_generator("tokens", split, "bootstrap")
        bounds = mean_intervals(values, pd.factorize(mine["speaker_id"])[0], resamples, generator)
        metrics = (TOKEN_BITS_PER_S, TOKEN_BITS_PER_S_ALONE, TOKEN_INFORMATION)
        for metric, value, (low, high) in zip(metrics, values.mean(axis=0), bounds, strict=True):
            records.append(record(metric, value, len(mine), split=split, ci_low=low, ci_high=high))
    return records


def _whole(frames: FrameIndex, codes: np.ndarray, window: int) -> FrameIndex:
    """The frames that have a code, as have the `window` frames before them."""
    return frames.with_finite(codes[:, 0] != NONE).finite().trimmed(window)
