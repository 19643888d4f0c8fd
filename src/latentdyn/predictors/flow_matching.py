"""A head by flow matching (Lipman et al. 2023; Liu et al. 2023): a velocity carries normals to steps.

On the line y_s = (1-s) z + s y from a normal z to a step y (standardised, in the axes of the target), the velocity is
y - z. A network learns its mean given y_s, s and the context, by least squares. A draw follows it from s = 0 to 1, in
`nfe` evaluations.

If y were N(0, I), y_s would have the deviation r(s) = √(s² + (1-s)²), and the velocity would be y_s r'/r. The network
adds to that, and begins at 0: so with principal axes and a linear skip, training starts from `linear_gaussian` with its
full covariance. Paths are followed in units of r, where this part of the velocity is 0. So it costs no steps.

The likelihood is that of the probability-flow ODE (Chen et al. 2018) in these units: ln p(y) = ln N(z) - ∫ div ds, back
along the path of y. The divergence is exact (see conditioned_mlp). The integral is by the midpoint rule: its error
falls with the square of the number of steps. `coarser` is the same density by half as many, to see how large it is.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from latentdyn.distributions.density import Density
from latentdyn.distributions.pushed import Pushed
from latentdyn.predictors.conditioned_mlp import ConditionedMLP
from latentdyn.predictors.located_predictor import LocatedPredictor
from latentdyn.predictors.reading import Context
from latentdyn.predictors.target_axes import TargetAxes
from latentdyn.seeds import torch_generator

_TIMES = 5  # numbers that tell s


class Velocity(nn.Module):
    """dy/ds, given s (B, 1) and features (B, F) of the context; and in units of r(s)."""

    def __init__(self, dim: int, features: int, width: int) -> None:
        super().__init__()
        self.rest = ConditionedMLP(dim, features + _TIMES, width)

    def forward(self, y: Tensor, s: Tensor, features: Tensor) -> Tensor:
        """dy/ds at y (B, D)."""
        added: Tensor = self.rest(y, _conditions(s, features))
        return y * (2 * s - 1) / _size(s).square() + added

    def in_units(self, w: Tensor, s: Tensor, features: Tensor) -> Tensor:
        """dw/ds at w = y / r (B, D)."""
        added: Tensor = self.rest(w * _size(s), _conditions(s, features))
        return added / _size(s)

    def in_units_with_divergence(self, w: Tensor, s: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and its divergence (B,)."""
        added, divergence = self.rest.with_divergence(w * _size(s), _conditions(s, features))
        return added / _size(s), divergence


def _size(s: Tensor) -> Tensor:
    """r(s): the deviation of y_s where y is N(0, I); 1 at both ends."""
    return (s.square() + (1 - s).square()).sqrt()


def _conditions(s: Tensor, features: Tensor) -> Tensor:
    waves = [f(n * math.pi * s) for n in (1, 2) for f in (torch.sin, torch.cos)]
    return torch.cat([features, s, *waves], dim=1)


@dataclass(frozen=True)
class FlowMatchingDensity(Pushed):
    """The law of Δx that the velocity makes of normals, for each row of features (B, F); it has no mean in closed form.

    steps, midpoint: of draws, by Euler's rule or the midpoint rule. likelihood_steps: of likelihoods.
    """

    velocity: Velocity
    features: Tensor
    target: TargetAxes
    offset: Tensor | None
    steps: int
    midpoint: bool
    likelihood_steps: int
    mean_samples: int

    @property
    def rows(self) -> int:  # type: ignore[override]
        return len(self.features)

    def like(self) -> Tensor:
        return self.target.mean

    def push(self, z: Tensor) -> Tensor:
        w, h = z, 1 / self.steps
        for i in range(self.steps):
            slope = self.velocity.in_units(w, self._at(i * h), self.features)
            if self.midpoint:
                slope = self.velocity.in_units(w + h / 2 * slope, self._at((i + 0.5) * h), self.features)
            w = w + h * slope
        u = self.target.natural(w)
        return u if self.offset is None else u + self.offset

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D), by `likelihood_steps` midpoint steps of the ODE."""
        w, h = self.standardized(x), 1 / self.likelihood_steps
        change = w.new_zeros(len(w))
        for i in range(self.likelihood_steps, 0, -1):
            halfway = w - h / 2 * self.velocity.in_units(w, self._at(i * h), self.features)
            slope, divergence = self.velocity.in_units_with_divergence(halfway, self._at((i - 0.5) * h), self.features)
            w, change = w - h * slope, change + h * divergence
        log_prob: Tensor = Normal(0, 1).log_prob(w).sum(1) - change - self.target.log_volume()
        return log_prob

    def coarser(self) -> Density:
        return replace(self, likelihood_steps=max(1, self.likelihood_steps // 2))

    def standardized(self, x: Tensor) -> Tensor:
        """Δx (B, D) -> y."""
        return self.target.standardized(x if self.offset is None else x - self.offset)

    def _at(self, s: float) -> Tensor:
        return self.features.new_full((self.rows, 1), s)


class FlowMatching(LocatedPredictor):
    """A velocity over Δx in the axes and units of its target, conditioned on `features` numbers from a network.

    Args:
        solver: of draws, `euler` or `midpoint`. nfe: evaluations of the velocity for a draw, even for `midpoint`.
        likelihood_steps: of the ODE. hidden_width: of the velocity's two layers. features: outputs of the network.
        mean_samples: draws that a mean averages. located: target, axes, skip and network (see LocatedPredictor).
    """

    trains_likelihood = False

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        solver: str,
        nfe: int,
        likelihood_steps: int,
        hidden_width: int,
        features: int,
        mean_samples: int,
        **located: Any,
    ) -> None:
        super().__init__(dim, window_frames, features, **located)
        self.midpoint, self.steps = solver == "midpoint", nfe // 2 if solver == "midpoint" else nfe
        self.likelihood_steps, self.mean_samples = likelihood_steps, mean_samples
        self.velocity = Velocity(dim, features, hidden_width)

    def density(self, context: Context) -> FlowMatchingDensity:
        return FlowMatchingDensity(
            self.velocity, self.outputs(context), self.target, self.offset(context), self.steps, self.midpoint,
            self.likelihood_steps, self.mean_samples,
        )  # fmt: skip

    def loss_under(self, density: Density, delta: Tensor) -> Tensor:
        """The squared error of the velocity, (B,), a dimension, at one point of a line that is drawn for each row."""
        assert isinstance(density, FlowMatchingDensity)
        y = density.standardized(delta)
        generator = None if self.training else torch_generator("flow matching", "held out", device=y.device)
        s = torch.rand(len(y), 1, generator=generator, device=y.device, dtype=y.dtype)
        z = torch.randn(y.shape, generator=generator, device=y.device, dtype=y.dtype)
        velocity: Tensor = self.velocity((1 - s) * z + s * y, s, density.features)
        return (velocity - (y - z)).square().mean(dim=1)


PREDICTOR = FlowMatching
