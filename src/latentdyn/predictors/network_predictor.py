"""Predictors that are a network over the context and a head over its outputs."""

from typing import Any

import torch
from torch import Tensor

from latentdyn.predictors.base import TrainedPredictor
from latentdyn.predictors.lookup import Basis, Engram, build_lookup
from latentdyn.predictors.networks import build_network
from latentdyn.stores.windows import Scaling, Windows


class NetworkPredictor(TrainedPredictor):
    """A network reads the normalised context. A subclass is a head: it makes a density of the network's outputs.

    Args:
        network: kind and options of the network (see networks).
        context_normalisation: `standard` (deviations of training frames); `deltas` (the newest frame in deviations of
            training frames, and instead of the older ones the steps between frames, in deviations of training steps: no
            information is lost, and steps are not small beside frames that wander); or `none` (the latents' own
            units).
        context_clip: normalised contexts are clamped to plus and minus this, so that an outlier does not lead the
            network far from all training data; None clamps nothing.
        lookup: kind and options of what is looked up beside (see lookup), or None. A basis is for heads that have a
            direction (`has_direction`): they make use of it.
    """

    has_direction = False

    def __init__(
        self,
        dim: int,
        window_frames: int,
        outputs: int,
        *,
        network: dict[str, Any],
        context_normalisation: str,
        context_clip: float | None,
        lookup: dict[str, Any] | None,
    ) -> None:
        super().__init__(dim, window_frames)
        self.context_normalisation, self.context_clip = context_normalisation, context_clip
        self.network = build_network(network, dim, window_frames, outputs)
        self.lookup = None if lookup is None else build_lookup(lookup, dim, window_frames, outputs)
        assert self.has_direction or not isinstance(self.lookup, Basis)

    def set_start(self, scaling: Scaling, train: Windows, validation: Windows | None, k: int) -> None:
        super().set_start(scaling, train, validation, k)
        if isinstance(self.lookup, Engram):
            self.lookup.fit(self.standardized(train.latents[train.rows]))

    def outputs(self, context: Tensor, n: int | None = None) -> Tensor:
        """The network's outputs for context (B, W, D): (B, outputs), or the first n of them alone."""
        recalled = self.lookup(self.standardized(context), n) if isinstance(self.lookup, Engram) else None
        if self.context_normalisation == "standard":
            context = self.standardized(context)
        elif self.context_normalisation == "deltas":
            steps = (context.diff(dim=1) - self.delta_mean) / self.delta_std
            context = torch.cat([steps, self.standardized(context[:, -1:])], dim=1)
        if self.context_clip is not None:
            context = context.clamp(-self.context_clip, self.context_clip)
        outputs: Tensor = self.network(context, n)
        return outputs if recalled is None else outputs + recalled
