"""A network that adds nothing at first: a model starts as what the network is added to."""

from typing import Any

import torch
from torch import Tensor, nn

from latentdyn.predictors.networks import build_network


class FromZero(nn.Module):
    """A network whose outputs are scaled by trained numbers that begin at 0 (ReZero, Bachlechner et al. 2021)."""

    def __init__(self, settings: dict[str, Any], dim: int, window_frames: int, outputs: int) -> None:
        super().__init__()
        self.network = build_network(settings, dim, window_frames, outputs)
        self.scale = nn.Parameter(torch.zeros(outputs))

    def forward(self, context: Tensor) -> Tensor:
        """Outputs (N, outputs) for contexts (N, W, D)."""
        outputs: Tensor = self.network(context)
        return self.scale * outputs
