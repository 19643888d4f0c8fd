"""Checkpoints of models of any kind: the weights of all parts in one safetensors file, and a handle written after it.

Loading one never runs code. `NAME.json` says what `NAME.safetensors` holds: the kind of model, its settings, dimension,
parts and seed, digests of the data it was fitted to, of the curve of fitting, and of the weights.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from latentdyn.errors import UserError
from latentdyn.files import atomic_path, file_sha256, read_handle, write_json

SCHEMA_VERSION = 3
WHOLE = "whole"  # the part that a model of one part consists of; its tensors have no prefix

Model = TypeVar("Model", bound=nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """settings: of the model. weights: the state dict of each part, on the CPU. digest: of the weights. data: digests
    of what it was fitted to."""

    settings: dict[str, Any]
    weights: dict[str, dict[str, Tensor]]
    digest: str
    data: dict[str, str]


def save_checkpoint(
    handle: Path,
    weights: Mapping[str, Mapping[str, Tensor]],
    *,
    kind: str,
    settings: dict[str, Any],
    dim: int,
    seed: int,
    data: dict[str, str],
    curve: str | None = None,
    facts: Mapping[str, int] | None = None,
) -> None:
    """Write the weights of each part and, last, the handle.

    Args:
        weights: state dicts by part. kind: of model. settings: as the model is built from them. data: digests of what
            it was fitted to. curve: digest of the curve of fitting. facts: what follows from settings and dimension
            and is told too.
    """
    file = Path(handle).with_suffix(".safetensors")
    flat = {
        _prefix(part) + name: value.detach().cpu().contiguous().clone()
        for part, state in weights.items()
        for name, value in state.items()
    }
    with atomic_path(file) as temporary:
        temporary.write_bytes(save(flat))  # by Python: safetensors' own writer hides what is wrong with a disk
    said = {
        "schema_version": SCHEMA_VERSION,
        "kind": kind,
        "settings": settings,
        "dim": dim,
        "parts": list(weights),
        "seed": seed,
        "data": data,
        "curve": curve,
    }
    write_json(handle, {**(facts or {}), **said, "digest": file_sha256(file)})


def read_checkpoint(
    handle: Path, kind: str, settings: dict[str, Any] | None, dim: int, data: Mapping[str, str] | None = None
) -> Checkpoint:
    """Weights by part, after a check that the files are whole and that they are of the expected model.

    Args:
        settings: what the model must have been fitted with; None accepts any. data: digests of the `latents` and
            `frames` that it must have been fitted to; None accepts any.

    Raises:
        UserError: missing or damaged files, another schema version, or a model of another kind, other settings, another
            dimension or other data.
    """
    facts = read_handle(handle, of="a fitted model", holds={"data", "dim"}, made_by=f"train_{kind}")
    fix = f"delete {handle} and run the same command again, so that Snakemake fits it anew"
    if facts.get("schema_version") != SCHEMA_VERSION:
        raise UserError(f"this checkpoint has schema version {facts.get('schema_version')}", handle, fix)
    theirs = facts["settings"]
    settings = theirs if settings is None else settings
    differs = sorted(name for name in {*settings, *theirs} if theirs.get(name) != settings.get(name))
    if facts["kind"] != kind:
        raise UserError(f"this checkpoint is of a model of kind {facts['kind']}, not {kind}", handle, fix)
    if differs or facts["dim"] != dim:
        what = f"other settings ({', '.join(differs)})" if differs else f"{facts['dim']} dimensions, not {dim}"
        raise UserError(f"this checkpoint was trained with {what}", handle, fix)
    if others := sorted(name for name, digest in (data or {}).items() if facts["data"].get(name) != digest):
        raise UserError(
            f"this model was fitted to other {' and '.join(others)} than those it is used with here: what it would "
            "measure there says nothing about them",
            handle,
            f"{fix}, or give the latents and frames that it was fitted to",
        )
    file = Path(handle).with_suffix(".safetensors")
    content = file.read_bytes() if file.is_file() else b""
    if hashlib.sha256(content).hexdigest() != facts["digest"]:
        raise UserError("these weights are missing or not the ones their handle describes", file, fix)
    flat = load(content)
    weights = {
        part: {name.removeprefix(_prefix(part)): v for name, v in flat.items() if name.startswith(_prefix(part))}
        for part in facts["parts"]
    }
    return Checkpoint(theirs, weights, facts["digest"], facts["data"])


def load_models(
    handle: Path,
    kind: str,
    build: Callable[[dict[str, Any], int], Model],
    settings: dict[str, Any] | None,
    dim: int,
    device: torch.device,
    data: Mapping[str, str] | None = None,
) -> dict[str, Model]:
    """Models by part, on `device`, ready to apply.

    Args:
        build: a fresh model of one part, from settings and dimension. Others, and errors, as of `read_checkpoint`.
    """
    checkpoint = read_checkpoint(handle, kind, settings, dim, data)
    models = {}
    for part, weights in checkpoint.weights.items():
        model = build(checkpoint.settings, dim)
        model.load_state_dict(weights)
        models[part] = model.to(device).eval()
    return models


def _prefix(part: str) -> str:
    """What the names of a part's tensors begin with in the file."""
    return "" if part == WHOLE else f"{part}."
