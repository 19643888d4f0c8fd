"""Mixture density network (seed 001 §2.4; Bishop 1994): an MLP over the flattened context, a diagonal Gaussian mixture
over the step."""

import torch
from torch import Tensor, nn

from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture, mixture_nll, split_parameters
from latentdyn.distributions.rotated import RotatedMixture
from latentdyn.predictors.base import TrainedPredictor
from latentdyn.stores.windows import Scaling


class MDN(TrainedPredictor):
    """K Gaussians over Δx, each diagonal in `target_axes`, in units of the training deltas' deviation along them.

    Args:
        target_axes: `natural`, the latents' own coordinates, as in seed 001; or `principal`, the principal axes of the
            training deltas, where a diagonal Gaussian already holds all that their full covariance says.
        log_sigma_min, log_sigma_max: clamp of log sigma, in those units.
    """

    axes: Tensor
    axis_mean: Tensor
    axis_std: Tensor

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        target_axes: str = "natural",
        n_components: int = 8,
        hidden_width: int = 1024,
        hidden_layers: int = 2,
        dropout: float = 0.0,
        log_sigma_min: float = -5.0,
        log_sigma_max: float = 3.0,
    ) -> None:
        super().__init__(dim, window_frames)
        self.target_axes = target_axes
        self.register_buffer("axes", torch.eye(dim))
        self.register_buffer("axis_mean", torch.zeros(dim))
        self.register_buffer("axis_std", torch.ones(dim))
        self.head = (n_components, log_sigma_min, log_sigma_max)
        layers: list[nn.Module] = []
        width = window_frames * dim
        for _ in range(hidden_layers):
            layers += [nn.Linear(width, hidden_width), nn.GELU(), nn.Dropout(dropout)]
            width = hidden_width
        self.network = nn.Sequential(*layers, nn.Linear(width, n_components * (1 + 2 * dim)))

    def set_scaling(self, scaling: Scaling) -> None:
        super().set_scaling(scaling)
        if self.target_axes == "principal":
            variances, axes = torch.linalg.eigh(scaling.delta_covariance)
            self.axes.copy_(axes)
            self.axis_std.copy_(variances.clamp_min(torch.finfo(torch.float32).eps * variances.max()).sqrt())
        else:
            self.axis_std.copy_(scaling.delta_std)
        self.axis_mean.copy_(scaling.delta_mean.to(self.axes) @ self.axes)

    def density(self, context: Tensor) -> RotatedMixture:
        mixture = split_parameters(self.network(self.standardized(context)), *self.head)
        in_natural_units = DiagonalGaussianMixture(
            mixture.log_weights,
            self.axis_mean + self.axis_std * mixture.means,
            mixture.log_sigmas + self.axis_std.log(),
        )
        return RotatedMixture(in_natural_units, self.axes)

    def nll(self, context: Tensor, delta: Tensor) -> Tensor:
        target = (delta @ self.axes - self.axis_mean) / self.axis_std
        return mixture_nll(self.network(self.standardized(context)), target, *self.head) + self.axis_std.log().sum()


PREDICTOR = MDN
