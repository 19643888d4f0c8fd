"""Closed-form linear-Gaussian predictor: ridge regression of the step on the context, Gaussian residual.

It is the best predictor there is for a Gaussian VAR(p) with p <= W, and the line that a network has to beat.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from latentdyn.distributions.gaussian import FullGaussian
from latentdyn.errors import UserError
from latentdyn.predictors.base import SolvedPredictor
from latentdyn.stores.windows import Windows

_BLOCK = 8192


class LinearGaussian(SolvedPredictor):
    """Δx | c ~ N(b + c A, R), with R the training residuals' covariance (full, or its diagonal)."""

    weight: Tensor
    bias: Tensor
    factor: Tensor

    def __init__(
        self, dim: int, window_frames: int, *, covariance: str = "full", ridges: Sequence[float] = (1e-2,)
    ) -> None:
        super().__init__(dim, window_frames)
        self.covariance, self.ridges = covariance, tuple(ridges)
        self.register_buffer("weight", torch.zeros(window_frames * dim, dim))
        self.register_buffer("bias", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))

    def density(self, context: Tensor) -> FullGaussian:
        return FullGaussian(self.standardized(context) @ self.weight + self.bias, self.factor)

    def solve(self, train: Windows, validation: Windows | None, k: int) -> Iterable[dict[str, float]]:
        """Normal equations in float64 once, then each ridge from one eigendecomposition.

        Raises:
            UserError: several ridges, and no validation speakers to choose among them.
        """
        if validation is None and len(self.ridges) > 1:
            raise UserError(
                "ridge strengths are chosen by held-out training speakers, and there are none",
                "splits.validation of the corpus, ridges of the predictor",
                "give splits.validation a share of the speakers, or leave one ridge",
            )
        gram, cross, square, x_mean, y_mean = self._moments(train, k)
        values, vectors = torch.linalg.eigh(gram)
        rotated = vectors.T @ cross
        trials = []
        for ridge in self.ridges:
            weight = vectors @ (rotated / (values.clamp_min(0) + ridge * values.mean())[:, None])
            # residual covariance of the ridge solution: Syy - AᵀSxy - SxyᵀA + AᵀSxxA
            residual = square - weight.T @ cross - cross.T @ weight + weight.T @ gram @ weight
            if self.covariance == "diagonal":
                residual = residual.diagonal().diag()
            self.weight.copy_(weight)
            self.bias.copy_(y_mean - x_mean @ weight)
            self.factor.copy_(torch.linalg.cholesky(residual))
            nll = self._mean_nll(validation, k) if validation is not None else float("nan")
            trials.append(
                ({"k": k, "ridge": ridge, "validation_nll": nll}, {n: b.clone() for n, b in self.named_buffers()})
            )
        best = min(trials, key=lambda trial: trial[0]["validation_nll"]) if validation is not None else trials[0]
        self.load_state_dict(best[1])
        return [record for record, _ in trials]

    def _moments(self, windows: Windows, k: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Centred second moments of (context, delta) over the training frames, by blocks."""
        width, dim = self.weight.shape
        gram, cross = torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, dim, dtype=torch.float64)
        square = torch.zeros(dim, dim, dtype=torch.float64)
        x_sum, y_sum = torch.zeros(width, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)
        for start in range(0, len(windows), _BLOCK):
            context, delta = windows.batch(slice(start, start + _BLOCK), k)
            x, y = self.standardized(context), delta - self.delta_mean
            # products in the data's own precision, sums in float64: exact to 5e-8 and several times as fast
            gram += (x.T @ x).double().cpu()
            cross += (x.T @ y).double().cpu()
            square += (y.T @ y).double().cpu()
            x_sum += x.double().sum(0).cpu()
            y_sum += y.double().sum(0).cpu()
        n = len(windows)
        x_mean, y_mean = x_sum / n, y_sum / n
        gram, cross = gram / n - torch.outer(x_mean, x_mean), cross / n - torch.outer(x_mean, y_mean)
        square = square / n - torch.outer(y_mean, y_mean)
        return gram, cross, square, x_mean, y_mean + self.delta_mean.double().cpu()

    def _mean_nll(self, windows: Windows, k: int) -> float:
        total = 0.0
        for start in range(0, len(windows), _BLOCK):
            context, delta = windows.batch(slice(start, start + _BLOCK), k)
            total -= float(self.density(context).log_prob(delta).double().sum())
        return total / len(windows)


PREDICTOR = LinearGaussian
