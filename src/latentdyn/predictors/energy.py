"""A head that draws in one step, trained by the energy score of its draws (Gneiting & Raftery 2007, eq. 21).

    y = z + g(z, features of the context), z ~ N(0, I)        y: Δx, standardised, in the axes of the target

The score of m draws is smallest, on average, for the law of the data, and it needs draws alone: so this head has no
likelihood. g begins at 0: with principal axes and a linear skip, training starts from `linear_gaussian`.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latentdyn.distributions.density import Density
from latentdyn.distributions.pushed import Pushed
from latentdyn.predictors.conditioned_mlp import ConditionedMLP
from latentdyn.predictors.located_predictor import LocatedPredictor
from latentdyn.predictors.reading import Context
from latentdyn.predictors.target_axes import TargetAxes
from latentdyn.seeds import torch_generator


@dataclass(frozen=True)
class OneStepDensity(Pushed):
    """The law of Δx that one evaluation of the map makes of normals, for each row of features (B, F)."""

    map: ConditionedMLP
    features: Tensor
    target: TargetAxes
    offset: Tensor | None
    mean_samples: int

    @property
    def rows(self) -> int:  # type: ignore[override]
        return len(self.features)

    def like(self) -> Tensor:
        return self.target.mean

    def push(self, z: Tensor) -> Tensor:
        u = self.target.natural(z + self.map(z, self.features))
        return u if self.offset is None else u + self.offset


class EnergyTrained(LocatedPredictor):
    """A map from normals to Δx, conditioned on `features` numbers from a network.

    Args:
        draws: m, of each context in training. hidden_width: of the map's two layers. features: outputs of the network.
        mean_samples: draws that a mean averages. located: target, axes, skip and network (see LocatedPredictor).
    """

    trains_likelihood = False

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        draws: int,
        hidden_width: int,
        features: int,
        mean_samples: int,
        **located: Any,
    ) -> None:
        super().__init__(dim, window_frames, features, **located)
        self.draws, self.mean_samples = draws, mean_samples
        self.map = ConditionedMLP(dim, features, hidden_width)

    def density(self, context: Context) -> OneStepDensity:
        return OneStepDensity(self.map, self.outputs(context), self.target, self.offset(context), self.mean_samples)

    def loss_under(self, density: Density, delta: Tensor) -> Tensor:
        """The energy score of `draws` draws, (B,), in the standardised units of the target."""
        assert isinstance(density, OneStepDensity)
        y = self.target.standardized(delta if density.offset is None else delta - density.offset)
        generator = None if self.training else torch_generator("energy", "held out", device=y.device)
        z = torch.randn(len(y), self.draws, y.shape[1], generator=generator, device=y.device, dtype=y.dtype)
        features = density.features.repeat_interleave(self.draws, dim=0)
        drawn = (z.flatten(0, 1) + self.map(z.flatten(0, 1), features)).view_as(z)
        apart = [(drawn[:, i] - drawn[:, j]).norm(dim=1) for i in range(self.draws) for j in range(i)]
        score: Tensor = (drawn - y[:, None]).norm(dim=2).mean(dim=1) - torch.stack(apart).mean(dim=0) / 2
        return score


PREDICTOR = EnergyTrained
