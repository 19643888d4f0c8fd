"""Whether state and innovation do their parts, and which setting to turn where they do not (seed 000 §4.3 and §7).

V is the covariance of what the state leaves of a frame: x less what is rebuilt from the state and the prior's mean. In
units of σ it has eigenvalues λ_i.

kl_nats             mean KL(q ‖ p) of a frame, beside rate_nats = ½ Σ ln⁺ λ_i, what the best one would be at β = 1
efficiency          NLL of a frame given the state less that of the reconstruction, over the KL: 1 at the optimum of
                    β = 1
swap_ratio          squared error with the states of other sequences over that with its own
clamped             trained deviations that are at a bound
effective_rank      participation ratio of the state's correlation
state_information   what the state that is stored at t tells of x_{t+1} by a straight line of training speakers, in
                    nats; window_information is what the last W frames tell
dynamics_skill      1 - Σ error of forecasts over the better of no change and the mean, in whitened coordinates
nll                 the bound on the NLL of a frame given those before it, beside window_nll, that by the best line of W
                    frames; not told where timing is inclusive, since it bounds nothing there
leaks               1 where the state knows the frame itself: inclusive, or a bound far below that of the line

dynamics_mse, state_variance and prior_over_posterior are those of seed 000. They decide nothing: a state that is scaled
down changes the first two, and the last is near 1 also where the innovation is in use but noisy.
"""

import logging
import math
from collections.abc import Iterable

import torch
from torch import Tensor

from latentdyn.models.factorizer.innovation import kl
from latentdyn.models.factorizer.network import HEALTH, Factorizer
from latentdyn.models.factorizer.objective import Seen

log = logging.getLogger(__name__)

_LEAST_SHARE = 0.1  # of rate_nats
_NOTHING = 0.01  # nats of a frame, which buy nothing
_LEAST_EFFICIENCY = 0.5
_LEAST_SWAP = 1.1
_LEAST_RANK = 0.25  # of the state's dimensions
_LEAST_INFORMATION = 0.5  # of the window's
_LEAST_SKILL = 0.05
_LEAK = 0.25  # nats for each dimension of a frame, by which a bound is below that of the line
_TINY = 1e-12

ALARMS = {
    "kl": "the innovation is not used ({kl_nats:.3g} of {rate_nats:.3g} nats a frame). Give a lower innovation.beta "
    "or a longer innovation.beta_warmup_steps, or innovation.target_nats",
    "efficiency": "a nat of the innovation buys {efficiency:.2g} nats of the reconstruction: it carries what the "
    "reconstructor does not need. Give a lower innovation.target_nats or a higher innovation.beta, a lower "
    "innovation.prior_sample_prob, or reconstructor.form additive",
    "swap": "the reconstructor ignores the state: with states of other sequences its error is {swap_ratio:.3g} times "
    "as large. Give a higher innovation.beta, a smaller innovation.dim, more innovation.prior_sample_prob or a lower "
    "dynamics.weight",
    "clamp": "{clamped:g} trained deviations are at their bound, where a likelihood means nothing. Set "
    "reconstructor.learned_sigma to false, or dynamics.likelihood to whitened",
    "rank": "the state varies in {effective_rank:.1f} directions (effective rank). Give a lower dynamics.weight with "
    "dynamics.likelihood whitened, or a smaller dim",
    "state": "the state tells {state_information:.3g} nats of the next frame, and the last frames by a straight line "
    "{window_information:.3g}. Give a lower dynamics.weight or a higher innovation.beta, a weight to future, or a "
    "larger dim",
    "dynamics": "forecasts of the state are hardly better than no change or its mean (skill {dynamics_skill:.2g}). "
    "Give a higher dynamics.weight, or dynamics.window_frames above 1",
    "leak": "the state knows the frame that it should predict, so that its NLL is no bound. Set timing to strict",
}


def alarms(health: dict[str, float], dim: int, source_dim: int) -> dict[str, bool]:
    """Which of `ALARMS` ring. A number that is not known rings none."""
    return {
        "kl": health["kl_nats"] < _LEAST_SHARE * health["rate_nats"],
        "efficiency": health["efficiency"] < _LEAST_EFFICIENCY,
        "swap": health["swap_ratio"] <= _LEAST_SWAP,
        "clamp": health["clamped"] > 0,
        "rank": health["effective_rank"] < _LEAST_RANK * dim,
        "state": health["state_information"] < _LEAST_INFORMATION * health["window_information"],
        "dynamics": health["dynamics_skill"] < _LEAST_SKILL,
        "leak": health["leaks"] > 0,
    }


def warn_of_alarms(health: dict[str, float], model: Factorizer) -> None:
    """Say in the log what is wrong with a model of this health, and which setting to change."""
    for name, rings in alarms(health, model.dim, model.source_dim).items():
        if rings:
            log.warning("%s", ALARMS[name].format(**health))


@torch.inference_mode()
def measure_health(model: Factorizer, batches: Iterable[Seen], training: Iterable[Seen]) -> Tensor:
    """What `HEALTH` names, float64, over all frames of some batches; NaN where there is none.

    Args:
        training: batches of training speakers, to which straight lines are fitted.
    """
    seen = list(batches)
    if not seen:
        return torch.full((len(HEALTH),), torch.nan, dtype=torch.float64)
    found = {**_innovation(model, seen), **_state(model, seen), **_dynamics(model, seen)}
    found |= _bound(model, found)
    found["state_information"] = _information(_known(model, training), _known(model, seen))
    found["clamped"] = model.reconstructor.clamped() + model.dynamics.clamped()
    return torch.tensor([float(found[name]) for name in HEALTH], dtype=torch.float64)


@torch.inference_mode()
def frame_costs(model: Factorizer, seen: Seen) -> tuple[Tensor, Tensor]:
    """KL, and the bound on the NLL in the source's units, (B, T) float64 in nats of a frame."""
    nats = kl(seen.posterior, seen.prior).sum(2).double()
    nll = model.reconstructor.nll(seen.frames, model.reconstructor(seen.states, seen.drawn)).double()
    return nats, nll + nats + model.source_dim * math.log(float(model.scale))


def _innovation(model: Factorizer, batches: list[Seen]) -> dict[str, float]:
    """What the innovation costs and gives, and what the reconstructor reads."""
    costs = [frame_costs(model, seen) for seen in batches]
    errors: dict[str, list[Tensor]] = {"left": [], "drawn": [], "redrawn": [], "swapped": []}
    for seen in batches:
        ways = {
            "left": (seen.states, seen.prior.mean), "drawn": (seen.states, seen.drawn),
            "redrawn": (seen.states, seen.redrawn), "swapped": (_of_others(seen.states), seen.drawn),
        }  # fmt: skip
        for name, reads in ways.items():
            errors[name].append((seen.frames - model.reconstructor(*reads)).flatten(0, 1).double())
    mse = {name: float(torch.cat(of).square().mean()) for name, of in errors.items()}
    inverse_sigma = (-model.reconstructor.bounded_log_sigma).exp().double()
    left, kept = (torch.cat(errors[name]) * inverse_sigma for name in ("left", "drawn"))
    values = torch.linalg.eigvalsh(left.T @ left / len(left)).clamp_min(0)
    of_model = values.clamp_min(1)  # the reconstructor's own noise is there in any case
    given_state = 0.5 * float((of_model.log() + values / of_model).sum())
    bought = given_state - 0.5 * float(kept.square().sum(1).mean())
    cost, nll = (float(torch.cat([of.flatten() for of in each]).mean()) for each in zip(*costs, strict=True))
    return {
        "kl_nats": cost,
        "rate_nats": 0.5 * float(of_model.log().sum()),
        "efficiency": bought / cost if cost > _NOTHING else math.nan,
        "swap_ratio": mse["swapped"] / max(mse["drawn"], _TINY),
        "prior_over_posterior": mse["redrawn"] / max(mse["drawn"], _TINY),
        "nll": nll,
    }


def _of_others(states: Tensor) -> Tensor:
    """States of another sequence; of a single one, of other times."""
    return states.roll(1, 0) if len(states) > 1 else states.flip(1)


def _state(model: Factorizer, batches: list[Seen]) -> dict[str, float]:
    """The spread of the state."""
    states = torch.cat([seen.states.flatten(0, 1) for seen in batches]).double()
    centred = states - states.mean(0)
    variance = centred.square().mean(0)
    scaled = centred / variance.clamp_min(_TINY).sqrt()
    correlations = torch.linalg.eigvalsh(scaled.T @ scaled / len(scaled))
    rank = float(correlations.sum().square() / correlations.square().sum().clamp_min(_TINY))
    return {"effective_rank": rank, "state_variance": float(variance.mean())}


def _known(model: Factorizer, batches: Iterable[Seen]) -> tuple[Tensor, Tensor]:
    """1 and states (n, 1 + d), and for each the next frame (n, D) that is not read for it."""
    states, frames = [], []
    for seen in batches:
        known, told = (seen.states, seen.frames) if model.strict else (seen.states[:, :-1], seen.frames[:, 1:])
        states.append(torch.cat([torch.ones_like(known[..., :1]), known], dim=2).flatten(0, 1).double())
        frames.append(told.flatten(0, 1).double())
    return torch.cat(states), torch.cat(frames)


def _information(fitted: tuple[Tensor, Tensor], scored: tuple[Tensor, Tensor]) -> float:
    """NLL of frames less that given the state, by Gaussians about a mean and about a straight line of the one sample,
    on the other; NaN where there are too few frames to fit."""
    (x, y), (of_x, of_y) = fitted, scored
    if len(x) <= x.shape[1] + y.shape[1]:
        return math.nan
    weights = torch.linalg.lstsq(x, y, driver="gelsd").solution
    return _nll(y - y.mean(0), of_y - y.mean(0)) - _nll(y - x @ weights, of_y - of_x @ weights)


def _nll(fitted: Tensor, scored: Tensor) -> float:
    """Mean of -ln N(r; 0, C) less its constant, of residuals (n, D), C the covariance of others."""
    values, vectors = torch.linalg.eigh(fitted.T @ fitted / len(fitted))
    values = values.clamp_min(_TINY)
    return 0.5 * float(((scored @ vectors).square() / values).sum(1).mean() + values.log().sum())


def _dynamics(model: Factorizer, batches: list[Seen]) -> dict[str, float]:
    """Forecasts of the state, in coordinates in which its covariance is I."""
    w = model.dynamics.window_frames
    of_states, errors, steps = [], [], []
    for seen in batches:
        truth = seen.states[:, w:]
        of_states.append(truth.flatten(0, 1).double())
        errors.append((truth - model.dynamics(seen.states)).flatten(0, 1).double())
        steps.append((truth - seen.states[:, w - 1 : -1]).flatten(0, 1).double())
    states, error, step = (torch.cat(of) for of in (of_states, errors, steps))
    values, vectors = torch.linalg.eigh(torch.cov(states.T, correction=0).reshape(model.dim, model.dim))
    alive = values > 1e-9 * values[-1].clamp_min(_TINY)
    if not alive.any():
        return {"dynamics_skill": 0.0, "dynamics_mse": float(error.square().mean())}
    white = vectors[:, alive] / values[alive].sqrt()
    left, moved = (float((x @ white).square().sum(1).mean()) for x in (error, step))
    return {
        "dynamics_skill": 1 - left / max(min(moved, float(alive.sum())), _TINY),
        "dynamics_mse": float(error.square().mean()),
    }


def _bound(model: Factorizer, found: dict[str, float]) -> dict[str, float]:
    """What the bound on the NLL says, where it is one."""
    window = float(model.window_nll)
    leaks = not model.strict or found["nll"] < window - _LEAK * model.source_dim
    return {
        "nll": found["nll"] if model.strict else math.nan,
        "window_nll": window,
        "window_information": float(model.window_information),
        "leaks": float(leaks),
    }
