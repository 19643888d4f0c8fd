"""A fitted score model, from its checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from latentdyn.models.checkpoint import WHOLE, load_models
from latentdyn.models.score.network import ScoreModel, build_score_model


def load_score_model(
    handle: Path,
    settings: dict[str, Any] | None,
    dim: int,
    device: torch.device,
    data: Mapping[str, str] | None = None,
) -> ScoreModel:
    """A score model, ready to correct with.

    Args:
        settings: what it must have been trained with; None accepts any. data: digests of the `latents` and `frames`
            that it must have been fitted to; None accepts any.

    Raises:
        UserError: as `read_checkpoint`.
    """
    return load_models(handle, "score", build_score_model, settings, dim, device, data)[WHOLE]
