"""Mixture density network (seed 001 §2.4; Bishop 1994): an MLP over the flattened context, a diagonal Gaussian mixture
over the step."""

from torch import Tensor, nn

from latentdyn.distributions.gaussian_mixture import DiagonalGaussianMixture, mixture_nll, split_parameters
from latentdyn.predictors.base import TrainedPredictor


class MDN(TrainedPredictor):
    """K diagonal Gaussians over Δx in units of the training deltas' deviation; log sigma clamped there."""

    def __init__(
        self,
        dim: int,
        window_frames: int,
        *,
        n_components: int = 8,
        hidden_width: int = 1024,
        hidden_layers: int = 2,
        dropout: float = 0.0,
        log_sigma_min: float = -5.0,
        log_sigma_max: float = 3.0,
    ) -> None:
        super().__init__(dim, window_frames)
        self.head = (n_components, log_sigma_min, log_sigma_max)
        layers: list[nn.Module] = []
        width = window_frames * dim
        for _ in range(hidden_layers):
            layers += [nn.Linear(width, hidden_width), nn.GELU(), nn.Dropout(dropout)]
            width = hidden_width
        self.network = nn.Sequential(*layers, nn.Linear(width, n_components * (1 + 2 * dim)))

    def density(self, context: Tensor) -> DiagonalGaussianMixture:
        mixture = split_parameters(self.network(self.standardized(context)), *self.head)
        return DiagonalGaussianMixture(
            mixture.log_weights,
            self.delta_mean + self.delta_std * mixture.means,
            mixture.log_sigmas + self.delta_std.log(),
        )

    def nll(self, context: Tensor, delta: Tensor) -> Tensor:
        target = (delta - self.delta_mean) / self.delta_std
        return mixture_nll(self.network(self.standardized(context)), target, *self.head) + self.delta_std.log().sum()


PREDICTOR = MDN
