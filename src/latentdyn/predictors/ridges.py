"""The choice of a ridge by held-out speakers, on a grid that reaches as far as they ask."""

import math
from collections.abc import Callable, Sequence

from latentdyn.errors import UserError

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
