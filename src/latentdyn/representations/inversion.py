"""From derived latents back to frames of the codec, through every link of their lineage."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from latentdyn.errors import UserError
from latentdyn.representations.base import Inverse, Source, Transform, build_transform
from latentdyn.stores.latents import LatentsStore, open_latents
from latentdyn.stores.lineage import check_chain, handle_lineage_name


def open_chain(handles: Sequence[Path]) -> list[Transform]:
    """The transforms that lead from a root to a derived representation, fitted as they were when its store was made.

    Args:
        handles: of every store of the chain, the root first. A root alone gives an empty list.

    Raises:
        UserError: a store is missing or damaged, the stores are not a chain, or a link has no inverse.
    """
    transforms = open_links(handles)
    stores = [open_latents(handle) for handle in handles]
    for transform, store, handle in zip(transforms, stores[1:], handles[1:], strict=True):
        if transform.inverse == "none":
            raise UserError(
                f"{handle_lineage_name(stores[-1].handle)} does not lead back to its root: "
                f"'{store.handle['kind']}' has no inverse",
                handle,
                "decode a representation of which every link has an inverse",
            )
    return transforms


def open_links(handles: Sequence[Path]) -> list[Transform]:
    """As `open_chain`, but a link may have no inverse: the transforms can be applied to other frames of the root.

    Raises:
        UserError: a store is missing or damaged, or the stores are not a chain.
    """
    stores = [open_latents(handle) for handle in handles]
    check_chain([store.handle for store in stores], handles)
    return [_restored(source, derived) for source, derived in pairwise(stores)]


def chain_inverse(transforms: Sequence[Transform]) -> Inverse:
    """How well `invert_chain` gives the root's frames back: "exact" if every link does."""
    return "exact" if all(transform.inverse == "exact" for transform in transforms) else "approximate"


def invert_chain(
    transforms: Sequence[Transform], latents: np.ndarray, utterance_id: str, noise: torch.Generator | None = None
) -> np.ndarray:
    """Frames of the root for frames of the derived representation at the chain's end.

    Args:
        transforms: as `open_chain` gives them. latents: (T', D'), stored or predicted. utterance_id: whose they are.
        noise: of what links draw (`Transform.draw`); None draws nothing.

    Returns:
        (T, D) float32 in the root's own units and at its frame rate.
    """
    for transform in reversed(transforms):
        if noise is None:
            latents = transform.invert(latents, utterance_id)
        else:
            latents = transform.draw(latents, utterance_id, noise)
    return latents


def _restored(source: LatentsStore, derived: LatentsStore) -> Transform:
    link = derived.handle["lineage"][-1]
    transform = build_transform({"kind": link["kind"], **link["settings"]}, Source(source.dim, source.frame_rate_hz))
    transform.restore(derived.fitted())
    return transform
