"""von Mises-Fisher x LogNormal head (seed 004 §4, seed 003 §1.1): direction and length of the next step, separately."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from latentdyn.distributions.density import Density
from latentdyn.distributions.von_mises_fisher import VonMisesFisherLogNormal
from latentdyn.predictors.linear_skip import LinearSkip
from latentdyn.predictors.lookup import Basis
from latentdyn.predictors.network_predictor import NetworkPredictor
from latentdyn.predictors.reading import Context
from latentdyn.stores.windows import Scaling, Windows


class VMFLogNormal(NetworkPredictor):
    """Δx = m d: the network gives the direction μ (D numbers, normalised), mu_logm, log sigma and log κ.

    mu_logm is relative to the log of the RMS length of the training steps, and log κ to ln D/2. So a fresh head has the
    scale of the data, and A_D(κ) is about .4 in any D: enough for the direction to learn at once, at a cost of about
    .1 nats per dimension while it is wrong.

    Args:
        kappa_depends_on_magnitude: κ(m) = exp(clamp(log κ + slope (ln m - mu_logm))), with the slope as one more
            output; log κ is then that of the median length.
        mu_logm_min, mu_logm_max: clamps of mu_logm less that of the RMS length, so that units do not matter.
        log_sigma_min, ..., log_kappa_max: clamps of the values themselves. `facts` of the density tells which rows are
            at a clamp.
        linear_skip: the closed-form line's step, in units of the RMS length, is added to the D numbers whose direction
            is μ (see linear_skip): a head of zeros then points where the line does.
        network: see NetworkPredictor. A lookup of kind basis makes the direction's D numbers of the network's.
    """

    has_direction = True
    draws_by_rejection = True

    log_rms_length: Tensor

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        kappa_depends_on_magnitude: bool,
        target: str,
        linear_skip: str,
        mu_logm_min: float,
        mu_logm_max: float,
        log_sigma_min: float,
        log_sigma_max: float,
        log_kappa_min: float,
        log_kappa_max: float,
        **network: Any,
    ) -> None:
        super().__init__(dim, window_frames, dim + 3 + kappa_depends_on_magnitude, **network)
        assert target == "step"  # a law of direction and length is not moved by a shift
        self.skip = None if linear_skip == "none" else LinearSkip(dim, window_frames, linear_skip == "learned")
        self.register_buffer("log_rms_length", torch.tensor(0.5 * math.log(dim)))
        self.mu_logm_bounds = (mu_logm_min, mu_logm_max)
        self.log_sigma_bounds = (log_sigma_min, log_sigma_max)
        self.log_kappa_bounds = (log_kappa_min, log_kappa_max)

    def set_scaling(self, scaling: Scaling) -> None:
        super().set_scaling(scaling)
        self.log_rms_length.copy_(0.5 * torch.log(scaling.delta_covariance.trace() + scaling.delta_mean.square().sum()))

    def set_start(self, scaling: Scaling, train: Windows, validation: Windows | None, k: int) -> None:
        super().set_start(scaling, train, validation, k)
        if self.skip is not None:
            self.skip.solve(scaling, train, validation, k)

    def density(self, context: Context) -> VonMisesFisherLogNormal:
        outputs = self.outputs(context)
        direction = outputs[:, : self.dim]
        if isinstance(self.lookup, Basis):
            direction = self.lookup(direction)
        if self.skip is not None:
            context = self.standardized(self.newest(context))
            direction = direction + self.skip(context) / self.log_rms_length.exp()
            learned = self.skip.trained_part(context)
            direction = direction if learned is None else direction + learned
        mu_logm, log_sigma, log_kappa, *slope = outputs[:, self.dim :].unbind(1)
        mu_logm, mu_logm_at_clamp = _clamped(mu_logm, *self.mu_logm_bounds)
        log_sigma, sigma_at_clamp = _clamped(log_sigma, *self.log_sigma_bounds)
        log_kappa, kappa_at_clamp = _clamped(log_kappa + math.log(self.dim / 2), *self.log_kappa_bounds)
        return VonMisesFisherLogNormal(
            F.normalize(direction, dim=1),
            log_kappa.exp(),
            mu_logm + self.log_rms_length,
            log_sigma,
            slope[0] if slope else None,
            self.log_kappa_bounds,
            {
                "kappa_at_clamp": kappa_at_clamp,
                "sigma_at_clamp": sigma_at_clamp,
                "mu_logm_at_clamp": mu_logm_at_clamp,
            },
        )

    def nll_under(self, density: Density, delta: Tensor) -> Tensor:
        """-log p(Δx | c), (B,) in nats, but 0 for a step of length 0, which has no direction.

        The density itself gives such a step no probability; evaluation shows it as a non-finite NLL.
        """
        return torch.where(delta.any(1), super().nll_under(density, delta), 0)


def _clamped(raw: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
    """`raw` clamped, and 1 where it is at a bound, 0 elsewhere."""
    clamped: Tensor = _Clamp.apply(raw, low, high)  # type: ignore[no-untyped-call]
    return clamped, ((raw <= low) | (raw >= high)).to(raw.dtype)


class _Clamp(torch.autograd.Function):
    """A clamp that passes the gradient wherever descent leads back inside, so that no output stays stuck outside."""

    @staticmethod
    def forward(ctx: Any, raw: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(raw)
        ctx.bounds = (low, high)
        return raw.clamp(low, high)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (raw,), (low, high) = ctx.saved_tensors, ctx.bounds
        (gradient,) = gradients
        outward = ((raw < low) & (gradient > 0)) | ((raw > high) & (gradient < 0))
        return gradient.masked_fill(outward, 0), None, None


PREDICTOR = VMFLogNormal
