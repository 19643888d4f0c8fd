"""The coordinates and units of the step in a head."""

import torch
from torch import Tensor, nn

from latentdyn.stores.windows import Scaling


class TargetAxes(nn.Module):
    """y = (Δx R - m) / s: along the axes R, in units of the training deltas' mean m and deviation s along them.

    Args:
        kind: `natural`, the latents' own coordinates, as in seed 001; or `principal`, the principal axes of the
            training deltas, in which their full covariance is diagonal.
    """

    axes: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, dim: int, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.register_buffer("axes", torch.eye(dim))
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("std", torch.ones(dim))

    def set_scaling(self, scaling: Scaling) -> None:
        """Take axes and units from the training deltas' moments."""
        if self.kind == "principal":
            variances, axes = scaling.delta_axes()
            self.axes.copy_(axes)
            self.std.copy_(variances.clamp_min(torch.finfo(torch.float32).eps * variances.max()).sqrt())
        else:
            self.std.copy_(scaling.delta_std)
        self.mean.copy_(scaling.delta_mean.to(self.axes) @ self.axes)

    @property
    def rotation(self) -> Tensor | None:
        """R (D, D), or None for the identity, to save the product."""
        return None if self.kind == "natural" else self.axes

    def standardized(self, delta: Tensor) -> Tensor:
        """Δx (..., D) -> y."""
        along = delta if self.rotation is None else delta @ self.rotation
        return (along - self.mean) / self.std

    def natural(self, y: Tensor) -> Tensor:
        """y (..., D) -> Δx."""
        along = self.mean + self.std * y
        return along if self.rotation is None else along @ self.rotation.T

    def log_volume(self) -> Tensor:
        """ln p(Δx) = ln p(y) - log_volume, a scalar."""
        return self.std.log().sum()
