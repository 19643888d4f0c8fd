"""Closed-form linear-Gaussian predictor: ridge regression of the step on the context, Gaussian residual.

It is the best possible predictor of a Gaussian VAR(p) with p <= W. A network has to do better than this on other data.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from latentdyn.distributions.gaussian import FullGaussian, cholesky
from latentdyn.errors import UserError
from latentdyn.predictors.base import SolvedPredictor
from latentdyn.stores.windows import Windows

_BLOCK = 8192
_CANCELS = 1e-5  # as a share of the steps' variance: a smaller residual is lost in the rounding of float32 moments


class LinearGaussian(SolvedPredictor):
    """Δx | c ~ N(b + c A, R), with R the training residuals' covariance (full, or its diagonal)."""

    weight: Tensor
    bias: Tensor
    factor: Tensor

    def __init__(self, dim: int, window_frames: int, *, covariance: str, ridges: Sequence[float]) -> None:
        super().__init__(dim, window_frames)
        self.covariance, self.ridges = covariance, tuple(ridges)
        self.register_buffer("weight", torch.zeros(window_frames * dim, dim))
        self.register_buffer("bias", torch.zeros(dim))
        self.register_buffer("factor", torch.eye(dim))

    def density(self, context: Tensor) -> FullGaussian:
        return FullGaussian(self.standardized(context).flatten(1) @ self.weight + self.bias, self.factor)

    def solve(self, train: Windows, validation: Windows | None, k: int) -> Iterable[dict[str, float]]:
        """Solve the normal equations in float64, for all ridges from one eigendecomposition.

        Raises:
            UserError: several ridges, and no validation speakers to choose among them; or residuals that do not span
                all dimensions.
        """
        if validation is None and len(self.ridges) > 1:
            raise UserError(
                "ridge strengths are chosen by held-out training speakers, and there are none",
                "splits.validation of the corpus, ridges of the predictor",
                "give splits.validation a share of the speakers, or leave one ridge",
            )
        moments = self._moments(train, k, torch.float32)
        if moments.unexplained(min(self.ridges)) < _CANCELS:
            moments = self._moments(train, k, torch.float64)
        trials = []
        for ridge in self.ridges:
            weight, residual = moments.solution(ridge)
            if self.covariance == "diagonal":
                residual = residual.diagonal().diag()
            self.weight.copy_(weight)
            self.bias.copy_(moments.y_mean - moments.x_mean @ weight)
            self.factor.copy_(cholesky(residual))
            nll = self.validation_nll(validation, k)
            trials.append(
                ({"k": k, "ridge": ridge, "validation_nll": nll}, {n: b.clone() for n, b in self.named_buffers()})
            )
        best = min(trials, key=lambda trial: trial[0]["validation_nll"]) if validation is not None else trials[0]
        self.load_state_dict(best[1])
        return [record for record, _ in trials]

    def _moments(self, windows: Windows, k: int, products: torch.dtype) -> "_Moments":
        """Moments over the training frames, by blocks. Products in float32 are several times faster; error 5e-8."""
        width, dim = self.weight.shape
        x_sum, y_sum, gram, cross, square = (
            torch.zeros(shape, dtype=torch.float64) for shape in (width, dim, (width, width), (width, dim), (dim, dim))
        )
        for start in range(0, len(windows), _BLOCK):
            context, delta = windows.batch(slice(start, start + _BLOCK), k)
            x, y = self.standardized(context).flatten(1).to(products), (delta - self.delta_mean).to(products)
            gram += (x.T @ x).double().cpu()
            cross += (x.T @ y).double().cpu()
            square += (y.T @ y).double().cpu()
            x_sum += x.double().sum(0).cpu()
            y_sum += y.double().sum(0).cpu()
        n = len(windows)
        x_mean, y_mean = x_sum / n, y_sum / n
        return _Moments(
            gram / n - torch.outer(x_mean, x_mean),
            cross / n - torch.outer(x_mean, y_mean),
            square / n - torch.outer(y_mean, y_mean),
            x_mean,
            y_mean + self.delta_mean.double().cpu(),
        )


@dataclass(frozen=True)
class _Moments:
    """Second moments of contexts x and steps y about their means, and the means; float64."""

    gram: Tensor  # Sxx (W D, W D)
    cross: Tensor  # Sxy (W D, D)
    square: Tensor  # Syy (D, D)
    x_mean: Tensor
    y_mean: Tensor

    @cached_property
    def _spectrum(self) -> tuple[Tensor, Tensor, Tensor]:
        """Eigenvalues and eigenvectors of Sxx, and Sxy along them: every ridge's solution follows from these."""
        values, vectors = torch.linalg.eigh(self.gram)
        return values, vectors, vectors.T @ self.cross

    def solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Weights A (W D, D), and the residuals' covariance Syy - AᵀSxy - SxyᵀA + AᵀSxxA."""
        values, vectors, rotated = self._spectrum
        weight = vectors @ (rotated / (values.clamp_min(0) + ridge * values.mean())[:, None])
        explained = weight.T @ self.cross
        return weight, self.square - explained - explained.T + weight.T @ self.gram @ weight

    def unexplained(self, ridge: float) -> float:
        """The least share of a dimension's variance that is left."""
        return float((self.solution(ridge)[1].diagonal() / self.square.diagonal()).min())


PREDICTOR = LinearGaussian
