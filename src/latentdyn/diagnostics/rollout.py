"""Free running: a predictor fed with its own steps, many utterances at once.

A rollout at staleness k continues true frames x by x̂_s = x̂_{s-1} + Δx̂_s, where Δx̂_s is the mean, the median or a draw
of p(Δx_s | x̂_{s-k-W+1 .. s-k}).

Steps are counted from 1. An injection at step s replaces the state that step s starts from, x̂_{s-1}, by the true
x_{s-1}. The older frames of the context stay what they were. All frames before step 1 are true, so the state error of
step 1 is 0 and an injection there changes nothing. Of the four modes of seed 004 (Experiment 2), A (truth at every
step) is teacher forcing, B is truth at some steps, and C (truth at step 1 only, "initial condition only") is the same
as D (no injection). The published D has no state error at step 1 either (seed 003 §1.2), so it started from truth too.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdyn.distributions.density import Density
from latentdyn.predictors.base import Predictor
from latentdyn.stores.windows import Windows

Step = Callable[[Density], Tensor]  # how a density becomes one step a row, (B, D)
Correct = Callable[[Tensor], Tensor]  # what is done to each new state, (B, D), before it is used

_BATCH = 512  # rows at once: with many more, every tensor is new memory, which costs an eighth of the speed


def by_mean(density: Density) -> Tensor:
    return density.mean()


def by_median(density: Density) -> Tensor:
    return density.median()


def by_draws(generator: torch.Generator, temperature: float = 1.0) -> Step:
    return lambda density: density.sample(generator, temperature)


def or_overflow(values: Tensor) -> Tensor:
    """+inf in place of NaN: a value that is not a number has overflowed on its way."""
    return torch.where(values.isnan(), math.inf, values)


@torch.inference_mode()
def free_run(
    predictor: Predictor, history: Tensor, steps: int, k: int, step: Step = by_mean, correct: Correct | None = None
) -> Tensor:
    """Continue histories (B, H, D), H >= W + k - 1, `steps` frames on, each corrected: (B, H + steps, D)."""
    n, reach, _ = history.shape
    reading = predictor.reading()
    states = torch.cat([history, history.new_empty(n, steps, history.shape[2])], dim=1)
    for now in range(reach, reach + steps):
        context = reading.context(states[:, : now - k + 1])
        taken = predictor.mean_step(context) if step is by_mean else step(predictor.density(context))
        states[:, now] = states[:, now - 1] + taken
        if correct is not None:
            states[:, now] = correct(states[:, now])
    return states


def known_history(predictor: Predictor, utterance: np.ndarray, last: int, device: torch.device) -> Tensor:
    """What a free run starts from, (1, H, D), after frame `last` of an utterance (T, D)."""
    row = torch.tensor([last], device=device)
    known = Windows(torch.from_numpy(utterance[: last + 1].copy()).to(device), row, predictor.window_frames, t=row)
    return predictor.history(known, slice(None), predictor.window_frames)


@dataclass(frozen=True)
class Rollout:
    """Forecasts of S steps, one a row; index s - 1 is step s.

    states: (B, S + 1, D), x̂_0 .. x̂_S: step s starts from states[:, s - 1], which is true where it was injected.
    steps: (B, S, D), Δx̂_s.
    nll: (B, S), nats, of the *true* Δx_s = x_s - x_{s-1} under the density that its own context gives; +inf where it
        overflowed, NaN everywhere for densities without a likelihood. Not of x_s - x̂_{s-1}, the way back from an
        error: published cosines near 0 at a state error of 2e5 are not of that.
    corrections: (B, S, D), what `correct` added to x̂_s, which is part of Δx̂_s; None where nothing is corrected.
    """

    states: Tensor
    steps: Tensor
    nll: Tensor
    corrections: Tensor | None = None


@torch.inference_mode()
def rollout(
    predictor: Predictor,
    truth: Tensor,
    steps: int,
    inject: Tensor,
    step: Step = by_mean,
    k: int = 1,
    correct: Correct | None = None,
) -> Rollout:
    """Forecast the last `steps` frames of truth (B, H + S, D), H >= W + k - 1, with injections that rows may not share.

    Each step's density is computed once, for the likelihood and for the step.

    Args:
        inject: (S,) or (B, S) bool, where the state before step s is replaced by truth.
        correct: applied to every x̂_s; the step taken is then x̂_s, corrected, less x̂_{s-1}.
    """
    n, length, dim = truth.shape
    window, start, reading = predictor.window_frames, length - steps, predictor.reading()
    if start < window + k - 1:
        raise ValueError(f"{length} frames hold no history of {window + k - 1} before {steps} steps")
    inject = inject.to(truth.device).expand(n, steps)
    states = torch.cat([truth[:, :start], torch.empty_like(truth[:, start:])], dim=1)
    taken, nll = truth.new_empty(n, steps, dim), truth.new_full((n, steps), math.nan)
    added: list[Tensor] = []
    for s, now in enumerate(range(start, length)):
        states[:, now - 1] = torch.where(inject[:, s, None], truth[:, now - 1], states[:, now - 1])
        density = predictor.density(reading.context(states[:, : now - k + 1]))
        if density.gives("log_prob"):
            nll[:, s] = or_overflow(-density.log_prob(truth[:, now] - truth[:, now - 1]))
        taken[:, s] = step(density)
        states[:, now] = states[:, now - 1] + taken[:, s]
        if correct is not None:
            added.append(correct(states[:, now]) - states[:, now])
            taken[:, s] += added[-1]
            states[:, now] += added[-1]
    return Rollout(states[:, start - 1 :], taken, nll, torch.stack(added, dim=1) if added else None)


def rollout_modes(
    predictor: Predictor, truth: Tensor, steps: int, injected_steps_b: Sequence[int]
) -> dict[str, Rollout]:
    """Modes A, B, C and D of the last `steps` frames of truth (B, W + S, D), by the mean at k = 1, which densities must
    have.

    What modes share is computed once: C is D, and B is D until truth first enters it.
    """
    n, alike = len(truth), min(injected_steps_b) - 1  # steps of B that are D's
    b = torch.isin(torch.arange(1, steps + 1), torch.tensor(injected_steps_b))
    always, never = torch.ones_like(b), torch.zeros_like(b)
    both = rollout(predictor, truth.repeat(2, 1, 1), steps, torch.stack([always, never]).repeat_interleave(n, dim=0))
    parts = (field.split(n) for field in (both.states, both.steps, both.nll))
    forced, free = (Rollout(*fields) for fields in zip(*parts, strict=True))
    history = truth.shape[1] - steps
    known = truth.clone()  # what B has when truth first enters: its own states, and then the true one
    known[:, history : history + alike - 1] = free.states[:, 1:alike]
    rest = rollout(predictor, known, steps - alike, b[alike:])
    fields = ((free.states, rest.states), (free.steps, rest.steps), (free.nll, rest.nll))
    part_true = Rollout(*(torch.cat([first[:, :alike], then], dim=1) for first, then in fields))
    return {"A": forced, "B": part_true, "C": free, "D": free}


@torch.inference_mode()
def rollout_gap(predictor: Predictor, targets: Windows, k: int) -> Tensor:
    """NLL of the true Δx_t under a context that the model generated, less the teacher-forced NLL; (n,) float64.

    From true frames up to t-k-W the model runs freely, by its mean, for the W frames up to t-k, which are the context
    of Δx_t. A frame whose generated context or likelihood overflowed is +inf. Needs densities with a mean and a
    likelihood. Where it reads the past, the context holds the true frames before these W too.
    """
    window = predictor.window_frames
    known = k + window - 1  # what the first generated frame's own stale context reaches back to
    batch, gaps = predictor.batches(targets, k), []
    for start in range(0, len(targets), _BATCH):
        block = slice(start, start + _BATCH)
        true = predictor.history(targets, block, known, -k - window)
        states = free_run(predictor, true, window, k)
        true_context, delta = batch(block)
        own = -predictor.density(predictor.reading().context(states)).log_prob(delta).double()
        forced = -predictor.density(true_context).log_prob(delta).double()
        gap = own - forced
        gaps.append(torch.where(torch.isfinite(gap), gap, torch.inf).cpu())
    return torch.cat(gaps)


def rollout_reach(window_frames: int, k: int) -> int:
    """The first frame number t whose generated context has enough true frames before it: 2 (W + k) - 2."""
    return 2 * (window_frames + k) - 2
