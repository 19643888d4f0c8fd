"""What a factorizer is trained for, of a batch that it has seen.

    L = E_q[-ln N(x_t; g(z_t, u_t), σ²)] + β KL(q ‖ p) + dynamics + future + rollout        nats a frame

At β = 1 the first two terms bound the NLL of a frame given those before it (Kingma & Welling 2014), if the state is
read off those alone (timing `strict`).
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentdyn.models.factorizer.innovation import Gaussian, Innovation, kl


@dataclass(frozen=True)
class Seen:
    """A batch as the model sees it: B sequences of T frames.

    frames: (B, T, D), in principal axes and deviations. states: (B, T, d), those of these frames, as the encoder gives
    them. posterior, prior: of the innovation. drawn: (B, T, r), of the posterior. redrawn: the same, of the prior.
    used: what frames are rebuilt from while training: `drawn`, but `redrawn` where a setting says so. noise: (B, T, r)
    standard normals, of the innovation that a rollout's frame at each place has; None where it has the mean.
    """

    frames: Tensor
    states: Tensor
    posterior: Gaussian
    prior: Gaussian
    drawn: Tensor
    redrawn: Tensor
    used: Tensor
    noise: Tensor | None = None


def see(
    innovation: Innovation, settings: dict[str, Any], frames: Tensor, states: Tensor, noise: torch.Generator
) -> Seen:
    """Draw innovations of frames and their states.

    Args:
        settings: the section `innovation`.
    """
    posterior = innovation.posterior(frames, states)
    prior = innovation.prior(states.detach() if settings["stop_gradient"] else states)
    drawn, redrawn = posterior.sample(noise), prior.sample(noise)
    batch, length, dim = drawn.shape
    of_frames = torch.rand(batch, length, 1, generator=noise, device=frames.device) < settings["prior_sample_prob"]
    of_channels = torch.rand(batch, 1, dim, generator=noise, device=frames.device) < settings["channel_dropout"]
    used = torch.where(of_frames | of_channels, redrawn, drawn)
    return Seen(frames, states, posterior, prior, drawn, redrawn, used)


def innovation_cost(seen: Seen, settings: dict[str, Any]) -> Tensor:
    """What innovations cost, the mean over a batch in nats a frame, weighted.

    Args:
        settings: the section `innovation`.
    """
    q, p = seen.posterior, seen.prior
    if (share := settings["balance"]) is None:
        cost = kl(q, p)
    else:  # the value is the same (Hafner et al. 2021, eq. 2)
        cost = share * kl(q.detach(), p) + (1 - share) * kl(q, p.detach())
    nats = cost.sum(2)
    if settings["target_nats"] is not None:
        return torch.mul(settings["target_weight"], (nats.mean() - settings["target_nats"]).abs())
    return torch.mul(settings["beta"], nats.clamp_min(settings["free_nats"]).mean())
