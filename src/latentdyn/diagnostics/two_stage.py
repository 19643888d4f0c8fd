"""Two-stage generation (seed 004, Exp 8): directions one after another, then the lengths of all steps at once.

The first stage is a predictor by direction and length whose network sees directions alone: so a run's directions follow
from directions, whatever the lengths. The second stage is the law of a step's length given the directions around it and
two facts of its speaker. Given these, lengths are independent, and all are drawn at once. Joint sampling draws from the
same predictor, length and direction of each step together.

A speaker's level is the mean of ln m over the steps, m = ||Δx||; its rate is how many times a second ln m rises above
that level: bursts of motion, as syllables make them. Both are of the speaker's own true frames.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from latentdyn.diagnostics.bootstrap import mean_intervals
from latentdyn.diagnostics.energy import energy_score
from latentdyn.diagnostics.free_runs.comparison import FreeRunSettings, Sample, measure_free_runs
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.rollout import by_draws, free_run
from latentdyn.distributions.density import Density
from latentdyn.errors import UserError
from latentdyn.metrics import ENERGY_SCORE_STATE, R2_LENGTHS
from latentdyn.predictors.base import Predictor
from latentdyn.seeds import numpy_generator, torch_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.runs import Runs
from latentdyn.stores.windows import Scaling, Windows, common_runs

REACH = 2  # directions before and after a step that its length is told by
_RIDGE = 1e-3  # of the mean variance of what the length is told by
_FORECAST_STEPS = (1, 16)
_FORECAST_DRAWS = 16
_BLOCK = 8192
_OF_FRAMES = ("data", "half", "phase_randomised", "marginal")  # modes of frames that no predictor made


@dataclass(frozen=True)
class Speakers:
    """level, rate: of each speaker, by its id."""

    level: pd.Series
    rate: pd.Series

    @classmethod
    def of(cls, latents: Tensor, frames: FrameIndex, frame_rate_hz: float) -> "Speakers":
        """Of all speakers of a frame index, each by its own frames."""
        usable = common_runs(frames, 1, [1])
        rows = Runs.of(usable, latents.device)
        steps = [(latents[some].double() - latents[some - 1].double()).norm(dim=1) for some in rows.split(_BLOCK)]
        length, speaker = torch.cat(steps).cpu().numpy(), np.asarray(usable.speaker_ids())
        moved = length > 0  # a step of length 0 has no logarithm, and lies below every level
        log_length = np.log(np.where(moved, length, 1))
        level = pd.Series(log_length[moved]).groupby(speaker[moved]).mean()
        above = moved & (log_length > level.reindex(speaker).to_numpy())
        before = np.roll(above, 1)
        before[np.cumsum(usable.length) - usable.length] = True  # of the first frame of a run, nothing is known
        return cls(level, pd.Series(above & ~before).groupby(speaker).mean() * frame_rate_hz)

    def facts(self, speakers: pd.Series) -> Tensor:
        """Level and rate (n, 2) float64 of these speakers."""
        names = speakers.astype(str)
        return torch.from_numpy(np.column_stack([self.level.reindex(names), self.rate.reindex(names)]))


@dataclass(frozen=True)
class LengthLaw:
    """ln m ~ N(b + a·f, s²), f of the directions around a step and its speaker (see `told_by`); float64.

    mean, std: (F,) of f on training steps, which standardise it. weight: (F,).
    """

    mean: Tensor
    std: Tensor
    weight: Tensor
    bias: float
    log_std: float

    @classmethod
    def fit(cls, told: Tensor, log_lengths: Tensor) -> "LengthLaw":
        """Ridge regression of ln m (n,) on f (n, F)."""
        mean, std = told.mean(0), told.std(0).clamp_min(1e-12)
        x, y = (told - mean) / std, log_lengths - log_lengths.mean()
        gram = x.T @ x / len(x) + _RIDGE * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
        weight = torch.linalg.solve(gram, x.T @ y / len(x))
        residual = (y - x @ weight).square().mean().clamp_min(1e-24)
        return cls(mean, std, weight, float(log_lengths.mean()), 0.5 * math.log(float(residual)))

    def expected(self, told: Tensor) -> Tensor:
        """E[ln m], (...), for f (..., F)."""
        return self.bias + (told - self.mean) / self.std @ self.weight

    def draw(self, told: Tensor, generator: torch.Generator, temperature: float) -> Tensor:
        """ln m, (...), all at once."""
        expected = self.expected(told)
        noise = torch.empty_like(expected).normal_(std=math.sqrt(temperature), generator=generator)
        return expected + math.exp(self.log_std) * noise


def told_by(directions: Tensor, facts: Tensor) -> Tensor:
    """What tells the length of each step but the first and last REACH ones, (B, S - 2 REACH, F).

    Args:
        directions: (B, S, D) of steps in a row. facts: (B, 2), level and rate of their speaker.

    Returns:
        The directions from REACH steps before to REACH after, their cosines with the middle one, and the facts.
    """
    around = directions.double().unfold(1, 2 * REACH + 1, 1).transpose(2, 3)  # (B, S - 2 REACH, 2 REACH + 1, D)
    cosines = (around * around[:, :, REACH : REACH + 1]).sum(3)
    others = torch.cat([cosines[..., :REACH], cosines[..., REACH + 1 :]], dim=2)
    spread = facts.to(others)[:, None].expand(-1, around.shape[1], -1)
    return torch.cat([around.flatten(2), others, spread], dim=2)


def steps_around(latents: Tensor, frames: FrameIndex, speakers: Speakers) -> tuple[Tensor, Tensor]:
    """f (n, F) and ln m (n,), float64, of the steps of a frame index that move and have REACH others on each side."""
    usable = common_runs(frames, REACH + 1, [1], ahead=REACH)
    rows = Runs.of(usable, latents.device)
    told, lengths = [], []
    facts = speakers.facts(pd.Series(usable.speaker_ids()))
    offsets = torch.arange(-REACH - 1, REACH + 1, device=rows.device)
    for at, mine in zip(rows.split(_BLOCK), facts.split(_BLOCK), strict=True):
        steps = latents[at[:, None] + offsets].double().diff(dim=1)
        length = steps[:, REACH].norm(dim=1)
        moved = length > 0
        told.append(told_by(F.normalize(steps, dim=2), mine)[moved, 0])
        lengths.append(length[moved].log())
    return torch.cat(told), torch.cat(lengths)


def measure_two_stage(
    predictor: Predictor,
    latents: Tensor,
    frames: FrameIndex,
    frame_rate_hz: float,
    settings: FreeRunSettings,
    seed_names: tuple[object, ...],
) -> list[Record]:
    """Free runs of both ways beside the data, and the energy score of forecasts.

    Args:
        predictor: fitted at k = 1, whose network sees directions alone; W > REACH. Others as of `measure_free_runs`.

    Returns:
        Of modes `joint` and `two_stage` what `measure_free_runs` gives of sampled runs, and energy_score_state after 1
        and 16 steps, by 16 draws of as many forecasts as there are runs; of `two_stage` r2_lengths on the split; and
        the records of frames that no predictor made.

    Raises:
        UserError: as of `measure_free_runs`, or a context is too short.
    """
    if predictor.window_frames <= REACH:
        raise UserError(
            f"a length is told by {REACH} directions on each side, and a context has {predictor.window_frames} frames",
            "window_frames of the predictor",
            f"make it {REACH + 1} or more",
        )
    speakers = Speakers.of(latents, frames, frame_rate_hz)
    law = LengthLaw.fit(*steps_around(latents, frames.of_splits("train"), speakers))
    told, log_lengths = steps_around(latents, frames.of_splits(settings.split), speakers)
    missed = (log_lengths - law.expected(told)).square().sum() / (log_lengths - log_lengths.mean()).square().sum()
    records: list[Record] = []

    def sampler(mode: str, steps: int) -> Sample:
        if mode == "joint":
            return lambda history, _, generator: free_run(
                predictor, history, steps, 1, by_draws(generator, settings.temperature)
            )[:, history.shape[1] - 1 :]
        return lambda history, contexts, generator: in_two_stages(
            predictor, law, history, speakers.facts(contexts["speaker_id"]), steps, generator, settings.temperature
        )

    for mode in ("joint", "two_stage"):
        found = measure_free_runs(predictor, latents, frames, settings, seed_names, sampler(mode, settings.steps))
        records += [replace(r, mode=mode) for r in found if r.mode == "sampled"]
        if mode == "joint":  # frames that no predictor made are the same for both
            records += [r for r in found if r.mode in _OF_FRAMES]
        forecast = sampler(mode, max(_FORECAST_STEPS))
        records += _forecast_records(predictor, latents, frames, forecast, settings, (*seed_names, mode), mode)
    explained = record(R2_LENGTHS, 1 - float(missed), len(log_lengths), split=settings.split, mode="two_stage")
    return [*records, explained]


@torch.inference_mode()
def in_two_stages(
    predictor: Predictor, law: LengthLaw, history: Tensor, facts: Tensor, steps: int, generator: torch.Generator,
    temperature: float,
) -> Tensor:  # fmt: skip
    """Runs (R, 1 + steps, D) that continue histories (R, H, D): all directions first, then all lengths.

    Args:
        facts: (R, 2), level and rate of each run's speaker.
    """
    size = history.diff(dim=1).norm(dim=2).median().clamp_min(1e-30)  # of the walk that carries directions only

    def direction(density: Density) -> Tensor:
        return size * F.normalize(density.sample(generator, temperature), dim=1)

    walk = free_run(predictor, history, steps + REACH, 1, direction)[:, history.shape[1] - 1 - REACH :]
    directions = F.normalize(walk.diff(dim=1), dim=2)
    log_lengths = law.draw(told_by(directions, facts), generator, temperature)
    moves = log_lengths.exp()[..., None].to(history) * directions[:, REACH:-REACH]
    newest = history[:, -1:]
    return torch.cat([newest, newest + moves.cumsum(dim=1)], dim=1)


def _forecast_records(
    predictor: Predictor, latents: Tensor, frames: FrameIndex, sample: Sample, settings: FreeRunSettings,
    names: tuple[object, ...], mode: str,
) -> list[Record]:  # fmt: skip
    """Energy scores of drawn forecasts of the split's frames, each from a context of its own."""
    window, steps = predictor.window_frames, max(_FORECAST_STEPS)
    usable = common_runs(frames, window, [1], ahead=steps)
    std = Scaling.fit(Windows.of(latents, usable.of_splits("train"), window)).frame_std.to(latents.device)
    chosen = usable.of_splits(settings.split).draw(settings.runs, (*names[:-1], "forecasts"))
    windows = Windows.of(latents, chosen, window)
    history, _ = windows.batch(slice(None), 0)
    truth = torch.stack([latents[windows.rows[:] + step] for step in _FORECAST_STEPS], dim=1)
    repeated = chosen.loc[chosen.index.repeat(_FORECAST_DRAWS)]
    generator = torch_generator(*names, "forecasts", device=latents.device)
    states = sample(history.repeat_interleave(_FORECAST_DRAWS, dim=0), repeated, generator)
    draws = states[:, list(_FORECAST_STEPS)].unflatten(0, (len(chosen), _FORECAST_DRAWS))
    scores = torch.stack([energy_score(draws[:, :, i], truth[:, i], std) for i in range(len(_FORECAST_STEPS))], dim=1)
    values, speakers = scores.cpu().numpy(), chosen["speaker_id"].cat.codes.to_numpy()
    bounds = mean_intervals(values, speakers, settings.bootstrap_resamples, numpy_generator(*names[:-1], "bootstrap"))
    where = {"split": settings.split, "mode": mode}
    return [
        record(ENERGY_SCORE_STATE, float(value), len(values), ci_low=low, ci_high=high, step=step, **where)
        for step, value, (low, high) in zip(_FORECAST_STEPS, values.mean(axis=0), bounds, strict=True)
    ]
