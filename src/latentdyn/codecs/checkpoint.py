"""Loading a pretrained codec of `transformers`, by hub id or from a folder, without running anybody's code.

Only safetensors are read, never pickles; a weight that the file lacks is an error, because transformers would
fill it with random numbers.
"""

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PreTrainedConfig, PreTrainedModel

from latentdyn.errors import UserError
from latentdyn.lfs import refuse_pointer


def load_model(
    model_class: type[PreTrainedModel], model_type: str, checkpoint: str, revision: str | None, device: str
) -> Any:
    """A `transformers` model in float32, ready to encode.

    Args:
        checkpoint: hub id ("owner/name"), or a folder with config.json and model.safetensors.
        revision: commit of the hub repository; a folder has none.

    Raises:
        UserError: the folder or the hub does not give a whole model of this type.
    """
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
        config, _ = PreTrainedConfig.get_config_dict(source, revision=revision or "main")
        if not config:
            raise UserError("there is no config.json", where, fix)
        if config.get("model_type") != model_type:
            raise UserError(
                f"this is a model of type '{config.get('model_type')}', not '{model_type}'",
                where,
                f"give a {model_type} checkpoint, or set the kind of the representation to the codec it is",
            )
        loaded: Any = model_class.from_pretrained(
            source,
            revision=revision or "main",
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UserError(f"this {model_type} model cannot be loaded ({reason.rstrip('.')})", where, fix) from None
    model, report = loaded
    missing = sorted(key for key in report["missing_keys"] if key.startswith(("encoder.", "decoder.")))
    if missing:
        raise UserError(f"the weights lack {len(missing)} tensors, among them {missing[0]}", where, fix)
    return model.to(device).eval().requires_grad_(False)
