"""Phase 1, the lagged-context diagnostic (seed 001 §2): how much a stale context tells about the next step.

ΔNLL(k) = NLL[p(Δx_t | x_{t-k-W+1 .. t-k})] - NLL[baseline of Δx], nats a frame; negative is good. Train and eval go
through this one path. Beside it stands what a ΔNLL alone would hide: a baseline that knows the covariance, the level
gain, both forms of the log-magnitude R², robust summaries, the worst frames, and the gap when the context is the
model's own.

A density without a likelihood or a mean has the records that it can have, and records of status `missing` (see
capabilities). The energy score (see energy) exists for all: of Δx_t given the stale context, on the frames of the
rollout gap, by `energy_draws` draws a frame; energy_score_baseline is that of the diagonal Gaussian of training deltas.
"""

import logging
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, mean_intervals, speaker_totals
from latentdyn.diagnostics.capabilities import find_missing, missing
from latentdyn.diagnostics.free_runs.growth import free_run_growth
from latentdyn.diagnostics.linear_recursion import linear_predictor
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import rollout_gap, rollout_reach
from latentdyn.diagnostics.scores import FACT, fit_log_lengths, score_energies, score_frames
from latentdyn.diagnostics.summaries import robust_summary
from latentdyn.diagnostics.white_noise import frame_variances, white_noise_cosine
from latentdyn.metrics import (
    BITS_PER_FRAME,
    COSINE,
    COSINE_WHITE_NOISE,
    DIM,
    DNLL,
    DNLL_DIRECTION,
    DNLL_FACTORED,
    DNLL_FULL,
    DNLL_LENGTH,
    DNLL_PER_DIM,
    ENERGY_SCORE,
    ENERGY_SCORE_BASELINE,
    FACTS,
    FRAME_RATE_HZ,
    KBIT_PER_S,
    KEPT_STEP,
    LEVEL_GAIN,
    NLL,
    NLL_BASELINE,
    NLL_FEWER_STEPS,
    PARAMETERS,
    PATH_DIFFERENCE,
    R2_DELTA,
    R2_HEAD,
    R2_MEAN,
    ROLLOUT_GAP,
    ROLLOUT_GAP_LINEAR,
    ROLLOUT_OVERFLOW,
    SPEAKERS,
    SPECTRAL_RADIUS,
    STILL_FRAMES,
    UNBOUNDED,
    Metric,
)
from latentdyn.predictors.base import Predictor, TrainedPredictor
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frames import SLICES, subsample_frames
from latentdyn.stores.windows import Scaling, Windows, common_frames

log = logging.getLogger(__name__)

_PATH_FRAMES = 4096  # on which the training path's likelihood is compared with this one's
_MOST_CLAMPED = 0.05  # of the frames: a clamp that binds more often is told
_FREE_RUNS, _FREE_STEPS = 32, 256
_NEEDED_FOR = {
    "log_prob": "nll, dnll, level_gain, rollout_gap and the worst frames",
    "mean": "cosine, r2_delta, r2_mean, rollout_gap and free runs",
    "mean_log_norm": "r2_head",
}
_SCORE_OF = {NLL: "nll", DNLL: "nll", COSINE: "cosine", R2_DELTA: "error", R2_MEAN: "log_norm_of_mean",
             R2_HEAD: "mean_log_norm"}  # the column of `score_frames` that a metric needs  # fmt: skip


@dataclass(frozen=True)
class EvaluationSettings:
    """The `evaluation` section of the config."""

    max_frames: int
    rollout_frames: int
    energy_draws: int
    bootstrap_resamples: int
    worst_frames: int
    principal_dims: tuple[int, ...]


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
    frames: pd.DataFrame,
    frame_rate_hz: float,
    settings: EvaluationSettings,
    seed_names: tuple[object, ...],
    splits: Collection[str] | None = None,
    slices: Collection[str] = SLICES,
    own_frames: bool = True,
    fitted_to: tuple[Tensor, pd.DataFrame] | None = None,
) -> Evaluation:
    """Score predictors at every horizon on every split.

    Args:
        predictors: one for each horizon k, fitted. latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names the subsample and the bootstrap (not the predictor: rows of a table share both).
        splits, slices: those to score; None for all splits. The others change nothing in them.
        own_frames: whether to measure too what a predictor makes of frames that it has drawn or predicted itself: the
            energy score, the rollout gap, free runs.
        fitted_to: latents and frame index of another corpus, whose training speakers all baselines are fitted to.
    """
    window = next(iter(predictors.values())).window_frames
    usable = common_frames(frames, len(latents), window, list(predictors))
    source, of_source = latents, usable
    if fitted_to is not None:
        source, of_source = fitted_to[0], common_frames(fitted_to[1], len(fitted_to[0]), window, list(predictors))
    training = of_source[of_source["split"] == "train"]
    train = Windows.of(source, training, window)
    scaling, log_lengths = Scaling.fit(train), fit_log_lengths(train)
    dims = tuple(m for m in settings.principal_dims if m <= latents.shape[1])
    lacks = find_missing(predictors[min(predictors)], latents, _NEEDED_FOR)
    variances = frame_variances(train, scaling.frame_mean, scaling.frame_std)
    evaluation = Evaluation([], pd.DataFrame(), [])
    ran = predictors if own_frames else {}
    linear = {k: linear_predictor(source, training, window, k, scaling, seed_names) for k in ran}
    speakers = []
    for split, chosen in _of_splits(usable, splits).groupby("split", observed=True):
        chosen = subsample_frames(chosen, settings.max_frames, (*seed_names, split))
        names = (*seed_names, split)
        late = _late_frames(chosen, window, max(predictors), settings, names)
        for k, predictor in progress(predictors.items(), desc=f"{split}", unit="horizon", leave=False):
            windows = Windows.of(latents, chosen, window)
            scores = score_frames(predictor, windows, k, scaling, dims, log_lengths)
            where = {"split": split, "horizon": k}
            _tell_clamps(scores, **where)
            for name in slices:
                inside = chosen[name].to_numpy()
                if inside.any():
                    records, totals = _slice_records(
                        scores[inside],
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
            cosine = white_noise_cosine(variances, k)
            evaluation.records.append(record(COSINE_WHITE_NOISE, cosine, len(train), **whole))
            if isinstance(predictor, TrainedPredictor):
                evaluation.records.append(record(KEPT_STEP, float(predictor.kept_step), len(chosen), **whole))
                trained = float(sum(parameter.numel() for parameter in predictor.parameters()))
                evaluation.records.append(record(PARAMETERS, trained, len(chosen), **whole))
            evaluation.records.extend(_path_records(predictor, windows, k, scores, where))
            if own_frames:
                evaluation.records.extend(
                    _rollout_records(predictor, linear[k], latents, late, k, lacks, settings, where, names)
                )
                records, totals = _energy_records(predictor, latents, late, k, scaling, settings, where, names)
                evaluation.records.extend(records)
                speakers.append(totals)
            evaluation.worst_frames.extend(_worst_frames(scores, chosen, frame_rate_hz, settings.worst_frames, where))
    if own_frames:
        newest, names = min(predictors), (*seed_names, "free run")
        evaluation.records.extend(
            _free_run_records(predictors[newest], latents, usable, train, newest, scaling, lacks, names)
        )
    return Evaluation(evaluation.records, pd.concat(speakers, ignore_index=True), evaluation.worst_frames)


def _of_splits(frames: pd.DataFrame, splits: Collection[str] | None) -> pd.DataFrame:
    return frames if splits is None else frames[frames["split"].isin(splits)]


def _tell_clamps(scores: pd.DataFrame, split: str, horizon: int) -> None:
    for name in FACTS:
        share = float(scores[FACT + name].mean()) if FACT + name in scores else 0.0
        if name.endswith("_at_clamp") and share > _MOST_CLAMPED:
            log.warning("%s, k = %d: %s is %.3f; what is measured there is the clamp", split, horizon, name, share)


def _quantities(scores: pd.DataFrame, horizon: int) -> dict[Metric, pd.Series]:
    """What has a mean over frames: the values, by metric."""
    quantities = {NLL_BASELINE: scores.nll_baseline}
    if "nll" in scores:
        nll = scores.nll
        quantities = {NLL: nll, **quantities, DNLL: nll - scores.nll_baseline, DNLL_FULL: nll - scores.nll_full}
    if "cosine" in scores:
        quantities[COSINE] = scores.cosine
    # only at k = 1 does the context hold x_{t-1}, so that Δx_t and x_t differ by a known shift
    if horizon == 1 and "nll" in scores:
        quantities[LEVEL_GAIN] = scores.nll - scores.nll_level
    if "dnll_direction" in scores:
        quantities |= {DNLL_DIRECTION: scores.dnll_direction, DNLL_LENGTH: scores.dnll_length}
        quantities[DNLL_FACTORED] = scores.dnll_direction + scores.dnll_length
    facts = [str(name) for name in scores if str(name).startswith(FACT)]
    return quantities | {FACTS[name.removeprefix(FACT)]: scores[name] for name in facts}


def _slice_records(
    scores: pd.DataFrame,
    speaker_ids: pd.Series,
    resamples: int,
    where: dict[str, Any],
    names: tuple[object, ...],
    dim: int,
    frame_rate_hz: float,
) -> tuple[list[Record], pd.DataFrame]:
    """Records of one slice, and its sums over each speaker's frames."""
    n = len(scores)
    quantities = _quantities(scores, where["horizon"])
    ratios = {name.removeprefix("error"): name for name in scores if str(name).startswith("error")}
    values = pd.DataFrame(
        {metric.name: v for metric, v in quantities.items()}
        | {column: scores[column] for suffix in ratios for column in (f"error{suffix}", f"spread{suffix}")}
    )
    codes, speakers = pd.factorize(speaker_ids, sort=True)
    totals, counts = (
        pd.DataFrame(sums, index=speakers, columns=values.columns)
        for sums in speaker_totals(values.to_numpy(), codes, len(speakers))
    )
    bootstrap = SpeakerBootstrap.draw(len(speakers), resamples, numpy_generator(*names, "bootstrap"))
    means = dict(zip(totals, interval(bootstrap.ratios(totals.to_numpy(), counts.to_numpy())), strict=True))
    records = []
    for metric, v in quantities.items():
        low, high = means[metric.name]
        summary = robust_summary(v.to_numpy())
        records.append(record(metric, summary.pop("mean"), n, ci_low=low, ci_high=high, **where))
        records.append(record(metric.part("nonfinite"), summary.pop("nonfinite"), n, **where))
        records += [record(metric.part(name), value, n, **where) for name, value in summary.items()]
        if metric == DNLL:
            for scaled, factor in (
                (DNLL_PER_DIM, 1 / dim),
                (BITS_PER_FRAME, 1 / math.log(2)),
                (KBIT_PER_S, frame_rate_hz / math.log(2) / 1000),
            ):
                mean = float(v.mean())
                records.append(record(scaled, mean * factor, n, ci_low=low * factor, ci_high=high * factor, **where))
    for suffix, error in ratios.items():
        spread = f"spread{suffix}"
        ((least, most),) = interval(bootstrap.ratios(totals[[error]].to_numpy(), totals[[spread]].to_numpy()))
        value = 1 - totals[error].sum() / totals[spread].sum() if totals[spread].sum() > 0 else math.nan
        low, high = 1 - most, 1 - least
        metric = R2_DELTA.part(suffix.removeprefix("_")) if suffix else R2_DELTA
        records.append(record(metric, value, n, ci_low=low, ci_high=high, **where))
    for metric, column in ((R2_MEAN, "log_norm_of_mean"), (R2_HEAD, "mean_log_norm")):
        if column in scores:
            records.append(record(metric, _r_squared(scores.log_norm, scores[column]), n, **where))
    records += [missing(metric, n, **where) for metric, column in _SCORE_OF.items() if column not in scores]
    records += [
        record(SPEAKERS, float(len(speakers)), n, **where),
        record(DIM, float(dim), n, **where),
        record(FRAME_RATE_HZ, frame_rate_hz, n, **where),
        record(STILL_FRAMES, float(np.isneginf(scores.log_norm).sum()), n, **where),
    ]
    # beside means, the two sums that R² is made of: its differences follow from them
    kept = [metric.name for metric in quantities] + [name for name in ("error", "spread") if name in totals]
    names_of_sums = {"error": f"{R2_DELTA.name}_error", "spread": f"{R2_DELTA.name}_spread"}
    named, counted = (table[kept].rename(columns=names_of_sums) for table in (totals, counts))
    return records, _long_totals(named, counted, where)


def _long_totals(totals: pd.DataFrame, counts: pd.DataFrame, where: dict[str, Any]) -> pd.DataFrame:
    long = totals.rename_axis("speaker_id").reset_index().melt("speaker_id", var_name="metric", value_name="total")
    return long.assign(n=counts.to_numpy().T.reshape(-1), **where)


def _r_squared(truth: pd.Series, predicted: pd.Series) -> float:
    """1 - SSE/SST over frames where both are finite (a step of length 0 has no logarithm)."""
    both = np.isfinite(truth) & np.isfinite(predicted)
    y, p = truth[both], predicted[both]
    spread = float(np.square(y - y.mean()).sum()) if len(y) else 0.0
    return 1 - float(np.square(y - p).sum()) / spread if spread > 0 else math.nan


def _worst_frames(
    scores: pd.DataFrame, frames: pd.DataFrame, frame_rate_hz: float, n: int, where: dict[str, Any]
) -> list[dict[str, Any]]:
    if "nll" not in scores:
        return []
    nll = scores.nll.to_numpy()
    order = np.argsort(-np.where(np.isfinite(nll), nll, np.inf), kind="stable")[:n]
    chosen = frames.iloc[order]
    return [
        {
            **where,
            "utterance_id": utterance,
            "t": int(t),
            "time_s": round(int(t) / frame_rate_hz, 4),
            "nll": float(nll[i]) if np.isfinite(nll[i]) else None,
            "dnll": float(nll[i] - scores.nll_baseline.iloc[i]) if np.isfinite(nll[i]) else None,
            "delta_norm": float(np.exp(scores.log_norm.iloc[i])),
        }
        for i, utterance, t in zip(order, chosen["utterance_id"], chosen["t"], strict=True)
    ]


def _late_frames(
    frames: pd.DataFrame, window: int, longest: int, settings: EvaluationSettings, names: tuple[object, ...]
) -> pd.DataFrame:
    """Of `frames`, the subsample whose context can be generated at every k: one set for all k."""
    late = frames[frames["t"] >= rollout_reach(window, longest)]
    return subsample_frames(late, settings.rollout_frames, (*names, "rollout"))


def _rollout_records(
    predictor: Predictor,
    linear: Predictor,
    latents: Tensor,
    late: pd.DataFrame,
    k: int,
    lacks: set[str],
    settings: EvaluationSettings,
    where: dict[str, Any],
    names: tuple[object, ...],
) -> Iterator[Record]:
    if late.empty:
        yield record(ROLLOUT_GAP, math.nan, 0, **where)
        return
    targets = Windows.of(latents, late, predictor.window_frames)
    of_linear = robust_summary(rollout_gap(linear, targets, k).numpy())
    yield record(ROLLOUT_GAP_LINEAR, of_linear["mean"], len(late), **where)
    yield record(ROLLOUT_GAP_LINEAR.part("median"), of_linear["median"], len(late), **where)
    if lacks & {"mean", "log_prob"}:
        yield missing(ROLLOUT_GAP, len(late), **where)
        return
    gap = rollout_gap(predictor, targets, k).numpy()
    summary = robust_summary(gap)
    speakers = late["speaker_id"].cat.codes.to_numpy()
    generator = numpy_generator(*names, "rollout", "bootstrap")
    low, high = math.nan, math.nan
    if np.isfinite(gap).all():
        ((low, high),) = mean_intervals(gap[:, None], speakers, settings.bootstrap_resamples, generator)
    yield record(ROLLOUT_GAP, summary["mean"], len(gap), ci_low=low, ci_high=high, **where)
    yield record(ROLLOUT_GAP.part("median"), summary["median"], len(gap), **where)
    yield record(ROLLOUT_GAP.part("trimmed"), summary["trimmed"], len(gap), **where)
    yield record(ROLLOUT_OVERFLOW, summary["nonfinite"], len(gap), **where)


def _energy_records(
    predictor: Predictor,
    latents: Tensor,
    late: pd.DataFrame,
    k: int,
    scaling: Scaling,
    settings: EvaluationSettings,
    where: dict[str, Any],
    names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Records of the energy score and its baseline, and their sums over each speaker's frames."""
    where = {**where, "slice": "all"}
    if late.empty:
        return [record(ENERGY_SCORE, math.nan, 0, **where)], pd.DataFrame()
    windows = Windows.of(latents, late, predictor.window_frames)
    values = score_energies(predictor, windows, k, scaling, settings.energy_draws, (*names, "energy"))
    codes, speakers = pd.factorize(late["speaker_id"], sort=True)
    totals, counts = (
        pd.DataFrame(sums, index=speakers, columns=values.columns)
        for sums in speaker_totals(values.to_numpy(), codes, len(speakers))
    )
    generator = numpy_generator(*names, "energy", "bootstrap")
    bootstrap = SpeakerBootstrap.draw(len(speakers), settings.bootstrap_resamples, generator)
    bounds = interval(bootstrap.ratios(totals.to_numpy(), counts.to_numpy()))
    records = []
    for metric, (low, high) in zip((ENERGY_SCORE, ENERGY_SCORE_BASELINE), bounds, strict=True):
        summary = robust_summary(values[metric.name].to_numpy())
        records += [
            record(metric, summary["mean"], len(late), ci_low=low, ci_high=high, **where),
            record(metric.part("median"), summary["median"], len(late), **where),
            record(metric.part("nonfinite"), summary["nonfinite"], len(late), **where),
        ]
    return records, _long_totals(totals, counts, where)


def _path_records(
    predictor: Predictor, windows: Windows, k: int, scores: pd.DataFrame, where: dict[str, Any]
) -> Iterator[Record]:
    """The difference between the training loss of these frames and their score, where both are likelihoods. It is 0 but
    for rounding. So a difference between train and eval rows comes from the data, not from the code.

    Of likelihoods that are computed in steps, also what half as many steps change.
    """
    if not isinstance(predictor, TrainedPredictor) or "nll" not in scores:
        return
    some = slice(0, _PATH_FRAMES)
    scored = scores.nll.to_numpy()[some]
    with torch.inference_mode():
        context, delta = predictor.batches(windows, k)(some)
        if predictor.trains_likelihood:
            by_training = predictor.nll(context, delta).double().cpu().numpy()
            yield record(PATH_DIFFERENCE, float(np.mean(np.abs(by_training - scored))), len(scored), **where)
        coarser = predictor.density(context).coarser()
        if coarser is not None:
            by_fewer = -coarser.log_prob(delta).double().cpu().numpy()
            yield record(NLL_FEWER_STEPS, float(np.mean(by_fewer - scored)), len(scored), **where)


def _free_run_records(
    predictor: Predictor,
    latents: Tensor,
    usable: pd.DataFrame,
    train: Windows,
    k: int,
    scaling: Scaling,
    lacks: set[str],
    names: tuple[object, ...],
) -> Iterator[Record]:
    """Free runs from held-out frames, at the predictor's smallest k (science §1, stability of free runs)."""
    history = predictor.window_frames + k - 1
    where = {"split": "eval", "horizon": k, "step": _FREE_STEPS}
    held_out = usable[(usable["split"] == "eval") & (usable["t"] >= history)]
    if held_out.empty:
        return
    starts = Windows.of(latents, subsample_frames(held_out, _FREE_RUNS, names), predictor.window_frames)
    if "mean" in lacks:
        yield missing(SPECTRAL_RADIUS, len(starts), **where)
        yield missing(UNBOUNDED, len(starts), **where)
        return
    context = predictor.history(starts, slice(None), history, -1)
    mean, std = scaling.frame_mean.to(latents), scaling.frame_std.to(latents)
    farthest = max(float((train.latents[block] - mean).norm(dim=1).max()) for block in train.rows.split(2048))
    runs = free_run_growth(predictor, context, k, mean=mean, std=std, farthest=farthest, steps=_FREE_STEPS)
    if runs.growth is None:
        yield missing(SPECTRAL_RADIUS, runs.runs, **where)
    else:
        how = "eigenvalues of a linear mean" if runs.linear else "estimated"
        log.info("spectral radius %g (%s)", runs.growth, how)
        yield record(SPECTRAL_RADIUS, runs.growth, runs.runs, **where)
    yield record(UNBOUNDED, runs.unbounded, runs.runs, **where)
