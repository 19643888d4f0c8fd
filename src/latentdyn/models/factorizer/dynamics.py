"""What the state tells of its next one, and of later frames."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.models.factorizer.reconstructor import at_bounds
from latentdyn.models.from_zero import FromZero

LOG_SIGMA_MIN, LOG_SIGMA_MAX = -3.0, 2.0
_RIDGE = 1e-3  # of each variance of a batch: so no determinant is 0, and no direction is worth more than 3.5 nats


class Dynamics(nn.Module):
    """Forecasts of z_{t+1}: a line of z_t plus a network of the last states.

    Args:
        likelihood: how forecasts are judged.
            `whitened`  ½ ln det Q - ½ ln det S, of errors (Q) and of states (S) in the batch: neither a scale nor a
                        mixing of the state changes it
            `fixed`     -ln N(z_{t+1}; forecast, I): a small state cheats it (seed 000 §4.3, its own choice)
            `learned`   the same with trained deviations: a small state and small deviations cheat it without end but
                        for their bound (seed 000 §4.3, failure A)
    """

    def __init__(self, dim: int, likelihood: str, window_frames: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.likelihood, self.window_frames = likelihood, window_frames
        self.line = nn.Linear(dim, dim)
        self.beside = FromZero(network, dim, window_frames, dim)
        self.log_sigma = nn.Parameter(torch.zeros(dim), requires_grad=likelihood == "learned")

    def forward(self, states: Tensor) -> Tensor:
        """Forecasts (B, T - W, d) of states (B, T, d) from the one after the first W on."""
        w = self.window_frames
        windows = states.unfold(1, w, 1).transpose(2, 3)[:, :-1]
        beside = self.beside(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        forecasts: Tensor = self.line(states[:, w - 1 : -1]) + beside
        return forecasts

    def rolled(self, states: Tensor, steps: int) -> Tensor:
        """Forecasts (B, T - W - H + 1, H, d) that go on from themselves for H steps.

        Row i follows the W states of (B, T, d) from i on, and no later ones.
        """
        w = self.window_frames
        windows = states.unfold(1, w, 1).transpose(2, 3)[:, : states.shape[1] - w - steps + 1]
        found = []
        for _ in range(steps):
            beside = self.beside(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
            found.append(self.line(windows[:, :, -1]) + beside)
            windows = torch.cat([windows[:, :, 1:], found[-1][:, :, None]], dim=2)
        return torch.stack(found, dim=2)

    def cost(self, states: Tensor) -> Tensor:
        """The mean over a batch, in nats a state."""
        truth = states[:, self.window_frames :]
        error = truth - self(states)
        if self.likelihood == "whitened":
            return _log_det_gain(error.flatten(0, 1), truth.flatten(0, 1)).to(states.dtype)
        log_sigma = self.log_sigma.clamp(LOG_SIGMA_MIN, LOG_SIGMA_MAX)
        square = (error * (-log_sigma).exp()).square()
        return (0.5 * square + log_sigma + 0.5 * math.log(2 * math.pi)).sum(2).mean()

    def clamped(self) -> int:
        """How many trained deviations are at a bound."""
        return at_bounds(self.log_sigma, LOG_SIGMA_MIN, LOG_SIGMA_MAX) if self.likelihood == "learned" else 0


class FutureHeads(nn.Module):
    """Forecasts of x_{t+h} from z_t alone: a line plus a network for each horizon h."""

    def __init__(self, source_dim: int, dim: int, horizons: Sequence[int], network: dict[str, Any]) -> None:
        super().__init__()
        self.horizons = horizons
        self.lines = nn.ModuleList(nn.Linear(dim, source_dim) for _ in horizons)
        self.beside = nn.ModuleList(FromZero(network, dim, 1, source_dim) for _ in horizons)

    def errors(self, states: Tensor, frames: Tensor) -> Iterator[Tensor]:
        """For each horizon x_{t+h} less its forecast, (B, T - h, D)."""
        for h, line, beside in zip(self.horizons, self.lines, self.beside, strict=True):
            known = states[:, :-h]
            more = beside(known.flatten(0, 1)[:, None]).unflatten(0, known.shape[:2])
            yield frames[:, h:] - line(known) - more

    def cost(self, states: Tensor, frames: Tensor) -> Tensor:
        """½ ‖x_{t+h} - forecast‖², the mean over batch and horizons."""
        return torch.stack([0.5 * error.square().sum(2).mean() for error in self.errors(states, frames)]).mean()


def _log_det_gain(errors: Tensor, states: Tensor) -> Tensor:
    """½ ln det Q - ½ ln det S of errors and states (n, d), in float64."""
    errors, states = errors.double(), states.double()
    centred = states - states.mean(0)
    s, q = centred.T @ centred / len(centred), errors.T @ errors / len(errors)
    ridge = _RIDGE * torch.diag(s.diagonal().clamp_min(torch.finfo(s.dtype).tiny))
    return 0.5 * (torch.logdet(q + ridge) - torch.logdet(s + ridge))
