"""Heads whose density can be moved: what they describe, in which axes and units, and where they start from.

All give p(Δx | c). A head describes u = Δx - o(c), where o(c) is known once the context is. A shift changes no volume,
so the likelihood of u is that of Δx.

| settings               | o(c)                   | u                              |
|------------------------|------------------------|--------------------------------|
| target: step           | 0                      | the step Δx_t                  |
| target: level          | -x_{t-1}, at k = 1     | the next frame x_t             |
| linear_skip: fixed     | the closed-form line   | what the line leaves of either |
| linear_skip: learned   | line and trained map   | the same                       |
"""

from typing import Any

import torch
from torch import Tensor

from latentdyn.predictors.linear_skip import LinearSkip
from latentdyn.predictors.network_predictor import NetworkPredictor
from latentdyn.predictors.reading import Context
from latentdyn.predictors.target_axes import TargetAxes
from latentdyn.stores.windows import Scaling, Windows

_BLOCK = 8192


class LocatedPredictor(NetworkPredictor):
    """A head over y = (u R - m) / s, with R, m and s of TargetAxes: moments of u on the training frames.

    With principal axes and a linear skip, a head of mean 0 and deviation 1 is `linear_gaussian` with its full
    covariance, but for rounding.

    Args:
        target_axes: see TargetAxes. target, linear_skip: see the module. With a skip both targets leave the same u.
        network: see NetworkPredictor.
    """

    def __init__(
        self,
        dim: int,
        window_frames: int,
        outputs: int,
        *,
        target_axes: str,
        target: str,
        linear_skip: str,
        **network: Any,
    ) -> None:
        super().__init__(dim, window_frames, outputs, **network)
        self.target = TargetAxes(dim, target_axes)
        self.describes_level = target == "level"
        self.skip = None if linear_skip == "none" else LinearSkip(dim, window_frames, linear_skip == "learned")

    def set_scaling(self, scaling: Scaling) -> None:
        super().set_scaling(scaling)
        self.target.set_scaling(scaling)

    def set_start(self, scaling: Scaling, train: Windows, validation: Windows | None, k: int) -> None:
        super().set_start(scaling, train, validation, k)
        if self.skip is not None:
            residual = self.skip.solve(scaling, train, validation, k).cpu()
            self.target.set_moments(torch.zeros_like(scaling.delta_mean), residual.diagonal().sqrt(), residual)
        elif self.describes_level:
            covariance = _frame_covariance(train, scaling.frame_mean)
            self.target.set_moments(scaling.frame_mean, scaling.frame_std, covariance)

    def offset(self, context: Context) -> Tensor | None:
        """o(c), (B, D) in the latents' own units, for context (B, W, D); None for 0, to save the sum."""
        context = self.newest(context)
        if self.skip is None:
            return -context[:, -1] if self.describes_level else None
        context = self.standardized(context)
        line: Tensor = self.skip(context)
        learned = self.skip.trained_part(context)
        return line if learned is None else line + self.target.turned_back(self.target.std * learned)


def _frame_covariance(windows: Windows, mean: Tensor) -> Tensor:
    """The covariance (D, D) of target frames about their mean (D,), float64."""
    products = torch.zeros(windows.dim, windows.dim, dtype=torch.float64)
    for rows in windows.rows.split(_BLOCK):
        x = windows.latents[rows].double() - mean.to(windows.latents.device)
        products += (x.T @ x).cpu()
    return products / len(windows)
