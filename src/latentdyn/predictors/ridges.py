"""The choice of a ridge by held-out speakers, on a grid that reaches as far as they ask."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.predictors.base import mean_nll

_LEAST, _MOST = 1e-12, 1e12
_FACTOR = 10.0


def choose_ridge(ridges: Sequence[float], loss: Callable[[float], float], least_gain: float) -> float:
    """The ridge of lowest held-out loss.

    Where the best one is at an end of the grid, the grid goes on there by factors of 10, while that lowers the loss by
    `least_gain` or more. A ridge that is the only one is taken as it is, and the loss may be NaN then.

    Raises:
        UserError: there are several, and no loss is finite.
    """
    losses = {ridge: loss(ridge) for ridge in ridges}
    if len(losses) > 1 and not any(map(math.isfinite, losses.values())):
        raise UserError(
            "no ridge can be chosen, because the loss of held-out training speakers is not finite",
            "the representation's latents, frames of split validation",
            "look for frames of validation speakers that are far from all others, and leave them out",
        )
    losses = {ridge: value if math.isfinite(value) else math.inf for ridge, value in losses.items()}
    best = min(losses, key=lambda ridge: losses[ridge])
    ends = {min(losses): 1 / _FACTOR, max(losses): _FACTOR}
    if len(losses) == 1 or best not in ends:
        return best
    factor = ends[best]
    while _LEAST <= (further := best * factor) <= _MOST:
        losses[further] = loss(further)
        if not losses[best] - losses[further] >= least_gain:
            break
        best = further
    return best


def choose_ridge_of_most(
    ridges: Sequence[float], loss: Callable[[float], Tensor], least_gain: float, *, few: int, material: float
) -> tuple[float, Tensor]:
    """The ridge of lowest mean loss over held-out frames or, where few of these decide, over all others.

    Few frames decide where another ridge is better by `material` a frame or more, once the frames on which both differ
    most are left out.

    Args:
        loss: of each frame (n,), float64. few: how many frames may be left out. Others as of `choose_ridge`.

    Returns:
        The ridge, and the frames that were left out for it (m,), int64: those that differ most are first.
    """
    losses: dict[float, Tensor] = {}

    def of_frames(ridge: float) -> Tensor:
        if ridge not in losses:
            losses[ridge] = loss(ridge)
        return losses[ridge]

    best = choose_ridge(ridges, lambda ridge: mean_nll(of_frames(ridge)), least_gain)
    far = _deciding(best, losses, few, material)
    if not len(far):
        return best, far
    kept = torch.ones_like(losses[best], dtype=torch.bool)
    kept[far] = False
    return choose_ridge(ridges, lambda ridge: mean_nll(of_frames(ridge)[kept]), least_gain), far


def _deciding(best: float, losses: Mapping[float, Tensor], few: int, material: float) -> Tensor:
    """The few frames without which the best ridge is not the best by far, (few,) int64; empty where there are none."""
    found, most = torch.zeros(0, dtype=torch.int64), material
    for of_other in losses.values():
        gain = (losses[best] - of_other).nan_to_num(nan=math.inf)
        order = gain.abs().argsort(descending=True, stable=True)
        typical = float(gain[order[few:]].mean())  # NaN, so never more, where no frame is left
        if most <= typical < math.inf:
            found, most = order[:few], typical
    return found
