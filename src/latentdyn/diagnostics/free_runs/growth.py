"""Growth in free runs by the mean: how a small difference of two runs grows, and how many runs leave the data."""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from latentdyn.diagnostics.rollout import free_run
from latentdyn.predictors.base import Predictor

LEFT_BEHIND = 10.0  # times the distance from the mean that any training frame has
_NUDGE = 1e-6  # of the training frames' deviation: small enough to be linear, large enough for float64


@dataclass(frozen=True)
class Growth:
    """growth: factor a step by which a small difference of two free runs grows in the long run; of a linear mean map,
    its spectral radius. unbounded: share of runs that left the data behind within `steps`. runs: how many."""

    growth: float
    unbounded: float
    runs: int
    steps: int


@torch.no_grad()
def free_run_growth(
    predictor: Predictor, history: Tensor, k: int, *, mean: Tensor, std: Tensor, farthest: float, steps: int = 256
) -> Growth:
    """Run freely from true histories (B, H, D), H >= W + k - 1.

    Args:
        mean, std: (D,) of training frames. farthest: largest ||x - mean|| of any training frame.

    The growth factor follows Benettin et al. (1980). A second run starts a small nudge away from the first. Whenever
    every frame of the context is new, the difference of the two is scaled back to the size of the nudge. The factor is
    the mean log growth over the second half of the steps. All is computed in float64.
    """
    twin = copy.deepcopy(predictor).double()
    history, mean, std = history.double(), mean.to(history.device).double(), std.to(history.device).double()
    states = free_run(twin, history, steps, k)
    distance = (states[:, history.shape[1] :] - mean).norm(dim=2)
    left = ~(distance <= LEFT_BEHIND * farthest).all(dim=1)  # not >, so that what is not a number counts
    return Growth(_growth(twin, history, k, std, steps), float(left.double().mean()), len(history), steps)


def _growth(predictor: Predictor, history: Tensor, k: int, std: Tensor, steps: int) -> float:
    size = _NUDGE * float(std.norm())
    nudge = torch.randn(history.shape, generator=torch.Generator().manual_seed(0), dtype=history.dtype)
    nudge = (nudge.to(history.device) * std).flatten(1)
    nudge = (size * nudge / nudge.norm(dim=1, keepdim=True)).reshape(history.shape)
    reach = history.shape[1]
    logs = []
    for _ in range(max(2, steps // reach)):  # a round renews every frame that a context sees
        both = free_run(predictor, torch.cat([history, history + nudge]), reach, k)[:, reach:]
        history, nudged = both.chunk(2)
        nudge = nudged - history
        norm = nudge.flatten(1).norm(dim=1)
        logs.append(torch.log(norm / size) / reach)
        nudge = nudge * (size / norm.clamp_min(1e-300))[:, None, None]
    late = torch.stack(logs[len(logs) // 2 :])
    return float(late.mean().exp())
