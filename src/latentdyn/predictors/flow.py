"""Normalising flow conditioned on the context (Papamakarios et al. 2017; Durkan et al. 2019): a density of any shape.

In a coupling layer, one half of the dimensions goes through monotone maps that depend on the context. The other half
goes through maps that depend on the first half too. The halves change roles in the next layer. So a draw costs as much
as a log-likelihood: two passes of each layer.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.distributions import Normal
from zuko.flows import MAF, NSF
from zuko.transforms import ComposedTransform

from latentdyn.distributions.pushed import Pushed
from latentdyn.predictors.located_predictor import LocatedPredictor
from latentdyn.predictors.reading import Context
from latentdyn.predictors.target_axes import TargetAxes


@dataclass(frozen=True)
class FlowDensity(Pushed):
    """The density of Δx for which transform(standardised Δx - offset) is a standard normal, for each of `rows` rows.

    It has no mean in closed form (see Pushed).
    """

    transform: ComposedTransform
    target: TargetAxes
    rows: int
    mean_samples: int
    offset: Tensor | None

    def log_prob(self, x: Tensor) -> Tensor:
        """Log-density (B,) in nats at x (B, D)."""
        u = x if self.offset is None else x - self.offset
        z, log_det = self.transform.call_and_ladj(self.target.standardized(u))
        log_prob: Tensor = Normal(0, 1).log_prob(z).sum(-1) + log_det - self.target.log_volume()
        return log_prob

    def like(self) -> Tensor:
        return self.target.mean

    def push(self, z: Tensor) -> Tensor:
        u = self.target.natural(self.transform.inv(z))
        return u if self.offset is None else u + self.offset


class Flow(LocatedPredictor):
    """A flow over Δx in the axes and units of its target, conditioned on `features` numbers from a network.

    Args:
        univariate: the monotone maps: `affine`, or `spline`. A spline is rational-quadratic, with 8 bins from -5 to 5
            deviations. Beyond it is the identity, so the tails are Gaussian.
        transforms: coupling layers.
        hidden_width, hidden_layers: of the network within each coupling layer.
        features: outputs of the context network, which every layer reads.
        mean_samples: number of draws that a mean averages, in pairs (an odd number is rounded up).
        located: target, axes, skip and network (see LocatedPredictor).
    """

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        univariate: str,
        transforms: int,
        hidden_width: int,
        hidden_layers: int,
        features: int,
        mean_samples: int,
        **located: Any,
    ) -> None:
        super().__init__(dim, window_frames, features, **located)
        self.mean_samples = mean_samples
        flow = {"affine": MAF, "spline": NSF}[univariate]
        hidden = [hidden_width] * hidden_layers
        self.flow = flow(dim, features, transforms=transforms, passes=2, hidden_features=hidden).transform

    def density(self, context: Context) -> FlowDensity:
        return FlowDensity(
            self.flow(self.outputs(context)), self.target, len(context), self.mean_samples, self.offset(context)
        )


PREDICTOR = Flow
