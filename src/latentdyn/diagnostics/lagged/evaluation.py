"""One path for every predictor, split and horizon: frames are scored, and what is measured of them becomes records."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.capabilities import find_missing
from latentdyn.diagnostics.lagged.own_frames import (
    baseline_energies,
    energy_records,
    free_run_records,
    late_frames,
    rollout_records,
)
from latentdyn.diagnostics.lagged.settings import EvaluationSettings
from latentdyn.diagnostics.lagged.slices import Scores, slice_records, tell_clamps, worst_frames
from latentdyn.diagnostics.linear_recursion import linear_predictor
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.scores import fit_log_lengths, score_frames
from latentdyn.diagnostics.white_noise import frame_variances, white_noise_cosine
from latentdyn.metrics import (
    COSINE_WHITE_NOISE,
    KEPT_STEP,
    NLL_FEWER_STEPS,
    PARAMETERS,
    PATH_DIFFERENCE,
)
from latentdyn.predictors.base import Predictor, TrainedPredictor
from latentdyn.progress import progress
from latentdyn.stores.frame_index import SLICES, FrameIndex
from latentdyn.stores.windows import Scaling, Windows, common_runs

_PATH_FRAMES = 1024  # on which the training path's likelihood is compared with this one's
_NEEDED_FOR = {
    "log_prob": "nll, dnll, level_gain, rollout_gap and the worst frames",
    "mean": "cosine, r2_delta, r2_mean, rollout_gap and free runs",
    "mean_log_norm": "r2_head",
}


@dataclass(frozen=True)
class Evaluation:
    """records; speakers: sums over each speaker's frames (columns split, slice, horizon, metric, speaker_id, total, n),
    from which intervals of differences follow; worst_frames: those of highest NLL, each as a dict."""

    records: list[Record]
    speakers: pd.DataFrame
    worst_frames: list[dict[str, Any]]


def evaluate_lagged(
    predictors: dict[int, Predictor],
    latents: Tensor,
    frames: FrameIndex,
    frame_rate_hz: float,
    settings: EvaluationSettings,
    seed_names: tuple[object, ...],
    splits: Collection[str] | None = None,
    slices: Collection[str] = SLICES,
    fitted_to: tuple[Tensor, FrameIndex] | None = None,
) -> Evaluation:
    """Score predictors at every horizon on every split.

    Args:
        predictors: one for each horizon k, fitted. latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names the subsample and the bootstrap (not the predictor: rows of a table share both).
        splits, slices: those to score; None for all splits. The others change nothing in them.
        fitted_to: latents and frame index of another corpus, whose training speakers all baselines are fitted to.
    """
    window = next(iter(predictors.values())).window_frames
    usable = common_runs(frames, window, list(predictors))
    source, of_source = latents, usable
    if fitted_to is not None:
        source, of_source = fitted_to[0], common_runs(fitted_to[1], window, list(predictors))
    training = of_source.of_splits("train")
    train = Windows.of(source, training, window)
    scaling, log_lengths = Scaling.fit(train), fit_log_lengths(train)
    dims = tuple(m for m in settings.principal_dims if m <= latents.shape[1])
    lacks = find_missing(predictors[min(predictors)], latents, _NEEDED_FOR)
    variances = frame_variances(train, scaling.frame_mean, scaling.frame_std)
    white_noise = {k: white_noise_cosine(variances, k) for k in predictors}
    evaluation = Evaluation([], pd.DataFrame(), [])
    ran = predictors if settings.own_frames else {}
    linear = {k: linear_predictor(source, training, window, k, scaling, seed_names) for k in ran}
    speakers = []
    for split in usable.splits:
        if splits is not None and split not in splits:
            continue
        chosen = usable.of_splits(split).draw(settings.max_frames, (*seed_names, split))
        names = (*seed_names, split)
        late = late_frames(chosen, window, max(predictors), settings, names)
        if settings.own_frames:
            baseline = baseline_energies(latents, late, scaling, settings, names)
        for k, predictor in progress(predictors.items(), desc=f"{split}", unit="horizon", leave=False):
            windows = Windows.of(latents, chosen, window)
            table = score_frames(predictor, windows, k, scaling, dims, log_lengths)
            scores = {str(name): values.to_numpy() for name, values in table.items()}
            where = {"split": split, "horizon": k}
            tell_clamps(scores, **where)
            for name in slices:
                inside = chosen[name].to_numpy()
                if inside.any():
                    records, totals = slice_records(
                        {name: values[inside] for name, values in scores.items()},
                        chosen.speaker_id[inside],
                        settings.bootstrap_resamples,
                        {**where, "slice": name},
                        names,
                        latents.shape[1],
                        frame_rate_hz,
                    )
                    evaluation.records.extend(records)
                    speakers.append(totals)
            whole = {**where, "slice": "all"}
            evaluation.records.append(record(COSINE_WHITE_NOISE, white_noise[k], len(train), **whole))
            if isinstance(predictor, TrainedPredictor):
                evaluation.records.append(record(KEPT_STEP, float(predictor.kept_step), len(chosen), **whole))
                trained = float(sum(parameter.numel() for parameter in predictor.parameters()))
                evaluation.records.append(record(PARAMETERS, trained, len(chosen), **whole))
            evaluation.records.extend(_path_records(predictor, windows, k, scores, where))
            if settings.own_frames:
                evaluation.records.extend(
                    rollout_records(predictor, linear[k], latents, late, k, lacks, settings, where, names)
                )
                records, totals = energy_records(predictor, latents, late, k, baseline, scaling, settings, where, names)
                evaluation.records.extend(records)
                speakers.append(totals)
            evaluation.worst_frames.extend(worst_frames(scores, chosen, frame_rate_hz, settings.worst_frames, where))
    if settings.own_frames:
        newest, names = min(predictors), (*seed_names, "free run")
        evaluation.records.extend(
            free_run_records(predictors[newest], latents, usable, train, newest, scaling, lacks, names)
        )
    return Evaluation(evaluation.records, pd.concat(speakers, ignore_index=True), evaluation.worst_frames)


def _path_records(
    predictor: Predictor, windows: Windows, k: int, scores: Scores, where: dict[str, Any]
) -> Iterator[Record]:
    """The difference between the training loss of these frames and their score, where both are likelihoods. It is 0 but
    for rounding. So a difference between train and eval rows comes from the data, not from the code.

    Of likelihoods that are computed in steps, also what half as many steps change.
    """
    if not isinstance(predictor, TrainedPredictor) or "nll" not in scores:
        return
    some = slice(0, _PATH_FRAMES)
    scored = scores["nll"][some]
    with torch.inference_mode():
        batch = predictor.batches(windows, k)
        context, delta = batch(some)
        if predictor.trains_likelihood:
            by_training = predictor.nll(context, delta).double().cpu().numpy()
            yield record(PATH_DIFFERENCE, float(np.mean(np.abs(by_training - scored))), len(scored), **where)
        first, _ = batch(slice(0, 1))
        if predictor.density(first).coarser() is not None:  # to ask it of all frames costs as much as to score them
            coarser = predictor.density(context).coarser()
            assert coarser is not None
            by_fewer = -coarser.log_prob(delta).double().cpu().numpy()
            yield record(NLL_FEWER_STEPS, float(np.mean(by_fewer - scored)), len(scored), **where)
