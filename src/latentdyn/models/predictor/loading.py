"""Fitted predictors, from their checkpoint."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from latentdyn.models.checkpoint import load_models
from latentdyn.predictors.base import Predictor, build_predictor


def load_predictors(
    handle: Path,
    settings: dict[str, Any] | None,
    dim: int,
    device: torch.device,
    data: Mapping[str, str] | None = None,
) -> dict[int, Predictor]:
    """Predictors by horizon k, ready to evaluate.

    Args:
        settings: what they must have been trained with; None accepts any. data: digests of the `latents` and `frames`
            that they must have been fitted to; None accepts any.

    Raises:
        UserError: as `read_checkpoint`.
    """
    models = load_models(handle, "predictor", build_predictor, settings, dim, device, data)
    return {int(part.removeprefix("k")): model for part, model in models.items()}
