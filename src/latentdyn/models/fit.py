"""Fitting a model of any kind, part by part: a finished part is never fitted twice, an unfinished one continues."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.families import MODELS
from latentdyn.models.base import Fitting, Part
from latentdyn.seeds import seed_for
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.tensors import read_tensors, write_tensors
from latentdyn.training.loop import TrainingSettings, train

log = logging.getLogger(__name__)

Weights = Mapping[str, Mapping[str, Tensor]]  # state dicts by part


@dataclass(frozen=True)
class Fitted:
    """weights: the state dict of each part, on the CPU. curve: a record for each validation, or for each candidate of a
    closed form. facts: of the model, for its handle."""

    weights: dict[str, dict[str, Tensor]]
    curve: pd.DataFrame
    facts: Mapping[str, int]


def fit_model(
    kind: str,
    settings: dict[str, Any],
    store: LatentsStore,
    frames: pd.DataFrame,
    *,
    seed: int,
    state: Path,
    device: torch.device,
    start: Weights | None = None,
    codec: Mapping[str, Any] | None = None,
    checkpoint_interval_s: float = 60.0,
) -> Fitted:
    """Fit every part of a model to the training speakers.

    Args:
        kind: of model (see naming). settings: of the model, as its kind reads them.
        frames: the frame index; training and validation speakers are taken from it.
        state: folder of this job's unfinished work (see stores.state).
        codec: section of the config of the codec that made the latents, of kinds that listen to them.
        start: weights to train on from, moments of the training frames included, instead of fresh ones.

    Raises:
        UserError: no usable frames, a loss that is not finite, or weights to start from that do not fit.
    """
    listens = {} if codec is None else {"codec": codec}
    fitting: Fitting[Any] = MODELS.load(kind)(settings, store, frames, seed, device, **listens)
    log.info("%d training frames, %d held-out frames, on %s", *fitting.n_frames, device)
    weights, curve = {}, []
    for part in fitting.parts:
        finished, unfinished = state / f"finished_{part.name}.pt", state / f"{part.name}.pt"
        result = read_tensors(finished, torch.device("cpu"))
        if result is None:
            model = _begin(fitting, part, start)
            points = fitting.solve(model, part)
            if points is None:
                points = _train(fitting, model, part, unfinished, checkpoint_interval_s)
            records = [{**part.facts, **point} for point in points]
            result = {"weights": {n: v.detach().cpu() for n, v in model.state_dict().items()}, "curve": records}
            write_tensors(finished, result)
            unfinished.unlink(missing_ok=True)
        weights[part.name] = result["weights"]
        curve += result["curve"]
    return Fitted(weights, pd.DataFrame(curve), fitting.facts)


def _begin(fitting: Fitting[Any], part: Part, start: Weights | None) -> nn.Module:
    torch.manual_seed(seed_for(*fitting.seed_names, "init", *part.facts.values()))
    model: nn.Module = fitting.build().to(fitting.device)
    if start is None:
        fitting.set_start(model, part)
        return model
    try:
        model.load_state_dict(start[part.name])
    except (KeyError, RuntimeError) as error:
        why = f"part {error} is missing" if isinstance(error, KeyError) else str(error).splitlines()[-1].strip()
        raise UserError(
            f"the weights to start from are of another network or head ({why})",
            "starts_from",
            "give it the same settings as the model that it starts from, but for training, horizons and clamps",
        ) from None
    return model


def _train(
    fitting: Fitting[Any], model: nn.Module, part: Part, state_file: Path, checkpoint_interval_s: float
) -> list[dict[str, float]]:
    name = "".join(f"{name}={value}: " for name, value in part.facts.items())
    settings = TrainingSettings.of(fitting.settings["training"])
    objective = fitting.objective(model, part)
    return train(
        model, objective, settings, state_file=state_file, name=name, checkpoint_interval_s=checkpoint_interval_s
    )
