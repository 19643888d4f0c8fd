"""The encoder and the decoder of a beta-VAE, and where its training starts.

A latent z_t stands for `stack` consecutive frames of the source. Frames are in deviations of the training frames, so
the reconstruction weighs all dimensions alike. Encoder and decoder are each a line plus a network whose output begins
at 0. The lines begin as the best linear beta-VAE, which is known in closed form (Tipping & Bishop 1999; Lucas et al.
2019): along the principal axis of variance λ of the stacked frames,

    q(z | x) = N(sqrt(λ - β)/λ u·x, β/λ)        x̂ = Σ sqrt(λ - β) z u        KL = ½ ln(λ/β)

So training starts where principal components are, and what it gains beyond them is what the curve shows. Where errors
are measured by a metric G, all this holds of G^½ x.

The last `static_dim` dimensions of a latent may be what is known of a vector that stays for the utterance
(models.vae.static_part). The decoder reads it beside the rest. The encoder of the rest reads what the decoder's line
leaves of the frames: so what stays need not be said again by each latent.
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
    Posterior,
    Seen,
    build,
)
from latentdyn.models.vae.reconstructions import RECONSTRUCTIONS, FramesReconstruction
from latentdyn.models.vae.static_part import Halves, StaticPart, staying

HEALTH = ("reconstruction_r2", "kl_nats", "innovation_nats", "effective_rank", "dead_dims")
STATIC_HEALTH = ("static_nats", "static_swap_r2")
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
        source_dim: D of the source. dim: d, with the dimensions that stay. window: stacks that the encoder reads, its
            own the last. static_dim: dimensions that stay, the last ones.

    Attributes:
        frame_mean, frame_std: (D,) of the training frames. moving_dim: dimensions that do not stay. static: what tells
            those that stay; None if all move.

    Raises:
        UserError: d is above the numbers that a latent stands for.
    """

    health_names, rate_names = HEALTH, ("kl", "innovation")
    frame_mean: Tensor
    frame_std: Tensor
    reconstruction: FramesReconstruction

    def __init__(
        self, source_dim: int, dim: int, stack: int, window: int, static_dim: int, network: dict[str, Any],
        objective: dict[str, Any],
    ) -> None:  # fmt: skip
        of_static = STATIC_HEALTH if static_dim else ()
        super().__init__(of_static + RECONSTRUCTIONS[objective["reconstruction"]["kind"]].health_names)
        self.source_dim, self.dim, self.stack, self.window = source_dim, dim, stack, window
        self.moving_dim = moving = dim - static_dim
        numbers = stack * source_dim
        if dim > numbers:
            raise UserError(
                f"latents of {dim} dimensions are more than the {numbers} numbers of {stack} frames of the source",
                "dim and stack of the representation",
                f"set dim to {numbers} or less",
            )
        self.register_buffer("frame_mean", torch.zeros(source_dim))
        self.register_buffer("frame_std", torch.ones(source_dim))
        self.encoder_line, self.decoder_line = nn.Linear(numbers, moving), nn.Linear(dim, numbers)
        self.log_variance = nn.Parameter(torch.zeros(moving))
        self.encoder = FromZero(network, source_dim, window * stack, 2 * moving)
        self.decoder = FromZero(network, dim, 1, numbers)
        self.reconstruction = build(RECONSTRUCTIONS, objective["reconstruction"])
        self.prior = build(PRIORS, objective["prior"], moving)
        self.terms = nn.ModuleList(build(TERMS, term, moving) for term in objective["terms"])
        self.weights = [term["weight"] for term in objective["terms"]]
        self.static = StaticPart(source_dim, stack, static_dim, network) if static_dim else None

    def set_start(self, moments: Moments, beta: float, halves: Halves | None = None) -> None:
        """Take the moments of the training frames, and begin as the best linear beta-VAE in the metric of errors.

        What stays begins as the directions in which sequences differ most; the rest is a beta-VAE of what is left then.

        Args:
            halves: of training sequences of stacked frames, in deviations, where something stays.
        """
        covariance, root = moments.covariance, self.reconstruction.root
        root = torch.eye(len(covariance)).to(covariance) if root is None else root.to(covariance)
        covariance = root @ covariance @ root
        columns = []
        if self.static is not None:
            assert halves is not None
            in_metric = Halves(halves.first @ root, halves.second @ root, halves.n_latents)
            stays = staying(in_metric, self.dim - self.moving_dim)
            scale = stays.variances.sqrt()
            self.static.start((stays.axes / scale).T @ root, moments.mean, stays.precision)
            columns.append(stays.axes * scale)
            covariance = covariance - columns[0] @ columns[0].T
        variances, axes = torch.linalg.eigh(covariance)
        variances = variances.flip(0)[: self.moving_dim].clamp_min(_LEAST_VARIANCE)
        axes = axes.flip(1)[:, : self.moving_dim]
        out = torch.maximum(variances - beta, _LEAST_WEIGHT * variances).sqrt()
        into = (axes * (out / variances)).T @ root
        with torch.no_grad():
            self.frame_mean.copy_(moments.frame_mean)
            self.frame_std.copy_(moments.frame_std)
            self.encoder_line.weight.copy_(into)
            self.encoder_line.bias.copy_(-into @ moments.mean)
            self.decoder_line.weight.copy_(torch.linalg.solve(root, torch.cat([axes * out, *columns], 1)))
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
        """Mean and log variance (B, T, d) of q(z | x) for (B, T, stack D), without what stays, in z and in the frames.

        Before a sequence, frames are the mean.
        """
        past = F.pad(stacked, (0, 0, self.window - 1, 0)).unfold(1, self.window, 1).transpose(2, 3)
        context = past.reshape(-1, self.window * self.stack, self.source_dim)
        mean, log_variance = self.encoder(context).unflatten(0, stacked.shape[:2]).chunk(2, dim=2)
        log_variance = (self.log_variance + log_variance).clamp(LOG_VARIANCE_MIN, LOG_VARIANCE_MAX)
        return self.encoder_line(stacked) + mean, log_variance

    def infer(self, stacked: Tensor, noise: torch.Generator | None) -> tuple[Posterior, Posterior | None]:
        """Of (B, T, stack D) what moves, and what stays as each latent knows it; drawn by `noise`, or the means."""
        static = None if self.static is None else self.static(stacked, noise)
        if static is not None:
            stacked = stacked - static.z @ self.decoder_line.weight[:, self.moving_dim :].T
        mean, log_variance = self.encode(stacked)
        if noise is None:
            return Posterior(mean, log_variance, mean), static
        draw = torch.randn(mean.shape, generator=noise, device=mean.device)
        return Posterior(mean, log_variance, mean + (0.5 * log_variance).exp() * draw), static

    def latents(self, stacked: Tensor, noise: torch.Generator | None) -> Tensor:
        """Whole latents (B, T, d) of (B, T, stack D): what moves, then what stays; drawn by `noise`, or the means."""
        moving, static = self.infer(stacked, noise)
        return joined(moving.z, static and static.z)

    def decode(self, z: Tensor) -> Tensor:
        """(..., stack D) in deviations, for whole latents (..., d)."""
        beside = self.decoder(z.reshape(-1, 1, self.dim)).reshape(*z.shape[:-1], self.stack * self.source_dim)
        return self.decoder_line(z) + beside

    def decoder_weights(self) -> dict[str, Tensor] | None:
        """Weights of the codec's decoder that were trained with the rest; None: the codec's own decode."""
        own = getattr(self.reconstruction, "decoder_weights", None)
        return None if own is None else {name: value.detach() for name, value in own.by_name().items()}

    def see(self, frames: Tensor, noise: torch.Generator) -> Seen:
        """What becomes of frames (B, T stack, D) of the source, with latents drawn by `noise`."""
        stacked = self.stacked(frames)
        moving, static = self.infer(stacked, noise)

        def decode(z: Tensor, first: int) -> Tensor:
            return self.decode(joined(z, None if static is None else static.z[:, first : first + z.shape[1]]))

        return Seen(stacked, *moving, decode(moving.z, 0), decode, noise, static)

    def loss(self, seen: Seen, beta: float) -> Tensor:
        """Reconstruction + β cost by the prior + weighted terms: nats of a latent, over the numbers that it stands for.

        Divided so, gradients are of one size whatever the source's dimension.
        """
        loss: Tensor = (self.reconstruction(seen) + beta * self.prior(seen)).mean()
        for weight, term in zip(self.weights, self.terms, strict=True):
            loss = loss + weight * term(seen)
        if seen.static is not None:
            loss = loss + beta * seen.static_nats().mean() / seen.frames.shape[1]
        return loss / seen.frames.shape[2]


def joined(moving: Tensor, static: Tensor | None) -> Tensor:
    """What moves and what stays as latents (B, T, d)."""
    return moving if static is None else torch.cat([moving, static], dim=2)


def build_vae(settings: dict[str, Any], source_dim: int) -> VAE:
    """A fresh model of the sizes and terms in `settings`: dim, stack, encoder, past_frames, network and objective, and
    static_dim where something stays."""
    window = 1 + (settings["past_frames"] if settings["encoder"] == "causal" else 0)
    sizes = {name: settings[name] for name in ("dim", "stack", "network", "objective")}
    return VAE(source_dim, window=window, static_dim=settings.get("static_dim", 0), **sizes)
