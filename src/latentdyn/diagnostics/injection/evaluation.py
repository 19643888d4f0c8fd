"""Forecast segments of every split, and score the forecasts beside the ceiling."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap
from latentdyn.diagnostics.capabilities import find_missing
from latentdyn.diagnostics.injection.energies import ENERGIES, Energies
from latentdyn.diagnostics.injection.forecasts import Forecasts, Mode, make_forecasts
from latentdyn.diagnostics.injection.scores import QUANTITIES, score_modes
from latentdyn.diagnostics.injection.segments import draw_segments
from latentdyn.diagnostics.injection.settings import InjectionSettings
from latentdyn.diagnostics.injection.statistics import Means, energy_records, mode_records, reset_records, skill_records
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import Rollout
from latentdyn.metrics import DIM, FRAME_RATE_HZ, SEGMENTS, SPEAKERS, UTTERANCES, UTTERANCES_SKIPPED
from latentdyn.predictors.base import Predictor
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.windows import Scaling, Windows, common_runs

_SUMS = ["metric", "speaker_id", "total", "n"]
_CEILING, _INJECTED = Mode("ceiling"), Mode("B")
_NEEDED_FOR = {"log_prob": "dnll", "mean": "forecasts by the mean (modes A, B, C and D)"}


def evaluate_injection(
    predictor: Predictor,
    ceilings: Mapping[int, Predictor],
    latents: Tensor,
    frames: FrameIndex,
    frame_rate_hz: float,
    settings: InjectionSettings,
    seed_names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Forecast segments of every split of the settings in every mode.

    Args:
        predictor: fitted at k = 1. Others, returned values and errors as of `score_forecasts`.
    """

    def forecasts(truth: Tensor, names: tuple[object, ...]) -> Iterator[tuple[Mode, int, Rollout]]:
        return make_forecasts(predictor, truth, settings, names)

    find_missing(predictor, latents, _NEEDED_FOR)
    return score_forecasts(forecasts, predictor, ceilings, latents, frames, frame_rate_hz, settings, seed_names)


def score_forecasts(
    forecasts: Forecasts,
    predictor: Predictor,
    ceilings: Mapping[int, Predictor],
    latents: Tensor,
    frames: FrameIndex,
    frame_rate_hz: float,
    settings: InjectionSettings,
    seed_names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Score forecasts of segments of every split, whoever makes them, beside the ceiling.

    Args:
        predictor: that makes them. ceilings: by k, fitted at that staleness, of the same W; those beyond S go unused.
        latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names segments, draws and bootstrap (not the predictor: rows of a table share them).

    Returns:
        Records, of mode None where they are about the segments; and sums over each speaker's frames: columns split,
        slice, those of `Mode`, step, metric, speaker_id, total, n.

    Raises:
        UserError: a split has too few utterances that are long enough.
    """
    window = predictor.window_frames
    usable = common_runs(frames, window, [1, *ceilings])
    scaling = Scaling.fit(Windows.of(latents, usable.of_splits("train"), window))
    records: list[Record] = []
    speakers = []
    for split in progress(settings.splits, desc="injection", unit="split", leave=False):
        names = (*seed_names, split)
        segments, skipped = draw_segments(frames.of_splits(split), split, window, settings, names)
        starts = Windows.of(latents, segments, window)
        truth = predictor.history(starts, slice(None), window + settings.steps, settings.steps)
        draws = settings.draws
        energies = Energies(truth, scaling, settings.steps, draws, (*names, "energy")) if draws > 1 else None
        scores = dict(score_modes(forecasts(truth, names), ceilings, truth, scaling, settings.steps, energies))
        codes, speaker_ids = pd.factorize(segments["speaker_id"], sort=True)
        generator = numpy_generator(*names, "bootstrap")
        bootstrap = SpeakerBootstrap.draw(len(speaker_ids), settings.bootstrap_resamples, generator)
        means = {mode: Means.of(s.values, codes, len(speaker_ids), bootstrap) for mode, s in scores.items()}
        for mode, own in scores.items():
            where = {"split": split, **asdict(mode)}
            records += mode_records(own, means[mode], latents.shape[1], where)
            if mode.mode not in ("A", "B", "ceiling") and _CEILING in scores:
                known = 1 + np.flatnonzero(scores[_CEILING].scored)
                lacks = own.lacks | scores[_CEILING].lacks
                records += skill_records(means[mode], means[_CEILING], known, lacks, where)
            speakers.append(means[mode].long(speaker_ids, QUANTITIES).assign(slice="all", **where))
            if own.energies is not None:
                energy = Means.of(own.energies, codes, len(speaker_ids), bootstrap)
                records += energy_records(own.energies, energy, where)
                speakers.append(energy.long(speaker_ids, ENERGIES).assign(slice="all", **where))
        if _INJECTED in scores:
            records += reset_records(means[_INJECTED], settings.injected_steps_b, {"split": split, "mode": "B"})
        facts = {
            UTTERANCES: segments["utterance_id"].nunique(), UTTERANCES_SKIPPED: skipped, SEGMENTS: len(segments),
            SPEAKERS: len(speaker_ids), DIM: latents.shape[1], FRAME_RATE_HZ: frame_rate_hz,
        }  # fmt: skip
        records += [record(metric, value, len(segments), split=split) for metric, value in facts.items()]
    sums = pd.concat(speakers, ignore_index=True) if speakers else pd.DataFrame(columns=_SUMS)  # no mode can be made
    return records, sums
