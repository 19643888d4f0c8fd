"""A score model on disk: weights in a safetensors file, and a handle written after it. Loading one never runs code."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save

from latentdyn.correction.score_model import ScoreModel, build_score_model
from latentdyn.errors import UserError
from latentdyn.files import atomic_path, file_sha256, read_json, write_json

SCHEMA_VERSION = 1


def save_score_model(handle: Path, model: ScoreModel, settings: dict[str, Any], data: dict[str, str]) -> None:
    """Write the weights and, last, the handle.

    Args:
        settings: as `fit_score` takes them. data: digests of what it was fitted to.
    """
    weights = Path(handle).with_suffix(".safetensors")
    state = {name: value.detach().cpu().contiguous().clone() for name, value in model.state_dict().items()}
    with atomic_path(weights) as temporary:
        temporary.write_bytes(save(state))
    facts = {"schema_version": SCHEMA_VERSION, "score_model": settings, "dim": model.dim, "data": data}
    write_json(handle, {**facts, "digest": file_sha256(weights)})


def load_score_model(handle: Path, settings: dict[str, Any], dim: int, device: torch.device) -> ScoreModel:
    """A score model, ready to correct.

    Raises:
        UserError: missing or damaged files, another schema version, or a model of other settings or dimension.
    """
    facts = read_json(handle, made_by="train_score")
    mend = f"delete {handle} and let Snakemake train it again"
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise UserError(f"this score model has schema version {facts.get('schema_version')}", handle, mend)
    theirs = facts["score_model"]
    differs = sorted(name for name in {*settings, *theirs} if theirs.get(name) != settings.get(name))
    if differs or facts["dim"] != dim:
        what = f"other settings ({', '.join(differs)})" if differs else f"{facts['dim']} dimensions, not {dim}"
        raise UserError(f"this score model was trained with {what}", handle, mend)
    weights = Path(handle).with_suffix(".safetensors")
    if not weights.is_file() or file_sha256(weights) != facts["digest"]:
        raise UserError("these weights are missing or not the ones their handle describes", weights, mend)
    model = build_score_model(settings, dim)
    model.load_state_dict(load_file(weights))
    return model.to(device).eval()
