"""How a predictor reads frames: its newest W, or the whole past of an utterance.

A predictor of the first kind forgets: its context is a tensor (B, W, D). A predictor that reads the past keeps a
summary of all frames so far, and reads each frame once. The newest W frames stay beside the summary. Both kinds are
scored on the same frames, those with W frames before them. Early in an utterance the past is short.

Where a past is shorter than others of its batch, its missing frames come first and are NaN.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

Memory = Any  # what a network keeps of the frames that it has read


@dataclass(frozen=True)
class ReadPast:
    """A context that has been read.

    recent: (B, W, D), the newest frames. summary: (B, F), what the network says of all frames so far.
    """

    recent: Tensor
    summary: Tensor

    def __len__(self) -> int:
        return len(self.recent)


Context = Any  # a tensor (B, W, D), or a ReadPast for a predictor that reads the past


class Reads(Protocol):
    """A network that reads frames one after another."""

    def read(self, frames: Tensor, memory: Memory = None) -> tuple[Tensor, Memory]:
        """Frames (B, L, D) that follow those of `memory` -> what it says after each of them, (B, L, F), and the memory.

        Without a memory, missing frames may come first (NaN), but not alone; what it says after these means nothing.
        """

    def answer_to(self, summary: Tensor, n: int | None = None) -> Tensor:
        """The outputs (B, outputs) after a summary (B, F), or the first n of them alone."""


class Reading:
    """A run of frames, read as it grows. `window_frames`: W."""

    def __init__(self, window_frames: int) -> None:
        self.window_frames = window_frames

    def context(self, seen: Tensor) -> Context:
        """The context of the step after all frames so far, (B, n, D). Of one call to the next, frames are added, and
        those that were there stay what they were."""
        return seen[:, -self.window_frames :]


def missing_frames(frames: Tensor) -> Tensor:
    """How many frames are missing, (B,), of frames (B, L, D): all up to the last that is not finite."""
    gone = ~frames.isfinite().all(dim=2)
    numbers = torch.arange(1, frames.shape[1] + 1, device=frames.device)
    return (gone * numbers).amax(dim=1)
