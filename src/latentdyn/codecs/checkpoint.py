"""Loading a pretrained codec of `transformers`, by hub id or from a folder, without running anybody's code.

Only safetensors are read, never pickles; a weight that the file lacks is an error, because transformers would
fill it with random numbers. Only where the config says `untrained: true` are all weights random.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import PreTrainedConfig, PreTrainedModel

from latentdyn.errors import UserError
from latentdyn.pointers import refuse_pointer
from latentdyn.seeds import seed_for

_LOWEST_HZ, _HIGHEST_HZ = 1000, 768_000
# a config.json of odd values breaks its class or the model's in any of these ways, files that are damaged in some
_BROKEN = (
    ArithmeticError, AssertionError, AttributeError, LookupError, OSError, RuntimeError, SafetensorError,
    StrictDataclassError, TypeError, ValueError,
)  # fmt: skip


def load_model(
    model_class: type[PreTrainedModel],
    checkpoint: str,
    revision: str | None,
    untrained: bool,
    device: str,
    architecture: Mapping[str, Any] | None = None,
) -> Any:
    """A `transformers` model in float32, ready to encode.

    Args:
        checkpoint: hub id ("owner/name"), or a folder with config.json and model.safetensors.
        revision: commit of the hub repository; a folder has none.
        untrained: draw the weights at random, the same ones each time. A folder then needs config.json alone; a hub id
            is not looked up, and stands for the architecture that transformers has as its default.
        architecture: settings of an untrained model that differ from that default.

    Raises:
        UserError: the folder or the hub does not give a whole model of this type.
    """
    config_class: Any = model_class.config_class
    model_type = config_class.model_type
    folder = Path(checkpoint).expanduser()
    if folder.is_dir():
        source = str(folder)
        for file in sorted(folder.glob("*.json")) + sorted(folder.glob("*.safetensors")):
            refuse_pointer(file)
        fix = "give a folder that holds config.json and model.safetensors (as save_pretrained writes them)"
    elif checkpoint.startswith(("/", ".", "~")) or checkpoint.count("/") != 1:
        raise UserError("there is no such folder", folder, "correct the path of the checkpoint, or give a hub id")
    else:
        source = checkpoint
        fix = (
            "check the id and the revision; where this machine cannot reach the Hugging Face hub, download "
            "the repository on one that can and give the local folder as the checkpoint"
        )
    where = f"checkpoint {source}" + (f", revision {revision}" if revision else "")

    try:
        if untrained and not folder.is_dir():
            return _ready(_untrained(model_class, config_class(**architecture or {})), device)
        config, _ = PreTrainedConfig.get_config_dict(source, revision=revision or "main")
        if not config:
            raise UserError("there is no config.json", where, fix)
        if config.get("model_type") != model_type:
            raise UserError(
                f"this is a model of type '{config.get('model_type')}', not '{model_type}'",
                where,
                f"give a {model_type} checkpoint, or set the kind of the representation to the codec it is",
            )
        _check_rate(config, folder, where)
        if untrained:
            return _ready(_untrained(model_class, config_class.from_dict(config)), device)
        loaded: Any = model_class.from_pretrained(
            source,
            revision=revision or "main",
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except _BROKEN as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"this {model_type} model cannot be loaded ({reason.rstrip('.')})", where, fix) from None
    model, report = loaded
    if missing := sorted(report["missing_keys"]):
        raise UserError(f"the weights lack {len(missing)} tensors, among them {missing[0]}", where, fix)
    return _ready(model, device)


def _check_rate(config: Mapping[str, Any], folder: Path, where: str) -> None:
    """Check the sampling rate, on which every frame's duration depends.

    Raises:
        UserError: it is none, or a preprocessor_config.json in the folder says another one.
    """
    rate = config.get("sampling_rate")
    if "sampling_rate" in config and not (type(rate) is int and _LOWEST_HZ <= rate <= _HIGHEST_HZ):
        raise UserError(
            f"sampling_rate of config.json is {rate!r}, not a whole number from {_LOWEST_HZ} to {_HIGHEST_HZ} Hz",
            where,
            "take the config.json that was published with the weights",
        )
    beside = folder / "preprocessor_config.json"
    if rate is None or not beside.is_file():
        return
    said = json.loads(beside.read_text()).get("sampling_rate", rate)
    if said != rate:
        raise UserError(
            f"config.json says a sampling rate of {rate} Hz, and preprocessor_config.json beside it {said} Hz",
            where,
            "take both files as they were published with the weights",
        )


def weights_sha256(model: torch.nn.Module) -> str:
    """Digest of a model's parameters and buffers, whatever files they came from."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _untrained(model_class: type[PreTrainedModel], config: Any) -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for("untrained", config.model_type))
        return model_class(config)


def _ready(model: Any, device: str) -> Any:
    return model.to(device).eval().requires_grad_(False)
