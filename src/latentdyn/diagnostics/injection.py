"""The injection diagnostic (seed 004, Experiment 2): where a forecast loses what one step knows, and if truth mends it.

Segments of held-out utterances are forecast for S steps in several modes (see rollout, which says when truth enters):

- A, B, C, D: by the mean, with truth at every step, at some, at step 1 only, at none; C is D;
- D_median: by the median, where the density has one of its own;
- D_sampled: by draws, each of which counts as a forecast;
- ceiling: no rollout. A forecast of step h knows x up to x_0 only, just as a context that is k = h frames stale: the
  lagged predictor of that staleness, on the same frames, estimates the bound of what any forecast can score.

Scored on the true Δx_h, by step and pooled over steps, with 95 % intervals that resample speakers:

- dnll: NLL less a diagonal Gaussian's of training deltas; cosine: of Δx̂ and Δx; magnitude_ratio: ||Δx̂|| / ||Δx||;
- state_error: ||x̂ - x|| where the step starts, so 0 at step 1; state_error_normalised: over the RMS of ||x - mean||;
- correction_cosine, correction_ratio, where states are corrected (see rollout): of what was added to x̂_h and the way
  from there to x_h, as cosine and magnitude_ratio;
- {metric}_median, over frames; nonfinite: frames where any of these overflowed;
- skill, skill_nats: cosine and dnll over the ceiling's (pooled: over those steps that have one); undefined where the
  ceiling's own interval holds 0. Above 1, the ceiling was fitted worse. In nats even the true model falls short, since
  a density for one step is too sure of what follows a mean that is off;
- reset_dnll, reset_cosine (B): at an injected step less at the one before; step None is their mean;
- divergence_horizon: the first step whose mean cosine is below 2 SE (chance is 0; SE the larger of 1/sqrt(nD), that of
  random directions, and the speakers') or whose mean state_error_normalised is above 1; S + 1 if there is none.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import Rollout, by_draws, by_median, rollout, rollout_modes
from latentdyn.diagnostics.summaries import percentile_interval, resampled_ratios, speaker_totals, speaker_weights
from latentdyn.distributions.density import Density
from latentdyn.distributions.gaussian_mixture import diagonal_gaussian
from latentdyn.errors import UserError
from latentdyn.predictors.base import Predictor
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator, torch_generator
from latentdyn.stores.windows import Scaling, Windows, common_frames

UNITS = {
    "dnll": "nats/frame",
    "cosine": "1",
    "magnitude_ratio": "1",
    "state_error": "latent",
    "state_error_normalised": "1",
    "correction_cosine": "1",
    "correction_ratio": "1",
}
_DNLL, _COSINE, _ERROR = 0, 1, 4  # of UNITS
SPEAKER_COLUMNS = ["split", "slice", "mode", "step", "metric", "speaker_id", "total", "n"]


@dataclass(frozen=True)
class InjectionSettings:
    """The `injection` section of the config, and what it shares with `evaluation`.

    utterances, segments: of each split, and of each utterance. steps: S. injected_steps_b: when B sees truth, 1 to S.
    draws, temperature: of the sampled forecasts of a segment; 0 draws leave them out.
    """

    splits: Sequence[str]
    utterances: int
    segments: int
    steps: int
    injected_steps_b: Sequence[int]
    draws: int
    temperature: float
    bootstrap_resamples: int


# from truth (B, W + S, D) and what names their draws: mode, how many draws of each segment, in their order, forecasts
Forecasts = Callable[[Tensor, tuple[object, ...]], Iterator[tuple[str, int, Rollout]]]


def evaluate_injection(
    predictor: Predictor,
    ceilings: Mapping[int, Predictor],
    latents: Tensor,
    frames: pd.DataFrame,
    frame_rate_hz: float,
    settings: InjectionSettings,
    seed_names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Forecast segments of every split of the settings in every mode.

    Args:
        predictor: fitted at k = 1. Others, returned values and errors as of `score_forecasts`.
    """

    def forecasts(truth: Tensor, names: tuple[object, ...]) -> Iterator[tuple[str, int, Rollout]]:
        return _forecasts(predictor, truth, settings, names)

    window = predictor.window_frames
    return score_forecasts(forecasts, window, ceilings, latents, frames, frame_rate_hz, settings, seed_names)


def score_forecasts(
    forecasts: Forecasts,
    window: int,
    ceilings: Mapping[int, Predictor],
    latents: Tensor,
    frames: pd.DataFrame,
    frame_rate_hz: float,
    settings: InjectionSettings,
    seed_names: tuple[object, ...],
) -> tuple[list[Record], pd.DataFrame]:
    """Score forecasts of segments of every split, whoever makes them, beside the ceiling.

    Args:
        window: W. ceilings: by k, fitted at that staleness, of the same W; those beyond S go unused.
        latents: (n_rows, D) resident. frames: the frame index.
        seed_names: what names segments, draws and bootstrap (not the predictor: rows of a table share them).

    Returns:
        Records, of mode None where they are about the segments; and sums over each speaker's frames (SPEAKER_COLUMNS).

    Raises:
        UserError: a split has too few utterances that are long enough.
    """
    usable = common_frames(frames, len(latents), window, [1, *ceilings])
    scaling = Scaling.fit(Windows.of(latents, usable[usable["split"] == "train"], window))
    records: list[Record] = []
    speakers = []
    for split in progress(settings.splits, desc="injection", unit="split", leave=False):
        names = (*seed_names, split)
        segments, skipped = draw_segments(frames[frames["split"] == split], split, window, settings, names)
        rows = torch.from_numpy(segments["row"].to_numpy(np.int64, copy=True)).to(latents.device)
        truth = latents[rows[:, None] + torch.arange(1 - window, settings.steps + 1, device=rows.device)]
        scores = dict(_scores(forecasts(truth, names), ceilings, truth, scaling, settings.steps))
        codes, speaker_ids = pd.factorize(segments["speaker_id"], sort=True)
        weights = speaker_weights(len(speaker_ids), settings.bootstrap_resamples, numpy_generator(*names, "bootstrap"))
        found = {mode: _Means.of(values, codes, len(speaker_ids), weights) for mode, values in scores.items()}
        where = {"split": split}
        for mode, values in scores.items():
            records += _mode_records(values, found[mode], latents.shape[1], {**where, "mode": mode})
            if mode not in ("A", "B", "ceiling") and "ceiling" in found:
                records += _skill_records(found[mode], found["ceiling"], {**where, "mode": mode})
        if "B" in found:
            records += _reset_records(found["B"], settings.injected_steps_b, {**where, "mode": "B"})
        facts = {
            "utterances": segments["utterance_id"].nunique(), "utterances_skipped": skipped, "segments": len(segments),
            "speakers": len(speaker_ids), "dim": latents.shape[1], "frame_rate_hz": frame_rate_hz,
        }  # fmt: skip
        records += [record(name, "1", value, len(segments), **where) for name, value in facts.items()]
        speakers += [mean.long(speaker_ids).assign(split=split, slice="all", mode=m) for m, mean in found.items()]
    return records, pd.concat(speakers, ignore_index=True)[SPEAKER_COLUMNS]


# ---------------------------------------------------------------------------------------------------- segments


def draw_segments(
    frames: pd.DataFrame, split: str, window_frames: int, settings: InjectionSettings, names: tuple[object, ...]
) -> tuple[pd.DataFrame, int]:
    """Where forecasts start: of as many speakers as there are, drawn by name.

    The forecasts (not the contexts) of an utterance do not overlap where W + segments x steps frames leave room; where
    they do not, they start as far apart as there is room for, and there may be fewer.

    Returns:
        A row a segment: utterance_id, speaker_id, row (of the last frame known, x_0); and how many utterances are
        shorter than W + steps, or hold a frame that is not finite.

    Raises:
        UserError: fewer utterances are left than the settings ask for.
    """
    need = window_frames + settings.steps
    whole = frames.groupby("utterance_id", observed=True).agg(
        speaker_id=("speaker_id", "first"), row=("row", "min"), n=("row", "size"), valid=("valid", "all")
    )
    fit = whole[(whole["n"] >= need) & whole["valid"]]
    if len(fit) < settings.utterances:
        raise UserError(
            f"{len(fit)} of {len(whole)} utterances of split {split} have at least {need} frames (W = {window_frames} "
            f"and {settings.steps} steps), all finite; {settings.utterances} are asked for",
            "utterances, steps and splits of the injection section",
            "ask for fewer utterances or steps, or use a larger corpus",
        )
    generator = numpy_generator(*names, "segments")
    shuffled = fit.iloc[generator.permutation(len(fit))]
    turn = shuffled.groupby("speaker_id", observed=True).cumcount()  # a second one of a speaker after the first of all
    chosen = shuffled.iloc[np.argsort(turn.to_numpy(), kind="stable")[: settings.utterances]]
    starts = [_apart(n - need + 1, settings.segments, settings.steps, generator) for n in chosen["n"]]
    segments = chosen.loc[chosen.index.repeat([len(s) for s in starts]), ["speaker_id", "row"]].reset_index()
    return segments.assign(row=segments["row"] + window_frames - 1 + np.concatenate(starts)), len(whole) - len(fit)


def _apart(places: int, n: int, gap: int, generator: np.random.Generator) -> np.ndarray:
    """At most n of the numbers below `places`, ascending, at least `gap` apart or as far as there is room for."""
    n = min(n, places)
    gap = min(gap, (places - 1) // max(n - 1, 1)) or 1
    return np.sort(generator.choice(places - (n - 1) * (gap - 1), n, replace=False)) + (gap - 1) * np.arange(n)


# ---------------------------------------------------------------------------------------------------- forecasts


def _scores(
    forecasts: Iterator[tuple[str, int, Rollout]], ceilings: Mapping[int, Predictor], truth: Tensor, scaling: Scaling,
    n_steps: int,
) -> Iterator[tuple[str, np.ndarray]]:  # fmt: skip
    """Mode, and scores (B, S, Q) of B segments or draws of them, in the segments' order; Q as in UNITS."""
    deltas = truth[:, -n_steps - 1 :].double().diff(dim=1)
    mean, std = scaling.delta_mean.to(deltas), scaling.delta_std.to(deltas)
    baseline = -diagonal_gaussian(mean[None], std.log()[None]).log_prob(deltas.flatten(0, 1)).view(deltas.shape[:2])
    spread = float(scaling.frame_std.square().sum().sqrt())
    for mode, draws, forecast in forecasts:
        true_steps, nll, states = (
            tensor.repeat_interleave(draws, dim=0) for tensor in (deltas, baseline, truth[:, -n_steps - 1 :])
        )
        error = _or_overflow((forecast.states[:, :-1] - states[:, :-1]).double().norm(dim=2))
        steps = _step_scores(forecast.steps, forecast.nll, true_steps, nll)
        correction = _correction_scores(forecast, states)
        yield mode, torch.stack([*steps, error, error / spread, *correction], dim=2).cpu().numpy()
    known = sorted(h for h in ceilings if h <= n_steps)
    if known:
        yield "ceiling", _ceiling_scores(ceilings, known, truth, deltas, baseline).cpu().numpy()


def _forecasts(
    predictor: Predictor, truth: Tensor, settings: InjectionSettings, names: tuple[object, ...]
) -> Iterator[tuple[str, int, Rollout]]:
    """Mode, how many draws of each segment, forecasts of all segments at once."""
    s = settings.steps
    never = torch.zeros(s, dtype=torch.bool)
    for mode, forecast in rollout_modes(predictor, truth, s, settings.injected_steps_b).items():
        yield mode, 1, forecast
    with torch.inference_mode():
        kind = type(predictor.density(truth[:1, :-s]))
    if kind.median is not Density.median:
        yield "D_median", 1, rollout(predictor, truth, s, never, by_median)
    if settings.draws:
        step = by_draws(torch_generator(*names, "draws", device=truth.device), settings.temperature)
        repeated = truth.repeat_interleave(settings.draws, dim=0)
        yield "D_sampled", settings.draws, rollout(predictor, repeated, s, never, step)


@torch.inference_mode()
def _ceiling_scores(
    ceilings: Mapping[int, Predictor], known: Sequence[int], truth: Tensor, deltas: Tensor, baseline: Tensor
) -> Tensor:
    """Scores (B, S, Q) of the lagged predictors; NaN, which is left out, where there is none and of states."""
    scores = deltas.new_full((*baseline.shape, len(UNITS)), math.nan)
    context = truth[:, : -baseline.shape[1]]
    for h in known:
        density = ceilings[h].density(context)
        delta = deltas[:, h - 1]
        nll = -density.log_prob(delta.to(truth))
        scores[:, h - 1, :3] = torch.stack(_step_scores(density.mean(), nll, delta, baseline[:, h - 1]), dim=1)
    return scores


def _step_scores(steps: Tensor, nll: Tensor, deltas: Tensor, baseline: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """dnll, cosine and magnitude ratio, (...) each, of predicted steps and true deltas (..., D).

    +inf where a prediction overflowed; NaN, which is left out, where a step of length 0 has no direction or ratio.
    """
    return _or_overflow(nll.double()) - baseline, *_cosine_and_ratio(steps, deltas)


def _correction_scores(forecast: Rollout, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and ratio, (B, S) each, of what was added to a state and the way from there to the true one (truth:
    (B, S + 1, D)); NaN, which is left out, where nothing is corrected."""
    if forecast.corrections is None:
        nothing = torch.full_like(forecast.nll, math.nan, dtype=torch.float64)
        return nothing, nothing
    added = forecast.corrections.double()
    return _cosine_and_ratio(added, truth[:, 1:] - (forecast.states[:, 1:] - added))


def _cosine_and_ratio(steps: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Cosine and ratio of lengths of vectors (..., D), with +inf and NaN as said above."""
    steps = steps.double()
    length, true_length = steps.norm(dim=-1), truth.norm(dim=-1)
    finite = torch.isfinite(length)
    cosine = (steps * truth).sum(-1) / (length * true_length)
    ratio = torch.where(true_length > 0, length / true_length, math.nan)
    return torch.where(finite, cosine, math.inf), torch.where(finite, ratio, math.inf)


def _or_overflow(values: Tensor) -> Tensor:
    """What is no number any more has overflowed on its way."""
    return torch.where(values.isnan(), math.inf, values)


# ---------------------------------------------------------------------------------------------------- statistics


@dataclass(frozen=True)
class _Means:
    """Means of one mode: index 0 of steps is all of them pooled.

    totals, counts: (P, S + 1, Q), of each of P speakers. resampled: (R, S + 1, Q), means over resampled speakers; no
    resamples where there is one speaker.
    """

    totals: np.ndarray
    counts: np.ndarray
    resampled: np.ndarray

    @classmethod
    def of(cls, scores: np.ndarray, codes: np.ndarray, n_speakers: int, weights: np.ndarray) -> "_Means":
        """From scores (B, S, Q) and codes of the segments' speakers; B may be several draws of each segment."""
        codes = codes.repeat(len(scores) // len(codes))
        flat = speaker_totals(scores.reshape(len(scores), -1), codes, n_speakers)
        by_step = [sums.reshape(n_speakers, *scores.shape[1:]) for sums in flat]
        totals, counts = (np.concatenate([sums.sum(axis=1, keepdims=True), sums], axis=1) for sums in by_step)
        weights = weights if n_speakers > 1 else weights[:0]
        ratios = resampled_ratios(totals.reshape(n_speakers, -1), counts.reshape(n_speakers, -1), weights)
        return cls(totals, counts, ratios.reshape(len(weights), *totals.shape[1:]))

    @property
    def value(self) -> np.ndarray:
        """(S + 1, Q)."""
        with np.errstate(invalid="ignore"):
            return self.totals.sum(axis=0) / self.counts.sum(axis=0)

    @property
    def n(self) -> np.ndarray:
        """Frames, (S + 1, Q)."""
        return self.counts.sum(axis=0).astype(int)

    def long(self, speaker_ids: Sequence[str]) -> pd.DataFrame:
        """A row for each step (None: pooled), metric and speaker with a frame."""
        steps = [None, *range(1, self.totals.shape[1])]
        index = pd.MultiIndex.from_product([speaker_ids, steps, UNITS], names=["speaker_id", "step", "metric"])
        long = pd.DataFrame({"total": self.totals.ravel(), "n": self.counts.ravel().astype(int)}, index).reset_index()
        return long[long["n"] > 0].astype({"step": "Int64"})


def _interval(resampled: np.ndarray) -> np.ndarray:
    """(R, ...) -> (..., 2); NaN without resamples."""
    if not len(resampled):
        return np.full((*resampled.shape[1:], 2), np.nan)
    return percentile_interval(resampled.reshape(len(resampled), -1)).reshape(*resampled.shape[1:], 2)


def _bounds(resampled: np.ndarray) -> dict[str, float]:
    """The interval of one number, (R,), as a record's fields."""
    low, high = _interval(resampled)
    return {"ci_low": low, "ci_high": high}


def _mode_records(scores: np.ndarray, found: _Means, dim: int, where: dict[str, Any]) -> Iterator[Record]:
    value, n, interval = found.value, found.n.tolist(), _interval(found.resampled)
    overflowed = np.isinf(scores).any(axis=2)
    for i in range(scores.shape[1] + 1):
        here = {**where, "step": i or None}
        some = slice(None) if i == 0 else slice(i - 1, i)
        for q, (metric, unit) in enumerate(UNITS.items()):
            if n[i][q]:
                low, high = interval[i, q]
                yield record(metric, unit, value[i, q], n[i][q], ci_low=low, ci_high=high, **here)
                yield record(f"{metric}_median", unit, np.nanmedian(scores[:, some, q]), n[i][q], **here)
        if n[i][_DNLL]:
            yield record("nonfinite", "frames", overflowed[:, some].sum(), n[i][_DNLL], **here)
    if n[0][_ERROR]:
        chance = 1 / np.sqrt(dim * found.n[1:, _COSINE].clip(1))
        with np.errstate(invalid="ignore"):
            least = 2 * np.fmax(chance, found.resampled[:, 1:, _COSINE].std(axis=0) if len(found.resampled) else 0)
        horizons = [_divergence_horizon(means, least) for means in (value[None], found.resampled)]
        yield record("divergence_horizon", "steps", horizons[0][0], n[1][_DNLL], **_bounds(horizons[1]), **where)


def _divergence_horizon(means: np.ndarray, least_cosine: np.ndarray) -> np.ndarray:
    """(R,) from means (R, S + 1, Q) and the least cosine (S,) that is above chance."""
    cosine, error = means[:, 1:, _COSINE], means[:, 1:, _ERROR]
    going = np.isfinite(cosine) & (cosine >= least_cosine) & (error <= 1)
    return 1.0 + np.cumprod(going, axis=1).sum(axis=1)


def _skill_records(found: _Means, ceiling: _Means, where: dict[str, Any]) -> Iterator[Record]:
    known = 1 + np.flatnonzero(ceiling.n[1:, _DNLL])
    steps: list[tuple[int | None, np.ndarray]] = [(None, known), *((int(h), np.array([h])) for h in known)]
    for metric, q in (("skill", _COSINE), ("skill_nats", _DNLL)):
        for step, some in steps:
            mine, best = found.resampled[:, some, q].sum(axis=1), ceiling.resampled[:, some, q].sum(axis=1)
            low, high = _interval(best)
            value = math.nan
            if not low <= 0 <= high:
                value = found.value[some, q].sum() / ceiling.value[some, q].sum()
            bounds = {} if math.isnan(value) else _bounds(mine / best)
            yield record(metric, "1", value, int(found.n[some, q].sum()), **bounds, step=step, **where)


def _reset_records(found: _Means, injected_steps: Sequence[int], where: dict[str, Any]) -> Iterator[Record]:
    at = np.array([s for s in injected_steps if s > 1], int)
    for metric, q in (("dnll", _DNLL), ("cosine", _COSINE)):
        with np.errstate(invalid="ignore"):
            value, resampled = (m[..., at, q] - m[..., at - 1, q] for m in (found.value, found.resampled))
        effects: list[tuple[int | None, Any, Any]] = [(int(s), value[i], resampled[:, i]) for i, s in enumerate(at)]
        if effects:
            effects.append((None, value.mean(), resampled.mean(axis=1)))
        for step, effect, drawn in effects:
            n = int(found.n[at if step is None else step, q].sum())
            yield record(f"reset_{metric}", UNITS[metric], effect, n, **_bounds(drawn), step=step, **where)
