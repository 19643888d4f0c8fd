"""Mixture density network (seed 001 §2.4; Bishop 1994): a network over the context, a mixture over the step."""

from typing import Any

import torch
from torch import Tensor

from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture, mixture_nll, split_parameters
from latentdyn.distributions.rotated import RotatedMixture
from latentdyn.distributions.student_mixture import DiagonalStudentMixture, bounded_log_dofs
from latentdyn.predictors.located_predictor import LocatedPredictor
from latentdyn.predictors.reading import Context


class MDN(LocatedPredictor):
    """K components over Δx, each diagonal in the axes and units of its target.

    Args:
        components: `gaussian`, or `student_t` for heavier tails, with a ν for each component.
        log_sigma_min, log_sigma_max: clamp of log sigma, in these units.
        located: target, axes, skip and network (see LocatedPredictor).
    """

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        components: str,
        n_components: int,
        log_sigma_min: float,
        log_sigma_max: float,
        **located: Any,
    ) -> None:
        numbers = 1 + 2 * dim + (components == "student_t")  # of a component: weight, means, log sigmas, ν
        super().__init__(dim, window_frames, n_components * numbers, **located)
        self.components = components
        self.head = (n_components, log_sigma_min, log_sigma_max)

    def density(self, context: Context) -> RotatedMixture:
        outputs, (k, low, high) = self.outputs(context), self.head
        mixture = split_parameters(outputs[:, : k * (1 + 2 * self.dim)], *self.head)
        log_std = self.target.std.log()
        means, offset = self.target.mean + self.target.std * mixture.means, self.offset(context)
        if offset is not None:
            means = means + self.target.turned(offset)[:, None]
        in_natural_units = (mixture.log_weights, means, mixture.log_sigmas + log_std)
        natural: DiagonalGaussianMixture | DiagonalStudentMixture
        if self.components == "student_t":
            natural = DiagonalStudentMixture(*in_natural_units, bounded_log_dofs(outputs[:, -k:]))
        else:
            natural = DiagonalGaussianMixture(*in_natural_units)
        return RotatedMixture(natural, self.target.rotation, (low + log_std, high + log_std))

    def mean_step(self, context: Context) -> Tensor:
        k = self.head[0]
        outputs = self.outputs(context, k * (1 + self.dim))  # logits and means: half of the last layer
        weights, means = torch.softmax(outputs[:, :k], dim=1), outputs[:, k:].unflatten(1, (k, self.dim))
        mean, offset = self.target.natural(torch.einsum("bk,bkd->bd", weights, means)), self.offset(context)
        return mean if offset is None else mean + offset

    def nll(self, context: Context, delta: Tensor) -> Tensor:
        if self.components == "student_t":
            return super().nll(context, delta)
        offset = self.offset(context)
        target = self.target.standardized(delta if offset is None else delta - offset)
        return mixture_nll(self.outputs(context), target, *self.head) + self.target.log_volume()


PREDICTOR = MDN
