"""Whether a codec is the one that made a store: only then its decoder makes audio of these latents."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from latentdyn.codecs.base import Codec, open_codec
from latentdyn.errors import UserError
from latentdyn.stores.latents import LatentsStore
from latentdyn.stores.lineage import handle_lineage_name, root_facts


def open_own_codec(codec: Mapping[str, Any] | None, store: LatentsStore, device: torch.device) -> Codec:
    """The codec that made a store, to decode its frames.

    Args:
        codec: section of the config; None where none is given.

    Raises:
        UserError: the store has no codec, none is given, or it is another one.
    """
    (root, *derived) = store.handle["lineage"]
    if derived:
        raise UserError(
            f"these latents ({handle_lineage_name(store.handle)}) are not a codec's own frames, so no decoder makes "
            "audio of them that a training could listen to",
            f"objective.reconstruction of the representation, {store.path}",
            "give the encoder's own representation as source (and stack for a lower rate), or reconstruction of kind "
            "frames",
        )
    if codec is None:
        raise UserError(
            f"the reconstruction is compared as audio, and the decoder of these latents ({root['kind']}) is not named",
            "--codec",
            "give the section of the config of the encoder that made the latents; or reconstruction of kind frames",
        )
    opened = open_codec(codec, str(device))
    check_codec(codec, opened.weights_sha256, store, store.path)
    return opened


def check_codec(codec: Mapping[str, Any], weights_sha256: str | None, root: LatentsStore, handle: Path) -> None:
    """Check that a codec is the one that made a store, by its kind, its settings and its weights.

    Raises:
        UserError: it is another.
    """
    (made,) = root.handle["lineage"]
    (mine,) = root_facts(codec)["lineage"]
    if (made["kind"], made["settings"]) != (mine["kind"], mine["settings"]):
        raise UserError(
            f"these latents were made by {made['kind']} {made['settings']}, and the codec to decode them is "
            f"{mine['kind']} {mine['settings']}",
            handle,
            "name the codec that made them, with the same settings",
        )
    if root.handle.get("weights_sha256") != weights_sha256:
        raise UserError(
            "these latents were made with other weights than those that the codec has now",
            handle,
            "restore the weights, or let Snakemake encode again",
        )
