"""One Gaussian for every step, whatever the context: what a predictor has to beat."""

from collections.abc import Iterable

import torch
from torch import Tensor

from latentdyn.distributions.gaussian import FullGaussian, cholesky
from latentdyn.predictors.base import SolvedPredictor
from latentdyn.stores.windows import Scaling, Windows


class Gaussian(SolvedPredictor):
    """Δx ~ N(m, S), the training deltas' moments.

    Args:
        covariance: `full`, or its `diagonal`.
        mean: `fitted`, or `zero`: persistence, the next frame is the present one, and S is then the second moment.
    """

    location: Tensor
    factor: Tensor

    def __init__(self, dim: int, window_frames: int, *, covariance: str = "diagonal", mean: str = "fitted") -> None:
        super().__init__(dim, window_frames)
        self.covariance, self.mean = covariance, mean
        self.register_buffer("location", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))

    def density(self, context: Tensor) -> FullGaussian:
        return FullGaussian(self.location.expand(len(context), -1), self.factor)

    def solve(self, train: Windows, validation: Windows | None, k: int) -> Iterable[dict[str, float]]:
        """The same at every k, for all horizons are fitted to the same frames.

        Raises:
            UserError: the deltas do not span all dimensions, so that no full covariance has a density.
        """
        scaling = Scaling.fit(train)
        moment = scaling.delta_covariance
        if self.mean == "zero":
            moment = moment + torch.outer(scaling.delta_mean, scaling.delta_mean)
        else:
            self.location.copy_(scaling.delta_mean)
        if self.covariance == "diagonal":
            moment = moment.diagonal().diag()
        self.factor.copy_(cholesky(moment))
        return [{"k": k, "validation_nll": self.validation_nll(validation, k)}]


PREDICTOR = Gaussian
