"""Predictors that are a network over the context and a head over its outputs."""

from typing import Any

import torch
from torch import Tensor

from latentdyn.predictors.base import TrainedPredictor
from latentdyn.predictors.networks import build_network


class NetworkPredictor(TrainedPredictor):
    """A network reads the normalised context; the head, which a subclass is, makes a density of its outputs.

    Args:
        network: kind and options of the network (see networks).
        context_normalisation: `standard` (deviations of training frames), `deltas` (the newest frame like that, the
            older ones as the steps between them, in deviations of training steps: no information is lost, and what
            matters is not small beside a level that wanders), or `none` (the latents' own units).
        context_clip: normalised contexts are clamped to plus and minus this, so that an outlier cannot carry the
            network where it has learnt nothing; None leaves them.
    """

    def __init__(
        self,
        dim: int,
        window_frames: int,
        outputs: int,
        *,
        network: dict[str, Any],
        context_normalisation: str = "standard",
        context_clip: float | None = None,
    ) -> None:
        super().__init__(dim, window_frames)
        self.context_normalisation, self.context_clip = context_normalisation, context_clip
        self.network = build_network(network, dim, window_frames, outputs)

    def outputs(self, context: Tensor, n: int | None = None) -> Tensor:
        """What the network says of context (B, W, D): (B, outputs), or its first n outputs alone."""
        if self.context_normalisation == "standard":
            context = self.standardized(context)
        elif self.context_normalisation == "deltas":
            steps = (context.diff(dim=1) - self.delta_mean) / self.delta_std
            context = torch.cat([steps, self.standardized(context[:, -1:])], dim=1)
        if self.context_clip is not None:
            context = context.clamp(-self.context_clip, self.context_clip)
        outputs: Tensor = self.network(context, n)
        return outputs
