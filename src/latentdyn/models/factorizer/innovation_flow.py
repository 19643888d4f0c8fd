"""A law of any shape for the innovation of a state, by flow matching (seed 002 §4, option B).

It learns draws of the posterior q(u | x, z) of training frames given the stored state alone, in units of the prior:
w = (u - mean of p(u | z)) / deviation. The velocity begins as that of normals, so the flow begins as the prior itself
and learns what differs from it. A draw follows the velocity from a normal by the midpoint rule.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentdyn.models.factorizer.innovation import Gaussian
from latentdyn.models.factorizer.network import Factorizer
from latentdyn.predictors.flow_matching import Velocity

_LARGEST_GRADIENT = 1.0  # its norm; a larger one is cut


class InnovationFlow(nn.Module):
    """Draws of u given a stored state.

    Args:
        state_dim, dim: of the state and of the innovation. nfe: evaluations of the velocity for a draw, an even number.
        hidden_width: units of each of the velocity's two layers.
    """

    def __init__(self, state_dim: int, dim: int, nfe: int, hidden_width: int) -> None:
        super().__init__()
        self.steps = nfe // 2
        self.velocity = Velocity(dim, state_dim, hidden_width)

    def draw(self, stored: Tensor, prior: Gaussian, noise: torch.Generator) -> Tensor:
        """Innovations (1, T, r) of stored states (T, d) and their prior (1, T, r)."""
        w, h = torch.randn(prior.mean.shape[1:], generator=noise), 1 / self.steps
        for i in range(self.steps):
            slope = self.velocity.in_units(w, w.new_full((len(w), 1), i * h), stored)
            halfway = w.new_full((len(w), 1), (i + 0.5) * h)
            w = w + h * self.velocity.in_units(w + h / 2 * slope, halfway, stored)
        return prior.mean + (0.5 * prior.log_variance).exp() * w


def fit_flow(
    flow: InnovationFlow, model: Factorizer, frames: Tensor, states: Tensor, *, steps: int, batch_size: int,
    learning_rate: float, noise: torch.Generator,
) -> None:  # fmt: skip
    """Fit a flow by Adam, its learning rate falling to 0 along half a cosine.

    Args:
        frames: (n, D) of training speakers, in principal axes and deviations. states: (n, d), theirs, as the encoder
            gives them.
    """
    parameters = list(flow.parameters())
    optimizer = torch.optim.Adam(parameters, learning_rate)
    with torch.no_grad():
        posterior = model.innovation.posterior(frames[None], states[None])
        prior = model.innovation.prior(states[None])
        stored = model.stored(states)
    for step in range(steps):
        rows = torch.randint(len(frames), (batch_size,), generator=noise)
        q, p = (Gaussian(of.mean[:, rows], of.log_variance[:, rows]) for of in (posterior, prior))
        y = ((q.sample(noise) - p.mean) * (-0.5 * p.log_variance).exp())[0]
        s, z = torch.rand(len(y), 1, generator=noise), torch.randn(y.shape, generator=noise)
        loss = F.mse_loss(flow.velocity((1 - s) * z + s * y, s, stored[rows]), y - z)
        optimizer.param_groups[0]["lr"] = learning_rate * 0.5 * (1 + math.cos(math.pi * step / steps))
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)
        optimizer.step()
