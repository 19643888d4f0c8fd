"""The coordinates and units of what a head describes: the step, or another quantity that follows from it."""

import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.stores.windows import Scaling

_LEAST_SHARE = (
    1e-10  # of the largest variance: in float32, turning the axes leaves an error of some 1e-7 of the largest
)


class TargetAxes(nn.Module):
    """y = (u R - m) / s: along the axes R, in units of the mean m and the deviation s along them.

    u is the step Δx, with the moments of training deltas, unless a head describes another u (see located_predictor).

    Args:
        kind: `natural`, the latents' own coordinates, as in seed 001; or `principal`, the principal axes of u on the
            training frames, in which its full covariance is diagonal.
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
        """Take axes and units from the training deltas' moments; errors as of `set_moments`."""
        self.set_moments(scaling.delta_mean, scaling.delta_std, scaling.delta_covariance)

    def set_moments(self, mean: Tensor, std: Tensor, covariance: Tensor) -> None:
        """Take axes and units from the moments of u on the training frames: (D,), (D,) and (D, D), float64.

        Raises:
            UserError: u varies so little along a principal axis that float32 cannot turn it there.
        """
        if self.kind == "principal":
            values, vectors = torch.linalg.eigh(covariance)
            variances, axes = values.flip(0), vectors.flip(1)  # largest first
            if variances[-1] < _LEAST_SHARE * variances[0]:
                raise UserError(
                    "training deltas (or frames, or what a linear skip leaves of them) vary 1e5 times as much along "
                    "one principal axis as along another, or more, which float32 cannot tell apart",
                    "target_axes of the predictor, and the representation's latents",
                    "bring the dimensions to one size, use more training frames, or set target_axes to natural",
                )
            self.axes.copy_(axes)
            self.std.copy_(variances.sqrt())
        else:
            self.std.copy_(std)
        self.mean.copy_(mean.to(self.axes) @ self.axes)

    @property
    def rotation(self) -> Tensor | None:
        """R (D, D), or None for the identity, to save the product."""
        return None if self.kind == "natural" else self.axes

    def turned(self, u: Tensor) -> Tensor:
        """u R, (..., D)."""
        return u if self.rotation is None else u @ self.rotation

    def turned_back(self, along: Tensor) -> Tensor:
        """Of u R (..., D), u."""
        return along if self.rotation is None else along @ self.rotation.T

    def standardized(self, u: Tensor) -> Tensor:
        """u (..., D) -> y."""
        return (self.turned(u) - self.mean) / self.std

    def natural(self, y: Tensor) -> Tensor:
        """y (..., D) -> u."""
        return self.turned_back(self.mean + self.std * y)

    def log_volume(self) -> Tensor:
        """ln p(u) = ln p(y) - log_volume, a scalar."""
        return self.std.log().sum()
