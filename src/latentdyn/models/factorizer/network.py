"""The whole factorizer: its parts, the units of its frames, and the coordinates of its state.

The state that is stored has mean 0 and covariance I over the training frames, exactly: the encoder's own coordinates
are mapped to it once, when training is over. No part depends on that map.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.models.factorizer.dynamics import Dynamics, FutureHeads
from latentdyn.models.factorizer.innovation import Gaussian, Innovation
from latentdyn.models.factorizer.objective import Seen, innovation_cost, see
from latentdyn.models.factorizer.reconstructor import Reconstructor
from latentdyn.models.factorizer.state_encoder import StateEncoder
from latentdyn.models.sequences import RepresentationModel

HEALTH = (
    "kl_nats", "rate_nats", "efficiency", "swap_ratio", "clamped", "effective_rank", "state_information",
    "window_information", "dynamics_skill", "nll", "window_nll", "leaks", "dynamics_mse", "state_variance",
    "prior_over_posterior",
)  # fmt: skip
# innovations (1, T, r) of stored states (T, d) and their prior
Draw = Callable[[Tensor, Gaussian], Tensor]
_LEAST_VARIANCE = 1e-6  # of the state's largest: a direction below it is not blown up


class Frames(NamedTuple):
    """Of the training frames, float64: y = (x - centre) @ axes / scale has covariances λ_i, whose mean is 1.

    window_nll: of a frame by the best line of the W before it, in nats of the source's own units. window_information:
    what that line tells of it, in nats.
    """

    centre: Tensor
    axes: Tensor
    scale: Tensor
    window_nll: Tensor
    window_information: Tensor


class Factorizer(RepresentationModel):
    """All that is trained, and all that is known of the data.

    Args:
        source_dim: D. settings: of the model, as its section of the config has them.

    Attributes:
        centre, axes, scale, window_nll, window_information: as of `Frames`. state_mean (d,), state_whitening (d, d),
            state_colouring: its inverse.

    Raises:
        UserError: the state has more dimensions than the last W frames have numbers, or the innovation than a frame.
    """

    health_names, rate_names = HEALTH, ("kl", "rate")
    centre: Tensor
    axes: Tensor
    scale: Tensor
    window_nll: Tensor
    window_information: Tensor
    state_mean: Tensor
    state_whitening: Tensor
    state_colouring: Tensor

    def __init__(self, source_dim: int, settings: dict[str, Any]) -> None:
        super().__init__()
        innovation, network, dim = settings["innovation"], settings["network"], settings["dim"]
        r = source_dim if innovation["dim"] is None else innovation["dim"]
        _check_size("dim", dim, settings["window_frames"] * source_dim, f"{settings['window_frames']} frames")
        _check_size("innovation.dim", r, source_dim, "a frame")
        self.source_dim, self.dim, self.settings = source_dim, dim, settings
        self.strict = settings["timing"] == "strict"
        self.rollout: dict[str, Any] | None = settings["dynamics"].get("rollout")
        of_frames = {"centre": (source_dim,), "axes": (source_dim, source_dim), "scale": (), "window_nll": (),
                     "window_information": ()}  # fmt: skip
        for name, shape in of_frames.items():
            self.register_buffer(name, torch.ones(shape))
        self.register_buffer("state_mean", torch.zeros(dim))
        self.register_buffer("state_whitening", torch.eye(dim))
        self.register_buffer("state_colouring", torch.eye(dim))
        self.encoder = StateEncoder(source_dim, dim, settings["window_frames"], settings["encoder"])
        self.innovation = Innovation(source_dim, dim, r, innovation["prior"], network)
        self.reconstructor = Reconstructor(source_dim, dim, r, network=network, **settings["reconstructor"])
        of_loss = ("weight", "rollout")
        self.dynamics = Dynamics(dim, **{k: v for k, v in settings["dynamics"].items() if k not in of_loss})
        self.future = FutureHeads(source_dim, dim, settings["future"]["horizons"], settings["future"]["network"])

    def set_frames(self, frames: Frames) -> None:
        """Take what is known of the training frames."""
        for name, value in frames._asdict().items():
            self.get_buffer(name).copy_(value)

    # ------------------------------------------------------------------------------------------------ coordinates

    def deviations(self, frames: Tensor) -> Tensor:
        """Frames (..., D) of the source in principal axes, in root mean square deviations."""
        return (frames - self.centre) @ self.axes / self.scale

    def frames_of(self, deviations: Tensor) -> Tensor:
        """The way back."""
        return self.scale * deviations @ self.axes.T + self.centre

    def whiten(self, mean: Tensor, covariance: Tensor) -> None:
        """Take the moments of the encoder's states over the training frames, float64."""
        values, vectors = torch.linalg.eigh(covariance)
        std = values.clamp_min(_LEAST_VARIANCE * values[-1].clamp_min(torch.finfo(torch.float32).tiny)).sqrt()
        self.state_mean.copy_(mean)
        self.state_whitening.copy_(vectors / std)
        self.state_colouring.copy_((vectors * std).T)

    def stored(self, states: Tensor) -> Tensor:
        """States as they are stored, for those of the encoder (..., d)."""
        return (states - self.state_mean) @ self.state_whitening

    def rebuilt(self, stored: Tensor, draw: Draw | None = None) -> Tensor:
        """Frames of the source (T, D) from stored states (T, d) alone: g(z, u), without the noise σ of the frames.

        A strict state rebuilds the frame after it, so that the first frame is the mean.

        Args:
            draw: of the innovation; None takes the mean of its prior.
        """
        states = (stored @ self.state_colouring + self.state_mean)[None]
        prior = self.innovation.prior(states)
        frames = self.reconstructor(states, prior.mean if draw is None else draw(stored, prior))[0]
        if self.strict:
            frames = torch.cat([torch.zeros_like(frames[:1]), frames[:-1]])
        return self.frames_of(frames)

    # --------------------------------------------------------------------------------------------------- training

    def see(self, frames: Tensor, noise: torch.Generator) -> Seen:
        """What becomes of frames (B, W + T, D) of the source: of the T last, since the first W are only read."""
        first = self.encoder.window_frames
        deviations = self.deviations(frames)
        states = self.encoder(deviations)
        mine = states[:, first - 1 : -1] if self.strict else states[:, first:]
        seen = see(self.innovation, self.settings["innovation"], deviations[:, first:], mine, noise)
        if self.rollout is not None and self.rollout["innovation"] == "sample":
            seen = replace(seen, noise=torch.randn(seen.drawn.shape, generator=noise, device=frames.device))
        return seen

    def loss(self, seen: Seen, step: int | None) -> Tensor:
        """The loss in nats of a frame over its D numbers, at a step of the training; None: after every warm-up."""
        weight, ahead = self.settings["dynamics"]["weight"], self.settings["future"]["weight"]
        warmup = self.settings["innovation"]["beta_warmup_steps"]
        share = 1.0 if step is None else min(1.0, (step + 1) / max(warmup, 1))
        loss = self.reconstructor.nll(seen.frames, self.reconstructor(seen.states, seen.used)).mean()
        loss = loss + share * innovation_cost(seen, self.settings["innovation"])
        forecasts = self.dynamics.cost(seen.states.detach())
        loss = loss + forecasts - forecasts.detach()  # they are learned whatever the weight, and count for nothing
        if weight:
            loss = loss + weight * self.dynamics.cost(seen.states)
        if ahead:
            loss = loss + ahead * self.future.cost(seen.states, seen.frames)
        if self.rollout is not None:
            error = self.rolled_errors(seen, rolled_steps(self.rollout, step))
            loss = loss + self.rollout["weight"] * 0.5 * error.square().sum(3).mean()
        return loss / self.source_dim

    def rolled_errors(self, seen: Seen, steps: int) -> Tensor:
        """Frames less those that rollouts of so many steps are rebuilt as, (B, T - W - H + 1, H, D) in deviations."""
        states = self.dynamics.rolled(seen.states, steps)
        starts, flat = states.shape[1], states.flatten(0, 1)
        prior = self.innovation.prior(flat)
        places = torch.arange(starts, device=flat.device)[:, None] + torch.arange(steps, device=flat.device)
        places = places + self.dynamics.window_frames
        used = prior.mean
        if seen.noise is not None:
            used = used + (0.5 * prior.log_variance).exp() * seen.noise[:, places].flatten(0, 1)
        return seen.frames[:, places] - self.reconstructor(flat, used).unflatten(0, states.shape[:2])


def rolled_steps(rollout: dict[str, Any], step: int | None) -> int:
    """Steps of a rollout at a step of the training; None: in the end."""
    first, last, grow = rollout["first_horizon"], rollout["horizon"], rollout["grow_steps"]
    share = 1.0 if step is None or not grow else min(1.0, step / grow)
    return first + int(share * (last - first))


def build_factorizer(settings: dict[str, Any], source_dim: int) -> Factorizer:
    """A fresh model of these settings."""
    return Factorizer(source_dim, settings)


def _check_size(name: str, size: int, most: int, of: str) -> None:
    if size > most:
        raise UserError(
            f"{name} is {size}, above the {most} numbers of {of} of the source",
            f"{name} of the representation",
            f"set it to {most} or less",
        )
