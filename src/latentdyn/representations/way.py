"""The way from frames of one representation to those of another one that is made of the same root: back along the one
chain to the last store that both share, and forth along the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from latentdyn.errors import UserError
from latentdyn.representations.base import Inverse, Transform, Utterance
from latentdyn.representations.inversion import chain_inverse, invert_chain, open_links
from latentdyn.stores.latents import open_latents
from latentdyn.stores.lineage import handle_lineage_name


@dataclass(frozen=True)
class Way:
    """back: from the last shared store to the one representation. forth: from there to the other one."""

    back: list[Transform]
    forth: list[Transform]

    @property
    def inverse(self) -> Inverse:
        """How well frames of the shared store come back; "none" if a link has no inverse, so that there is no way."""
        return "none" if any(link.inverse == "none" for link in self.back) else chain_inverse(self.back)

    def __call__(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        """Frames (T, D) of the other representation for frames (T, d) of an utterance, true or predicted ones."""
        frames = invert_chain(self.back, latents, utterance_id)
        for link in self.forth:
            silent = np.full(len(frames), np.nan, np.float32)
            frames, _ = link.apply(Utterance(utterance_id, "", "", frames, silent))
        return frames


def open_way(chain: Sequence[Path], other: Sequence[Path]) -> Way:
    """The way between the ends of two chains of stores.

    Args:
        chain, other: handles, each from the root to a representation.

    Raises:
        UserError: a store is missing or damaged, handles are no chain, the two roots differ, or the two representations
            have another frame rate.
    """
    links, other_links = open_links(chain), open_links(other)
    digests, other_digests = ([open_latents(handle).handle["digest"] for handle in of] for of in (chain, other))
    shared = sum(a == b for a, b in zip(digests, other_digests, strict=False))
    ends = [open_latents(of[-1]) for of in (chain, other)]
    what = " and ".join(handle_lineage_name(end.handle) for end in ends)
    if not shared:
        raise UserError(
            f"{what} are not made of one root, so that no frames of the one lead to the other",
            chain[0],
            "take a reference that is made of the same encoder, process or provided latents",
        )
    rates = [end.frame_rate_hz for end in ends]
    if rates[0] != rates[1]:
        raise UserError(
            f"{what} have {rates[0]:g} and {rates[1]:g} frames a second",
            chain[-1],
            "take a reference of the same frame rate: the codec's frames, pooled or stacked to it",
        )
    return Way(links[shared - 1 :], other_links[shared - 1 :])
