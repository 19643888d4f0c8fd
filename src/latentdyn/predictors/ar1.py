"""Each dimension regressed on its own newest known value, k frames back: first-order autoregression.

It is exact for independent AR(1) dimensions. It shows how much of a prediction needs neither a longer context nor the
other dimensions. On white noise the slope is -1 at k = 1, because the step Δx_t = x_t - x_{t-1} contains -x_{t-1}.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture, diagonal_gaussian
from latentdyn.predictors.base import SolvedPredictor
from latentdyn.stores.degeneracy import check_unexplained, unexplained_floor
from latentdyn.stores.windows import Windows

_BLOCK = 8192


class AR1(SolvedPredictor):
    """Δx_d | c ~ N(b_d + a_d x_{t-k,d}, s_d²), by least squares in each dimension d."""

    slope: Tensor
    intercept: Tensor
    log_sigma: Tensor

    def __init__(self, dim: int, window_frames: int) -> None:
        super().__init__(dim, window_frames)
        for name in ("slope", "intercept", "log_sigma"):
            self.register_buffer(name, torch.zeros(dim))

    def density(self, context: Tensor) -> DiagonalGaussianMixture:
        mean = self.intercept + self.slope * context[:, -1]
        return diagonal_gaussian(mean, self.log_sigma.expand_as(mean))

    def solve(self, train: Windows, validation: Windows | None, k: int) -> Iterable[dict[str, float]]:
        """Least squares by moments in float64.

        Raises:
            UserError: a dimension follows exactly from its newest known value.
        """
        # Σx, Σy, Σx², Σxy, Σy² of deviations from the training means, so that no large terms cancel
        sums = torch.zeros(5, self.dim, dtype=torch.float64)
        for start in range(0, len(train), _BLOCK):
            context, delta = train.batch(slice(start, start + _BLOCK), k)
            x, y = (context[:, -1] - self.frame_mean).double(), (delta - self.delta_mean).double()
            sums += torch.stack([x.sum(0), y.sum(0), (x * x).sum(0), (x * y).sum(0), (y * y).sum(0)]).cpu()
        x_mean, y_mean, xx, xy, yy = sums / len(train)
        x_variance, covariance, y_variance = xx - x_mean**2, xy - x_mean * y_mean, yy - y_mean**2
        slope = covariance / x_variance
        frame_mean, delta_mean = x_mean + self.frame_mean.double().cpu(), y_mean + self.delta_mean.double().cpu()
        self.slope.copy_(slope)
        self.intercept.copy_(delta_mean - slope * frame_mean)
        residual = y_variance - slope * covariance
        check_unexplained(
            residual.diag(),
            unexplained_floor(train.latents[train.rows[:_BLOCK]], self.frame_mean, self.frame_std, y_variance),
        )
        self.log_sigma.copy_(0.5 * residual.log())
        return [{"k": k, "validation_nll": self.validation_nll(validation, k)}]


PREDICTOR = AR1
