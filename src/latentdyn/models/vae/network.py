"""The encoder and the decoder of a beta-VAE, and where its training starts.

A latent z_t stands for `stack` consecutive frames of the source. Frames are in deviations of the training frames, so
the reconstruction weighs all dimensions alike. Encoder and decoder are each a line plus a network whose output begins
at 0. The lines begin as the best linear beta-VAE, which is known in closed form (Tipping & Bishop 1999; Lucas et al.
2019): along the principal axis of variance λ of the stacked frames,

    q(z | x) = N(sqrt(λ - β)/λ u·x, β/λ)        x̂ = Σ sqrt(λ - β) z u        KL = ½ ln(λ/β)

So training starts where principal components are, and what it gains beyond them is what the curve shows.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentdyn.errors import UserError
from latentdyn.models.from_zero import FromZero
from latentdyn.models.sequences import RepresentationModel
from latentdyn.models.vae.objectives import (
    LOG_VARIANCE_MAX,
    LOG_VARIANCE_MIN,
    PRIORS,
    TERMS,
    Seen,
    build,
)
from latentdyn.models.vae.reconstructions import RECONSTRUCTIONS

HEALTH = ("reconstruction_r2", "kl_nats", "innovation_nats", "effective_rank", "dead_dims")
_LEAST_WEIGHT = 1e-3  # of an axis's variance: an axis that β would switch off can still learn
_LEAST_VARIANCE = 1e-6  # of a number of the source


class Moments(NamedTuple):
    """Of the training frames, float64.

    frame_mean, frame_std: (D,). mean (stack D,), covariance (stack D, stack D): of stacked frames, in deviations, the
    earliest frame first.
    """

    frame_mean: Tensor
    frame_std: Tensor
    mean: Tensor
    covariance: Tensor


class VAE(RepresentationModel):
    """All that is trained, and all that is known of the data.

    Args:
        source_dim: D of the source. dim: d. window: stacks that the encoder reads, its own the last.

    Attributes:
        frame_mean, frame_std: (D,) of the training frames.

    Raises:
        UserError: d is above the numbers that a latent stands for.
    """

    health_names, rate_names = HEALTH, ("kl", "innovation")
    frame_mean: Tensor
    frame_std: Tensor

    def __init__(
        self, source_dim: int, dim: int, stack: int, window: int, network: dict[str, Any], objective: dict[str, Any]
    ) -> None:
        super().__init__()
        self.source_dim, self.dim, self.stack, self.window = source_dim, dim, stack, window
        numbers = stack * source_dim
        if dim > numbers:
            raise UserError(
                f"latents of {dim} dimensions are more than the {numbers} numbers of {stack} frames of the source",
                "dim and stack of the representation",
                f"set dim to {numbers} or less",
            )
        self.register_buffer("frame_mean", torch.zeros(source_dim))
        self.register_buffer("frame_std", torch.ones(source_dim))
        self.encoder_line, self.decoder_line = nn.Linear(numbers, dim), nn.Linear(dim, numbers)
        self.log_variance = nn.Parameter(torch.zeros(dim))
        self.encoder = FromZero(network, source_dim, window * stack, 2 * dim)
        self.decoder = FromZero(network, dim, 1, numbers)
        self.reconstruction = build(RECONSTRUCTIONS, objective["reconstruction"])
        self.prior = build(PRIORS, objective["prior"], dim)
        self.terms = nn.ModuleList(build(TERMS, term, dim) for term in objective["terms"])
        self.weights = [term["weight"] for term in objective["terms"]]

    def set_start(self, moments: Moments, beta: float) -> None:
        """Take the moments of the training frames, and begin as the best linear beta-VAE."""
        variances, axes = torch.linalg.eigh(moments.covariance)
        variances = variances.flip(0)[: self.dim].clamp_min(_LEAST_VARIANCE)
        axes = axes.flip(1)[:, : self.dim]
        out = torch.maximum(variances - beta, _LEAST_WEIGHT * variances).sqrt()
        into = (axes * (out / variances)).T
        with torch.no_grad():
            self.frame_mean.copy_(moments.frame_mean)
            self.frame_std.copy_(moments.frame_std)
            self.encoder_line.weight.copy_(into)
            self.encoder_line.bias.copy_(-into @ moments.mean)
            self.decoder_line.weight.copy_(axes * out)
            self.decoder_line.bias.copy_(moments.mean)
            self.log_variance.copy_((beta / variances).clamp_max(1).log())

    def deviations(self, frames: Tensor) -> Tensor:
        return self.stacked(frames)

    def stacked(self, frames: Tensor) -> Tensor:
        """Frames (B, T stack, D) in the source's units as (B, T, stack D) in deviations, the earliest first."""
        return ((frames - self.frame_mean) / self.frame_std).reshape(len(frames), -1, self.stack * self.source_dim)

    def unstacked(self, numbers: Tensor) -> Tensor:
        """The way back: (B, T, stack D) to (B, T stack, D)."""
        return numbers.reshape(len(numbers), -1, self.source_dim) * self.frame_std + self.frame_mean

    def encode(self, stacked: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance (B, T, d) of q(z | x) for (B, T, stack D). Before a sequence, frames are the mean."""
        past = F.pad(stacked, (0, 0, self.window - 1, 0)).unfold(1, self.window, 1).transpose(2, 3)
        context = past.reshape(-1, self.window * self.stack, self.source_dim)
        mean, log_variance = self.encoder(context).unflatten(0, stacked.shape[:2]).chunk(2, dim=2)
        log_variance = (self.log_variance + log_variance).clamp(LOG_VARIANCE_MIN, LOG_VARIANCE_MAX)
        return self.encoder_line(stacked) + mean, log_variance

    def decode(self, z: Tensor) -> Tensor:
        """(..., stack D) in deviations, for latents (..., d)."""
        beside = self.decoder(z.reshape(-1, 1, self.dim)).reshape(*z.shape[:-1], self.stack * self.source_dim)
        return self.decoder_line(z) + beside

    def decoder_weights(self) -> dict[str, Tensor] | None:
        """Weights of the codec's decoder that were trained with the rest; None: the codec's own decode."""
        own = getattr(self.reconstruction, "decoder_weights", None)
        return None if own is None else {name: value.detach() for name, value in own.by_name().items()}

    def see(self, frames: Tensor, noise: torch.Generator) -> Seen:
        """What becomes of frames (B, T stack, D) of the source, with latents drawn by `noise`."""
        stacked = self.stacked(frames)
        mean, log_variance = self.encode(stacked)
        z = mean + (0.5 * log_variance).exp() * torch.randn(mean.shape, generator=noise, device=mean.device)
        return Seen(stacked, mean, log_variance, z, self.decode(z), self.decode, noise)

    def loss(self, seen: Seen, beta: float) -> Tensor:
        """Reconstruction + β cost by the prior + weighted terms: nats of a latent, over the numbers that it stands for.

        Divided so, gradients are of one size whatever the source's dimension.
        """
        loss: Tensor = (self.reconstruction(seen) + beta * self.prior(seen)).mean()
        for weight, term in zip(self.weights, self.terms, strict=True):
            loss = loss + weight * term(seen)
        return loss / seen.frames.shape[2]


def build_vae(settings: dict[str, Any], source_dim: int) -> VAE:
    """A fresh model of the sizes and terms in `settings`: dim, stack, encoder, past_frames, network and objective."""
    window = 1 + (settings["past_frames"] if settings["encoder"] == "causal" else 0)
    sizes = {name: settings[name] for name in ("dim", "stack", "network", "objective")}
    return VAE(source_dim, window=window, **sizes)
