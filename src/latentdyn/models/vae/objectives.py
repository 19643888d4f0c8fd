"""What a beta-VAE is asked for beside the reconstruction: its prior, and terms that make latents predictable.

Each prior and each term is a module with a `kind`. It may hold networks of its own, which are trained with the
encoder and the decoder. All work on the latents z that are drawn, never on their means: so a latent that carries
nothing is noise, and noise is not predictable.

    smooth              mean ‖z_t - z_{t-1}‖² (seed 003 §6.1, L_smooth): cheated by small z
    predict             mean ‖z_{t+h} - f_h(z)‖² (seed 003 §6.1, L_pred): cheated by small z
    log_det_gain        ½ ln det Q - ½ ln det S in nats: neither scale nor mixing of the axes changes it
    decoded_prediction  mean ½ ‖x_{t+h} - dec(f_h(z))‖² in deviations of the source: z itself is not scored

`docs/representations.md` has the equations, and says which of them can be cheated, and how.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor, nn

from latentdyn.models.from_zero import FromZero

Kind = TypeVar("Kind", bound=nn.Module)

LOG_VARIANCE_MIN, LOG_VARIANCE_MAX = -12.0, 6.0


class Posterior(NamedTuple):
    """A Gaussian and what is drawn from it: mean, log_variance, z (B, T, d)."""

    mean: Tensor
    log_variance: Tensor
    z: Tensor


@dataclass(frozen=True)
class Seen:
    """A batch as the model sees it: B sequences of T latents in d dimensions, of n numbers of the source each.

    frames, rebuilt: (B, T, n), in deviations of the training frames. mean, log_variance, z: (B, T, d), of the posterior
    and a draw from it. decode: from latents (B, T', d) to frames (B, T', n), and the number of the latent that what
    stays is taken from first. draws: for what else is drawn of this batch. static: of the part that stays, which d does
    not count; None where there is none.
    """

    frames: Tensor
    mean: Tensor
    log_variance: Tensor
    z: Tensor
    rebuilt: Tensor
    decode: Callable[[Tensor, int], Tensor]
    draws: torch.Generator
    static: Posterior | None = None

    def static_nats(self) -> Tensor:
        """What the part that stays costs, once a sequence: (B,) in nats, when all of the sequence is known."""
        if self.static is None:
            return self.frames.new_zeros(len(self.frames))
        return kl_standard(self.static)[:, -1].sum(1)


# --------------------------------------------------------------------------------------------------------- priors


def kl_standard(of: Seen | Posterior) -> Tensor:
    """KL(q ‖ N(0, 1)) of each dimension, (B, T, d) in nats."""
    return 0.5 * (of.mean.square() + of.log_variance.exp() - 1 - of.log_variance)


class StandardPrior(nn.Module):
    """p(z) = N(0, I)."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, seen: Seen) -> Tensor:
        """KL(q ‖ N(0, I)), (B, T) in nats."""
        return kl_standard(seen).sum(2)


class AutoregressivePrior(nn.Module):
    """p(z_t | z_{t-1}, ..., z_{t-W}): a Gaussian whose mean and deviations a network reads off earlier draws.

    A sequence's first W latents have N(0, I) as their prior.

    Args:
        share: of the penalty; the rest is that of N(0, I). At most 1, since the penalty has no lower bound above.
    """

    def __init__(self, dim: int, share: float, window_frames: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.share, self.window_frames = share, window_frames
        self.network = FromZero(network, dim, window_frames, 2 * dim)

    def innovation(self, seen: Seen) -> Tensor:
        """KL(q_t ‖ p(z_t | earlier draws)) of the latents after the first W, (B, T - W) in nats."""
        w = self.window_frames
        context = _windows(seen.z, w)[:, :-1]
        outputs = self.network(context.flatten(0, 1)).unflatten(0, context.shape[:2])
        mean, log_variance = outputs.chunk(2, dim=2)
        log_variance = log_variance.clamp(LOG_VARIANCE_MIN, LOG_VARIANCE_MAX)
        square = seen.log_variance[:, w:].exp() + (seen.mean[:, w:] - mean).square()
        kl = 0.5 * (log_variance - seen.log_variance[:, w:] + square * (-log_variance).exp() - 1)
        return kl.sum(2)

    def forward(self, seen: Seen) -> Tensor:
        """The penalty, (B, T) in nats."""
        standard = kl_standard(seen).sum(2)
        first, rest = standard[:, : self.window_frames], standard[:, self.window_frames :]
        return torch.cat([first, (1 - self.share) * rest + self.share * self.innovation(seen)], dim=1)


PRIORS: dict[str, type[nn.Module]] = {"standard": StandardPrior, "autoregressive": AutoregressivePrior}


# ---------------------------------------------------------------------------------------------------------- terms


class Smooth(nn.Module):
    """Mean squared steps of z."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, seen: Seen) -> Tensor:
        return (seen.z[:, 1:] - seen.z[:, :-1]).square().sum(2).mean()


class Forecasts(nn.Module):
    """A network for each horizon h, which reads W latents and forecasts the one h later."""

    def __init__(self, dim: int, horizons: Sequence[int], window_frames: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.horizons, self.window_frames = horizons, window_frames
        self.networks = nn.ModuleList(FromZero(network, dim, window_frames, dim) for _ in horizons)

    def forecasts(self, z: Tensor) -> Iterator[tuple[int, Tensor]]:
        """For each horizon the number of the first latent that is forecast, and the forecasts (B, T', d) from it on."""
        contexts = _windows(z, self.window_frames)
        for horizon, network in zip(self.horizons, self.networks, strict=True):
            context = contexts[:, :-horizon]
            forecast = network(context.flatten(0, 1)).unflatten(0, context.shape[:2])
            yield self.window_frames - 1 + horizon, forecast


class Predict(Forecasts):
    """Mean squared error of forecasts of z, in the units of z; mean over horizons."""

    def forward(self, seen: Seen) -> Tensor:
        errors = [(seen.z[:, first:] - z).square().sum(2).mean() for first, z in self.forecasts(seen.z)]
        return torch.stack(errors).mean()


class DecodedPrediction(Forecasts):
    """½ ‖x - dec(forecast)‖² of the source's frames in their own deviations; mean over horizons. A part that stays is
    as it was known when the forecast was made."""

    def forward(self, seen: Seen) -> Tensor:
        made = self.window_frames - 1
        errors = [
            0.5 * (seen.frames[:, first:] - seen.decode(z, made)).square().sum(2).mean()
            for first, z in self.forecasts(seen.z)
        ]
        return torch.stack(errors).mean()


class LogDetGain(nn.Module):
    """What the W latents up to z_t tell linearly about z_{t+h}, in nats, negative; mean over horizons.

    Args:
        ridge: every variance of the batch is raised by this share of itself, so that no determinant is 0.
    """

    def __init__(self, dim: int, horizons: Sequence[int], window_frames: int, ridge: float) -> None:
        super().__init__()
        self.horizons, self.window_frames, self.ridge = horizons, window_frames, ridge

    def forward(self, seen: Seen) -> Tensor:
        gains = [log_det_gain(seen.z, h, self.window_frames, self.ridge) for h in self.horizons]
        return torch.stack(gains).mean().to(seen.z.dtype)


TERMS: dict[str, type[nn.Module]] = {
    "smooth": Smooth,
    "predict": Predict,
    "log_det_gain": LogDetGain,
    "decoded_prediction": DecodedPrediction,
}


def log_det_gain(z: Tensor, horizon: int, window_frames: int, ridge: float) -> Tensor:
    """½ ln det Q - ½ ln det S of sequences z (B, T, d), in nats, by the covariances of this batch in float64.

    S is the covariance of z_{t+h}, Q that of what the best line from z_{t-W+1}, ..., z_t leaves of it.
    """
    target = z[:, window_frames - 1 + horizon :]
    context = _windows(z, window_frames)[:, :-horizon].flatten(2)
    both = torch.cat([context, target], dim=2).flatten(0, 1).double()
    return gaussian_gain(torch.cov(both.T, correction=0), context.shape[2], ridge)


def gaussian_gain(covariance: Tensor, given: int, ridge: float) -> Tensor:
    """½ ln det Q - ½ ln det S, by the covariance of the `given` numbers of a context and of the target after them.

    Q is a Schur complement, so ln det Q = ln det of the whole - ln det of the context's block. The gain is less the
    mutual information of Gaussians of this covariance, with white noise of `ridge` of each variance.
    """
    c = covariance + ridge * torch.diag(covariance.diagonal())
    return 0.5 * (torch.logdet(c) - torch.logdet(c[:given, :given]) - torch.logdet(c[given:, given:]))


def _windows(z: Tensor, window_frames: int) -> Tensor:
    """(B, T - W + 1, W, d): each latent with the W - 1 before it, the newest last."""
    return z.unfold(1, window_frames, 1).transpose(2, 3)


def build(kinds: Mapping[str, type[Kind]], settings: dict[str, Any], *sizes: int) -> Kind:
    """The module of the kind that a section names; a term's weight is the caller's."""
    options = {name: value for name, value in settings.items() if name not in ("kind", "weight")}
    return kinds[settings["kind"]](*sizes, **options)
