"""Closed-form linear-Gaussian predictor: ridge regression of the step on the context, Gaussian residual.

It is the best possible predictor of a Gaussian VAR(p) with p <= W. A network has to do better than this on other data.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latentdyn.distributions.gaussian import FullGaussian, cholesky
from latentdyn.errors import UserError
from latentdyn.predictors.base import SolvedPredictor, mean_nll
from latentdyn.predictors.ridges import choose_ridge_of_most
from latentdyn.stores.degeneracy import check_contexts, check_unexplained, unexplained_floor
from latentdyn.stores.windows import Windows

log = logging.getLogger(__name__)

_BLOCK = 8192
_LEAST_GAIN = 1e-4  # nats a frame of held-out speakers for which the grid of ridges goes on
_FAR_OUT = 1e-3  # of held-out frames: so few, and the frames that have them in their contexts, must not decide
_MATERIAL = 0.005  # nats a dimension and frame: what such a decision must cost all other frames


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
        """Solve the normal equations in float64, for each ridge by Cholesky.

        Where the best of several ridges is at an end of the grid, the grid goes on there. Where few held-out frames
        decide which ridge is best, all others choose it, and the log says so (see ridges).

        Raises:
            UserError: several ridges, and no validation speakers to choose among them; steps that follow exactly from
                the context; or contexts that a few frames decide.
        """
        if validation is None and len(self.ridges) > 1:
            raise UserError(
                "ridge strengths are chosen by held-out training speakers, and there are none",
                "splits.validation of the corpus, ridges of the predictor",
                "give splits.validation a share of the speakers, or leave one ridge",
            )
        moments = self.moments(train, k)
        some = train.latents[train.rows[:_BLOCK]]
        floor = unexplained_floor(some, self.frame_mean, self.frame_std, moments.square.diagonal().cpu())
        trials: dict[float, tuple[float, dict[str, Tensor]]] = {}

        def held_out_nll(ridge: float) -> Tensor:
            weight, residual = moments.solution(ridge)
            residual = residual.cpu()
            check_unexplained(residual, floor)
            if self.covariance == "diagonal":
                residual = residual.diagonal().diag()
            self.weight.copy_(weight)
            self.bias.copy_(moments.y_mean - moments.x_mean @ weight)
            self.factor.copy_(cholesky(residual))
            nlls = torch.tensor([torch.nan]) if validation is None else self.frame_nlls(validation, k)
            trials[ridge] = mean_nll(nlls), {n: b.clone() for n, b in self.named_buffers()}
            return nlls

        n = 0 if validation is None else len(validation)
        few = (self.window_frames + 1) * max(1, round(_FAR_OUT * n))
        material = _MATERIAL * self.dim
        best, far = choose_ridge_of_most(self.ridges, held_out_nll, _LEAST_GAIN, few=few, material=material)
        if validation is not None and len(far):
            log.warning(
                "k = %d: %d of %d validation frames alone would decide the ridge, so all others choose it: %g. Look "
                "for a frame that is far out: the target at store row %d, or one in its context",
                k, len(far), n, best, int(validation.rows[far[:1]]),
            )  # fmt: skip
        self.load_state_dict(trials[best][1])
        return [{"k": k, "ridge": ridge, "validation_nll": nll} for ridge, (nll, _) in trials.items()]

    def moments(self, windows: Windows, k: int) -> "Moments":
        """Moments of contexts and steps over the training frames, in float64: residuals are differences of moments.

        Raises:
            UserError: a context holds frames so far from the others that they decide all moments.
        """
        of = windows.moments(k)
        lags = slice(k, k + self.window_frames)  # the newest frame first; a context has it last
        mean, std = (moment.double().cpu() for moment in (self.frame_mean, self.frame_std))
        frames = (torch.from_numpy(of.mean) - mean) / std
        variances = torch.from_numpy(np.einsum("idid->id", of.covariance).copy()) / std.square()
        # far frames at any lag cost the others' digits
        check_contexts((variances + frames.square()).flatten())
        gram = torch.from_numpy(of.covariance[lags, :, lags]) / std[:, None, None] / std
        before = 0 if windows.levels else 1  # how much of x_{t-1} is taken from x_t
        targets = torch.from_numpy(of.covariance[:, :, 0] - before * of.covariance[:, :, 1])  # of each frame and these
        width, dim = self.weight.shape
        moments = (
            gram.flip(0, 2).reshape(width, width),
            (targets[lags] / std[:, None]).flip(0).reshape(width, dim),
            targets[0] - before * targets[1],
            frames[lags].flip(0).flatten(),
            torch.from_numpy(of.mean[0] - before * of.mean[1]),
        )
        return Moments(*(moment.to(windows.latents.device) for moment in moments))


@dataclass(frozen=True)
class Moments:
    """Second moments of contexts x and steps y about their means, and the means; float64, on the latents' device."""

    gram: Tensor  # Sxx (W D, W D)
    cross: Tensor  # Sxy (W D, D)
    square: Tensor  # Syy (D, D)
    x_mean: Tensor
    y_mean: Tensor

    def solution(self, ridge: float) -> tuple[Tensor, Tensor]:
        """Weights A (W D, D), and the residuals' covariance Syy - AᵀSxy - SxyᵀA + AᵀSxxA."""
        regular = self.gram.clone()
        regular.diagonal().add_(ridge * self.gram.diagonal().mean())
        factor, failed = torch.linalg.cholesky_ex(regular)
        if failed:  # contexts that do not span: of all solutions the shortest
            weight = torch.linalg.pinv(regular, hermitian=True) @ self.cross
        else:
            weight = torch.cholesky_solve(self.cross, factor)
        explained = weight.T @ self.cross
        return weight, self.square - explained - explained.T + weight.T @ self.gram @ weight


PREDICTOR = LinearGaussian
