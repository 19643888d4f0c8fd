"""Growth in free runs by the mean: how a small difference of two runs grows, and how many runs leave the data."""

import copy
import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs
from torch import Tensor

from latentdyn.diagnostics.rollout import free_run
from latentdyn.predictors.base import Predictor

LEFT_BEHIND = 10.0  # times the distance from the mean that any training frame has
_NUDGE = 1e-6  # of the training frames' deviation: small enough to be linear, large enough for float64
_LINEAR = 1e-9  # of a step: what rounding may add to a map that is linear
_BLOCK = 512
_DENSE = 512  # a larger companion matrix is not written out: Arnoldi's method finds its largest eigenvalues


@dataclass(frozen=True)
class Growth:
    """growth: factor a step by which a small difference of two free runs grows in the long run; None where the
    predictor reads the past, which is more than the few frames that are nudged. linear: the mean is a linear map, and
    growth is its recursion's spectral radius; else an estimate. unbounded: share of runs that left the data behind
    within `steps`. runs: how many."""

    growth: float | None
    linear: bool
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

    If the mean is a linear map of the context, the factor is the spectral radius of its companion matrix. Otherwise it
    is estimated (Benettin et al. 1980): a second run starts a small nudge away from the first; whenever every frame of
    the context is new, the difference of the two is scaled back to a nudge, which is small beside the state that it is
    added to. The factor is the mean log growth over the second half of the steps. All is computed in float64.
    """
    twin = copy.deepcopy(predictor).double()
    history, mean, std = history.double(), mean.to(history.device).double(), std.to(history.device).double()
    states = free_run(twin, history, steps, k)
    distance = (states[:, history.shape[1] :] - mean).norm(dim=2)
    left = ~(distance <= LEFT_BEHIND * farthest).all(dim=1)  # not >, so that what is not a number counts
    if predictor.reads_past:
        return Growth(None, False, float(left.double().mean()), len(history), steps)
    matrices = linear_recursion(twin, history[:, : predictor.window_frames].mean(dim=0, keepdim=True), std)
    growth = _growth(twin, history, k, mean, std, steps) if matrices is None else spectral_radius(matrices, k)
    return Growth(growth, matrices is not None, float(left.double().mean()), len(history), steps)


def _growth(predictor: Predictor, history: Tensor, k: int, mean: Tensor, std: Tensor, steps: int) -> float:
    """+inf where runs left the range of floats before their growth could be seen."""
    reach, spread = history.shape[1], float(std.norm())
    nudge = torch.randn(history.shape, generator=torch.Generator().manual_seed(0), dtype=history.dtype)
    nudge = (nudge.to(history.device) * std).flatten(1)
    nudge = (nudge / nudge.norm(dim=1, keepdim=True)).reshape(history.shape)
    logs = []
    for _ in range(max(2, steps // reach)):  # a round renews every frame that a context sees
        # beside a state far from the data, a nudge in the data's own size would be lost in rounding
        size = _NUDGE * (0.01 * (history - mean).norm(dim=2).amax(dim=1)).clamp_min(spread)
        both = free_run(predictor, torch.cat([history, history + size[:, None, None] * nudge]), reach, k)[:, reach:]
        history, nudged = both.chunk(2)
        difference = nudged - history
        norm = difference.flatten(1).norm(dim=1)
        logs.append(torch.log(norm / size) / reach)
        nudge = difference / norm.clamp_min(1e-300)[:, None, None]
    log_growth = torch.stack(logs)
    usable = log_growth[: int((~log_growth.isnan() & (log_growth < math.inf)).all(dim=1).int().cumprod(0).sum())]
    if len(usable) < 2:
        return math.inf
    return float(usable[len(usable) // 2 :].mean().exp())


def linear_recursion(predictor: Predictor, context: Tensor, std: Tensor) -> Tensor | None:
    """The matrices (W, D, D) of x_s = x_{s-1} + Σ_j M_j x_{s-k-W+1+j} + b if the predictor's mean is linear; else None.

    Args:
        context: (1, W, D) float64, about which it is tried, near it and far from it. std: (D,), the size of a change.
    """
    at_context = predictor.mean_step(context)
    draws = torch.randn(2, 8, *context.shape[1:], generator=torch.Generator().manual_seed(1), dtype=context.dtype)
    a, b = draws.to(context.device) * std
    for far in (1.0, 1e3):  # a clamp may show far from the data only
        parts = predictor.mean_step(context + far * a) + predictor.mean_step(context + far * b) - 2 * at_context
        whole = predictor.mean_step(context + far * (a + b)) - at_context
        rounding = _LINEAR * (parts.abs().max() + at_context.abs().max())
        if not bool(((whole - parts).abs() <= rounding).all()):
            return None
    window, dim = context.shape[1:]
    changes = torch.eye(window * dim, dtype=context.dtype, device=context.device).view(-1, window, dim) * std
    steps = torch.cat([predictor.mean_step(context + some) - at_context for some in changes.split(_BLOCK)])
    matrices = (steps.view(window, dim, dim) / std[:, None]).transpose(1, 2)
    return matrices if bool(matrices.isfinite().all()) else None


def spectral_radius(matrices: Tensor, k: int) -> float:
    """The largest modulus of the eigenvalues of x_s = x_{s-1} + Σ_j M_j x_{s-k-W+1+j}: those of its companion matrix.

    Args:
        matrices: (W, D, D), the oldest frame's first. See Lütkepohl 2005, §2.1.1, for the companion form.
    """
    window, dim, _ = matrices.shape
    reach = window + k - 1
    blocks = np.zeros((reach, dim, dim))  # by age: of x_{s-1} first
    blocks[k - 1 :] = matrices.flip(0).cpu().numpy()
    blocks[0] += np.eye(dim)
    top = np.concatenate(blocks, axis=1)
    size = reach * dim
    if size > _DENSE:

        def apply(state: np.ndarray) -> np.ndarray:
            state = state.reshape(-1)
            return np.concatenate([top @ state, state[:-dim]])

        start = np.random.default_rng(0).standard_normal(size)
        with suppress(ArpackNoConvergence):
            operator = LinearOperator((size, size), matvec=apply, dtype=np.float64)
            found = eigs(operator, k=6, which="LM", v0=start, maxiter=100 * _DENSE, return_eigenvectors=False)
            return float(np.abs(found).max())
    companion = np.concatenate([top, np.eye(size - dim, size)])
    return float(np.abs(np.linalg.eigvals(companion)).max())
