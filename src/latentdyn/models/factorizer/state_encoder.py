"""The state encoder: what frames so far leave for those to come."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latentdyn.models.from_zero import FromZero
from latentdyn.predictors.networks import GRU


class StateEncoder(nn.Module):
    """e_t = line of the last W frames + network; before a sequence, frames are the mean.

    Args:
        source_dim: D. dim: d. window_frames: W. network: of kind `gru` it reads all frames so far, else the last W.
    """

    def __init__(self, source_dim: int, dim: int, window_frames: int, network: dict[str, Any]) -> None:
        super().__init__()
        self.window_frames = window_frames
        self.line = nn.Linear(window_frames * source_dim, dim)
        self.beside = FromZero(network, source_dim, window_frames, dim)

    def forward(self, frames: Tensor) -> Tensor:
        """States (B, T, d) of frames (B, T, D): that of row t knows the frames up to t."""
        windows = F.pad(frames, (0, 0, self.window_frames - 1, 0)).unfold(1, self.window_frames, 1).transpose(2, 3)
        states: Tensor = self.line(windows.flatten(2)) + self._beside(frames, windows)
        return states

    def _beside(self, frames: Tensor, windows: Tensor) -> Tensor:
        network = self.beside.network
        if isinstance(network, GRU):
            states, _ = network.recurrence(frames)
            return torch.mul(self.beside.scale, network.answer(network.dropout(states)))
        beside: Tensor = self.beside(windows.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return beside
