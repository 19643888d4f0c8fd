"""Long free runs beside the data: their motion, moments and autocorrelations."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.capabilities import find_missing
from latentdyn.diagnostics.free_runs.classifier import accuracy
from latentdyn.diagnostics.free_runs.growth import LEFT_BEHIND
from latentdyn.diagnostics.free_runs.lagged_frames import (
    LaggedFrames,
    halves,
    marginal,
    phase_randomised,
    resample_speakers,
)
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import Step, by_draws, by_mean, by_median, free_run
from latentdyn.errors import UserError
from latentdyn.metrics import (
    AUTOCORRELATION_DELTAS,
    AUTOCORRELATION_LATENTS,
    CLASSIFIER_ACCURACY,
    ENERGY,
    FRECHET_DELTAS,
    FRECHET_LATENTS,
    STEP_LENGTH,
    UNBOUNDED,
    Metric,
)
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator, torch_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs
from latentdyn.stores.windows import Scaling, Windows, common_runs

_LAGS = (1, 2, 4, 8)
_REACH = max(_LAGS) + 1  # frames before one that it is compared by
# draws runs (R, 1 + steps, D) from histories (R, H, D) and the rows of the frame index where they end
Sample = Callable[[Tensor, pd.DataFrame, torch.Generator], Tensor]
_FRECHET_RESAMPLES = 40  # each takes eigenvalues


@dataclass(frozen=True)
class FreeRunSettings:
    """The `free_runs` section of the config, and what it shares with `evaluation`.

    runs: each from a frame of its own. steps: of a run, at least 9. at_steps: where a run is looked at, up to `steps`.
    temperature: of the draws. max_frames: of the data.
    """

    split: str
    runs: int
    steps: int
    at_steps: Sequence[int]
    temperature: float
    max_frames: int
    bootstrap_resamples: int


@torch.inference_mode()
def measure_free_runs(
    predictor: Predictor,
    latents: Tensor,
    frames: FrameIndex,
    settings: FreeRunSettings,
    seed_names: tuple[object, ...],
    sample: Sample | None = None,
) -> list[Record]:
    """Run freely from contexts of a split by draws, mean and median, and compare with frames of that split.

    Args:
        predictor: fitted at k = 1. latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names contexts, frames, draws and bootstrap.
        sample: draws the runs of mode `sampled`; None draws them step by step from the densities.

    Returns:
        Records of modes `sampled`, `mean` and `median` (where the density has one), and `data`:

        - unbounded: share of runs that are at some step 10 times as far from the training mean as any training frame;
        - energy: E||x̂ - training mean||² over that of the data; step_length: E||Δx̂|| over the data's E||Δx||. Step None
          is all steps. Both are 1 for motion like the data's, large in an explosion, and near 0 for a run at rest.

        Of `sampled`, `data` and the stand-ins of `lagged_frames` only, where runs count from step 9 on:

        - autocorrelation_latents, .._deltas: E[(y_t - m)·(y_{t-lag} - m)] / E||y_t - m||², the lag as step, m = E[y_t];
        - frechet_latents, .._deltas: `frechet_distance` to the data. That of `data` is the distance of as many training
          frames to it: two finite samples of one law are not at distance 0. Frames of one run resemble each other, so
          they count as fewer, and a run of the true model lies somewhat above that distance;
        - classifier_accuracy: see `classifier`, of `data` that for training frames.

        Energy and step length of stand-ins are of all frames. 95 % intervals resample speakers, of runs and data alike.

    Raises:
        UserError: training or the split has no frame with enough finite ones before it.
    """
    window, names = predictor.window_frames, (*seed_names, settings.split)
    train, own = usable_frames(frames, window, settings.split)
    contexts = own.draw(settings.runs, (*names, "contexts"))
    history = predictor.history(Windows.of(latents, contexts, window), slice(None), window)

    def run(step: Step) -> Tensor:
        """(R, 1 + steps, D): the newest true frame, then the run."""
        return free_run(predictor, history, settings.steps, 1, step)[:, history.shape[1] - 1 :]

    generator = torch_generator(*names, "draws", device=latents.device)
    if sample is None:
        sampled = run(by_draws(generator, settings.temperature))
    else:
        sampled = sample(history, contexts, generator)
    find_missing(predictor, latents, {"mean": "runs by the mean"})
    density = predictor.density(history[:1])
    runs = {"sampled": sampled}
    runs |= {name: run(step) for name, step in (("mean", by_mean), ("median", by_median)) if density.gives(name)}
    scaling = Scaling.fit(Windows.of(latents, train, window))
    return compare_runs(runs, contexts, latents, frames, (train, own), scaling, settings, names)


def usable_frames(frames: FrameIndex, window_frames: int, split: str) -> tuple[FrameIndex, FrameIndex]:
    """The frames of training and of a split that have the contexts and lags before them that runs are compared by.

    Raises:
        UserError: training or the split has none.
    """
    reach = max(window_frames, _REACH)
    usable = common_runs(frames, reach, [1])
    train, own = usable.of_splits("train"), usable.of_splits(split)
    if not (len(train) and len(own)):
        raise UserError(
            f"no utterance of split {'train' if len(own) else split} has {reach + 1} finite frames in a row",
            "split of the free_runs section",
            "use longer utterances, or another split",
        )
    return train, own


def compare_runs(
    runs: Mapping[str, Tensor], contexts: pd.DataFrame, latents: Tensor, frames: FrameIndex,
    usable: tuple[FrameIndex, FrameIndex], scaling: Scaling, settings: FreeRunSettings, names: tuple[object, ...],
    others: Mapping[str, Tensor] | None = None,
) -> list[Record]:  # fmt: skip
    """The records of `measure_free_runs`.

    Args:
        runs: (R, 1 + steps, D) by mode, `sampled` among them: the newest true frame, then the run. contexts: rows of
            the frame index where they start. latents: (n_rows, D), the data. usable: as of `usable_frames`. scaling:
            of training. others: latents (n_rows, D) that stand in for those of the split, by mode.
    """
    (train, own), sampled = usable, runs["sampled"]
    speakers = contexts["speaker_id"].cat.codes.to_numpy()
    data = LaggedFrames.of(latents, own.draw(settings.max_frames, (*names, "data")))
    mean = scaling.frame_mean.to(latents)
    rows = Runs.of(train, latents.device)
    farthest = max(float((latents[block] - mean).norm(dim=1).max()) for block in rows.split(2048))
    records: list[Record] = []
    for mode, states in runs.items():
        where = {"split": settings.split, "mode": mode}
        records += _motion_records(states, mean, LEFT_BEHIND * farthest, data, speakers, settings, names, where)
    drawn = LaggedFrames.of_runs(sampled, speakers, _REACH)
    n = len(drawn.speakers)
    floor = LaggedFrames.of(latents, train.draw(n, (*names, "floor")))
    for mode, described, beside_data in (("sampled", drawn, drawn), ("data", data, floor)):
        where = {"split": settings.split, "mode": mode}
        records += _frechet_records(beside_data, data, settings.bootstrap_resamples, names, where)
        records += _autocorrelations(described, settings.bootstrap_resamples, names, where)
        records += _classifier_records(beside_data, data, scaling, settings.bootstrap_resamples, names, where)
    stand_ins = {
        "marginal": (marginal(latents, train, n, names), data),
        "phase_randomised": (phase_randomised(latents, frames, "train", _REACH, n, names), data),
        "half": halves(latents, own, min(n, settings.max_frames), names),
    }
    for mode, of_split in (others or {}).items():
        stand_ins[mode] = (LaggedFrames.of(of_split, own.draw(n, (*names, mode))), data)
    for mode, pair in stand_ins.items():
        if pair is not None and len(pair[0].speakers) > 1:
            records += _stand_in_records(*pair, scaling, settings, names, {"split": settings.split, "mode": mode})
    return records


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """Distance² of the Gaussians with the moments of a (n, D) and b (m, D), in float64 (Heusel et al. 2017, eq. 6).

    ||m_a - m_b||² + tr(C_a + C_b - 2 (C_a C_b)^½), the last trace by the eigenvalues of C_a^½ C_b C_a^½. It is biased
    upwards by a share of the traces that shrinks as D / n. inf where either is not finite.
    """
    a, b = a.double(), b.double()
    if not bool(a.isfinite().all() and b.isfinite().all()):
        return math.inf
    return _distance(a.mean(0), torch.cov(a.T), b.mean(0), torch.cov(b.T))


def _distance(mean_a: Tensor, of_a: Tensor, mean_b: Tensor, of_b: Tensor) -> float:
    values, vectors = torch.linalg.eigh(of_a)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ of_b @ root).clamp_min(0).sqrt().sum()
    return float((mean_a - mean_b).square().sum() + of_a.trace() + of_b.trace() - 2 * cross)


def _motion(frames: Tensor, before: Tensor, mean: Tensor) -> tuple[Tensor, Tensor]:
    """||x - mean||² and ||Δx||, (...) float64, of frames (..., D) and those before them; what is no number is inf."""
    squares, lengths = (frames - mean).double().square().sum(-1), (frames - before).double().norm(dim=-1)
    return torch.where(squares.isnan(), math.inf, squares), torch.where(lengths.isnan(), math.inf, lengths)


def _motion_records(
    states: Tensor, mean: Tensor, limit: float, data: LaggedFrames, speakers: np.ndarray,
    settings: FreeRunSettings, names: tuple[object, ...], where: dict[str, Any],
) -> Iterator[Record]:  # fmt: skip
    squares, lengths = _motion(states[:, 1:], states[:, :-1], mean)
    of_data = dict(zip((ENERGY, STEP_LENGTH), _motion(data.at(0), data.at(1), mean), strict=True))
    of_data[UNBOUNDED] = torch.ones_like(of_data[ENERGY])  # a share is not over anything of the data
    of_runs: dict[tuple[Metric, int | None], Tensor] = {
        (UNBOUNDED, None): (squares.sqrt() > limit).any(dim=1).double(),
        (ENERGY, None): squares.mean(dim=1),
        (STEP_LENGTH, None): lengths.mean(dim=1),
    }
    for at in settings.at_steps:
        of_runs |= {(ENERGY, at): squares[:, at - 1], (STEP_LENGTH, at): lengths[:, at - 1]}
    runs = torch.stack(list(of_runs.values()), dim=1).cpu().numpy()
    frames = torch.stack([of_data[metric] for metric, _ in of_runs], dim=1).cpu().numpy()
    used, codes = np.unique(np.concatenate([speakers, data.speakers]), return_inverse=True)
    generator = numpy_generator(*names, "bootstrap")
    bootstrap = SpeakerBootstrap.draw(len(used), settings.bootstrap_resamples, generator)
    above, below = (
        bootstrap.ratios(*speaker_totals(values, of, len(used)))
        for values, of in ((runs, codes[: len(runs)]), (frames, codes[len(runs) :]))
    )
    bounds = interval(above / below)
    values = runs.mean(axis=0) / frames.mean(axis=0)
    for (metric, step), value, (low, high) in zip(of_runs, values, bounds, strict=True):
        yield record(metric, value, len(runs), ci_low=low, ci_high=high, step=step, **where)


def _stand_in_records(
    frames: LaggedFrames, data: LaggedFrames, scaling: Scaling,
    settings: FreeRunSettings, names: tuple[object, ...], where: dict[str, Any],
) -> Iterator[Record]:  # fmt: skip
    names, resamples = (*names, where["mode"]), settings.bootstrap_resamples
    mean = scaling.frame_mean.to(frames.at(0))
    both = [torch.stack(_motion(x.at(0), x.at(1), mean), dim=1).cpu().numpy() for x in (frames, data)]
    sides = (frames.speakers, data.speakers)
    bootstrap, codes = resample_speakers(sides, resamples, numpy_generator(*names, "bootstrap"))
    above, below = (
        bootstrap.ratios(*speaker_totals(values, of, bootstrap.weights.shape[1]))
        for values, of in zip(both, codes, strict=True)
    )
    ratios = both[0].mean(axis=0) / both[1].mean(axis=0)
    for metric, value, (low, high) in zip((ENERGY, STEP_LENGTH), ratios, interval(above / below), strict=True):
        yield record(metric, value, len(both[0]), ci_low=low, ci_high=high, **where)
    yield from _frechet_records(frames, data, resamples, names, where)
    yield from _autocorrelations(frames, resamples, names, where)
    yield from _classifier_records(frames, data, scaling, resamples, names, where)


def _classifier_records(
    frames: LaggedFrames, data: LaggedFrames, scaling: Scaling,
    resamples: int, names: tuple[object, ...], where: dict[str, Any],
) -> Iterator[Record]:  # fmt: skip
    mean, std = (of.to(frames.at(0)) for of in (scaling.frame_mean, scaling.frame_std))
    found = accuracy(frames, data, mean, std, resamples, (*names, "classifier"))
    if found is not None:
        value, low, high, n = found
        yield record(CLASSIFIER_ACCURACY, value, n, ci_low=low, ci_high=high, **where)


def _frechet_records(
    frames: LaggedFrames, data: LaggedFrames, resamples: int, names: tuple[object, ...], where: dict[str, Any]
) -> Iterator[Record]:
    n = len(frames.speakers)
    deltas = [part.at(0) - part.at(1) for part in (frames, data)]
    for metric, pair in ((FRECHET_LATENTS, [frames.at(0), data.at(0)]), (FRECHET_DELTAS, deltas)):
        value = frechet_distance(*pair)
        low, high = _frechet_interval(value, pair, (frames.speakers, data.speakers), resamples, names)
        yield record(metric, value, n, ci_low=low, ci_high=high, **where)


def _frechet_interval(
    value: float, pair: list[Tensor], sides: tuple[np.ndarray, np.ndarray], resamples: int, names: tuple[object, ...]
) -> tuple[float, float]:
    """The value less and plus 1.96 deviations of resamples. (Their quantiles would lie too high: a resample holds fewer
    speakers, and the distance of small samples is biased upwards.) NaN where it overflowed, or with one speaker on
    either side."""
    generator = numpy_generator(*names, "frechet")
    bootstrap, codes = resample_speakers(sides, min(resamples, _FRECHET_RESAMPLES), generator)
    if not math.isfinite(value) or not len(bootstrap.weights):
        return math.nan, math.nan
    speakers = bootstrap.weights.shape[1]
    sums = [_Sums.of(x.double(), of, speakers) for x, of in zip(pair, codes, strict=True)]
    drawn = []
    for weights in bootstrap.weights:
        moments = [of.moments(torch.from_numpy(weights).to(of.total)) for of in sums]
        if all(n > 1 for n, _, _ in moments):
            (_, *first), (_, *second) = moments
            drawn.append(_distance(*first, *second))
    spread = 1.96 * float(np.std(drawn, ddof=1)) if len(drawn) > 1 else math.nan
    return max(value - spread, 0.0), value + spread


@dataclass(frozen=True)
class _Sums:
    """count: (S,); total: (S, D); square: (S, D, D), of each speaker's frames about a nearby point."""

    count: Tensor
    total: Tensor
    square: Tensor
    shift: Tensor

    @classmethod
    def of(cls, x: Tensor, codes: np.ndarray, speakers: int) -> "_Sums":
        shift, dim = x.mean(0), x.shape[1]
        sums = cls(x.new_zeros(speakers), x.new_zeros(speakers, dim), x.new_zeros(speakers, dim, dim), shift)
        index = torch.from_numpy(codes).to(x.device)
        for speaker in np.unique(codes):
            mine = x[index == int(speaker)] - shift
            sums.count[speaker], sums.total[speaker], sums.square[speaker] = len(mine), mine.sum(0), mine.T @ mine
        return sums

    def moments(self, weights: Tensor) -> tuple[float, Tensor, Tensor]:
        """How many frames, their mean and their covariance, with so many copies of each speaker."""
        n = float(weights @ self.count)
        mean = weights @ self.total / n
        second = torch.einsum("s,sij->ij", weights, self.square)
        return n, self.shift + mean, (second - n * torch.outer(mean, mean)) / (n - 1)


def _autocorrelations(
    frames: LaggedFrames, resamples: int, names: tuple[object, ...], where: dict[str, Any]
) -> Iterator[Record]:
    n = len(frames.speakers)
    used, codes = np.unique(frames.speakers, return_inverse=True)
    bootstrap = SpeakerBootstrap.draw(len(used), resamples, numpy_generator(*names, "bootstrap"))
    for metric in (AUTOCORRELATION_LATENTS, AUTOCORRELATION_DELTAS):

        def at(lag: int, deltas: bool = metric == AUTOCORRELATION_DELTAS) -> Tensor:
            x = frames.at(lag).double()
            return x - frames.at(lag + 1).double() if deltas else x

        newest = at(0)
        mean = newest.mean(0)
        products = [((newest - mean) * (at(lag) - mean)).sum(1) for lag in (0, *_LAGS)]
        totals, _ = speaker_totals(torch.stack(products, dim=1).cpu().numpy(), codes, len(used))
        bounds = interval(bootstrap.ratios(totals[:, 1:], totals[:, :1]))
        with np.errstate(invalid="ignore"):  # of what overflowed: undefined
            value = totals[:, 1:].sum(axis=0) / totals[:, 0].sum()
        for lag, v, (low, high) in zip(_LAGS, value, bounds, strict=True):
            yield record(metric, v, n, ci_low=low, ci_high=high, step=lag, **where)
