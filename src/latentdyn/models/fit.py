"""Fitting a model of any kind, part by part: a finished part is never fitted twice, an unfinished one continues."""

import logging
from collections.abc import Iterable, Iterator, Mapping
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
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.mapping import read_at_random
from latentdyn.stores.tensors import read_tensors, write_tensors
from latentdyn.training.loop import Training, TrainingSettings, run

log = logging.getLogger(__name__)

_AT_ONCE_ON_GPU = 8  # parts that are trained side by side: more gain nothing, and each takes memory

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
    frames: FrameIndex,
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
    cpu = torch.device("cpu")
    results: dict[str, Any] = {part.name: read_tensors(_finished(state, part), cpu) for part in fitting.parts}
    unfinished = [part for part in fitting.parts if results[part.name] is None]
    at_once = _AT_ONCE_ON_GPU if device.type == "cuda" else 1
    for first in range(0, len(unfinished), at_once):
        parts = unfinished[first : first + at_once]
        for part, model, points in _fit_parts(fitting, parts, start, state, checkpoint_interval_s):
            records = [{**part.facts, **point} for point in points]
            weights = {name: value.detach().cpu() for name, value in model.state_dict().items()}
            results[part.name] = {"weights": weights, "curve": records}
            write_tensors(_finished(state, part), results[part.name])
            _begun(state, part).unlink(missing_ok=True)
    curve = [record for result in results.values() for record in result["curve"]]
    return Fitted({name: result["weights"] for name, result in results.items()}, pd.DataFrame(curve), fitting.facts)


def _finished(state: Path, part: Part) -> Path:
    return state / f"finished_{part.name}.pt"


def _begun(state: Path, part: Part) -> Path:
    return state / f"{part.name}.pt"


def _fit_parts(
    fitting: Fitting[Any], parts: list[Part], start: Weights | None, state: Path, checkpoint_interval_s: float
) -> Iterator[tuple[Part, nn.Module, Iterable[dict[str, float]]]]:
    """Fit these parts, and yield each as soon as it is fitted, with its curve. Trainings run side by side."""
    trainings = {}
    for part in parts:
        model = _begin(fitting, part, start)
        points = fitting.solve(model, part)
        if points is None:
            trainings[_training(fitting, model, part, _begun(state, part))] = part
        else:
            yield part, model, points
    with read_at_random(fitting.latents):
        for training in run(list(trainings), checkpoint_interval_s):
            yield trainings[training], training.model, training.curve


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


def _training(fitting: Fitting[Any], model: nn.Module, part: Part, state_file: Path) -> Training:
    name = "".join(f"{name}={value}: " for name, value in part.facts.items())
    settings = TrainingSettings.of(fitting.settings["training"])
    return Training(model, fitting.objective(model, part), settings, state_file=state_file, name=name)
