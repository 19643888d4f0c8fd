"""The coordinates and units of the step in a head."""

import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.stores.windows import Scaling

_LEAST_SHARE = (
    1e-10  # of the largest variance: in float32, turning the axes leaves an error of some 1e-7 of the largest
)


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
        """Take axes and units from the training deltas' moments.

        Raises:
            UserError: the deltas vary so little along a principal axis that float32 cannot turn them there.
        """
        if self.kind == "principal":
            variances, axes = scaling.delta_axes()
            if variances[-1] < _LEAST_SHARE * variances[0]:
                raise UserError(
                    "training deltas vary 1e5 times as much along one principal axis as along another, or more, which "
                    "float32 cannot tell apart",
                    "target_axes of the predictor, and the representation's latents",
                    "bring the dimensions to one size, use more training frames, or set target_axes to natural",
                )
            self.axes.copy_(axes)
            self.std.copy_(variances.sqrt())
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
