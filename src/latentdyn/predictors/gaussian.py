"""One Gaussian for every step or frame, whatever the context: a predictor has to do better than this."""

from collections.abc import Iterable

import torch
from torch import Tensor

from latentdyn.distributions.gaussian import FullGaussian, cholesky, no_density
from latentdyn.predictors.base import SolvedPredictor
from latentdyn.stores.windows import Scaling, Windows


class Gaussian(SolvedPredictor):
    """Δx ~ N(m, S), with the moments of the training deltas.

    Args:
        covariance: `full`, or its `diagonal`.
        mean: `fitted`, or `zero`: persistence, the next frame equals this one. S is then the second moment. Or
            `frames`: these are independent, x_t ~ N(m, S) with the moments of the training frames. At k = 1, where
            x_{t-1} is known, Δx ~ N(m - x_{t-1}, S): what a forecast scores that stays at the mean. At k >= 2 as
            `fitted`. On white noise no predictor is better.
    """

    location: Tensor
    factor: Tensor
    back: Tensor

    def __init__(self, dim: int, window_frames: int, *, covariance: str, mean: str) -> None:
        super().__init__(dim, window_frames)
        self.covariance, self.mean = covariance, mean
        self.register_buffer("location", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))
        if mean == "frames":
            self.register_buffer("back", torch.zeros(()))  # how much of x_{t-1} the step takes back

    def density(self, context: Tensor) -> FullGaussian:
        location = self.location.expand(len(context), -1)
        return FullGaussian(location - self.back * context[:, -1] if self.mean == "frames" else location, self.factor)

    def solve(self, train: Windows, validation: Windows | None, k: int) -> Iterable[dict[str, float]]:
        """Fit to the training deltas. The result is the same at every k, because all horizons use the same frames, but
        for `frames` at k = 1.

        Raises:
            UserError: the deltas are too few to span all dimensions, so that no full covariance has a density.
        """
        scaling = Scaling.fit(train)
        moment = scaling.delta_covariance
        if self.covariance == "full" and not scaling.spans:
            raise no_density(self.dim)
        if self.mean == "zero":
            moment = moment + torch.outer(scaling.delta_mean, scaling.delta_mean)
        elif self.mean == "frames" and k == 1:
            self.back.fill_(1.0)
            self.location.copy_(scaling.frame_mean)
            moment = torch.from_numpy(train.moments(k).covariance[0, :, 0])
        else:
            self.location.copy_(scaling.delta_mean)
        if self.covariance == "diagonal":
            moment = moment.diagonal().diag()
        self.factor.copy_(cholesky(moment))
        return [{"k": k, "validation_nll": self.validation_nll(validation, k)}]


PREDICTOR = Gaussian
