"""Checkpoints: the predictors of all horizons in one safetensors file, and a handle written after it.

Loading one never runs code. `NAME.json` says what `NAME.safetensors` holds: the predictor's settings, its horizons and
dimension, the data it was fitted to, and a digest of the weights.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from latentdyn.errors import UserError
from latentdyn.files import atomic_path, file_sha256, read_json, write_json
from latentdyn.predictors.base import Predictor, build_predictor

SCHEMA_VERSION = 1


def save_checkpoint(
    handle: Path, states: dict[int, dict[str, Tensor]], settings: dict[str, Any], dim: int, data: dict[str, str]
) -> dict[str, Any]:
    """Write the weights of each horizon and, last, the handle.

    Args:
        states: state_dict by horizon. settings: the predictor's section of the config. data: digests of what it was
            fitted to.
    """
    weights = Path(handle).with_suffix(".safetensors")
    flat = {
        f"k{k}.{name}": value.detach().cpu().contiguous().clone()
        for k, s in states.items()
        for name, value in s.items()
    }
    with atomic_path(weights) as temporary:
        temporary.write_bytes(save(flat))  # by Python: safetensors' own writer hides what is wrong with a disk
    record = {
        "schema_version": SCHEMA_VERSION,
        "predictor": settings,
        "dim": dim,
        "data": data,
        "digest": file_sha256(weights),
    }
    write_json(handle, record)
    return record


def load_checkpoint(
    handle: Path, settings: dict[str, Any] | None, dim: int, device: torch.device
) -> dict[int, Predictor]:
    """Predictors by horizon, ready to evaluate.

    Args:
        settings: what it must have been trained with; None takes the handle's word.

    Raises:
        UserError: missing or damaged files, another schema version, or a checkpoint of other settings or dimension.
    """
    facts = read_json(handle, made_by="train_predictor")
    mend = f"delete {handle} and let Snakemake train it again"
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise UserError(f"this checkpoint has schema version {facts.get('schema_version')}", handle, mend)
    settings = facts["predictor"] if settings is None else settings
    differs = sorted(n for n in {*settings, *facts["predictor"]} if facts["predictor"].get(n) != settings.get(n))
    if differs or facts["dim"] != dim:
        what = f"other settings ({', '.join(differs)})" if differs else f"{facts['dim']} dimensions, not {dim}"
        raise UserError(f"this checkpoint was trained with {what}", handle, mend)
    weights = Path(handle).with_suffix(".safetensors")
    if not weights.is_file() or file_sha256(weights) != facts["digest"]:
        raise UserError("these weights are missing or not the ones their handle describes", weights, mend)
    flat = load_file(weights)
    predictors = {}
    for k in settings["horizons"]:
        predictor = build_predictor(settings, dim)
        prefix = f"k{k}."
        predictor.load_state_dict({n.removeprefix(prefix): v for n, v in flat.items() if n.startswith(prefix)})
        predictors[k] = predictor.to(device).eval()
    return predictors
