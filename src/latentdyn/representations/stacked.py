"""Stacks of consecutive frames at a lower frame rate (science: matched rates, variant (b)). Nothing is lost."""

import numpy as np

from latentdyn.representations.base import Source
from latentdyn.representations.lower_rate import WholeGroups


class Stacked(WholeGroups):
    """n consecutive frames of D dimensions as one of n D: the earliest frame's dimensions first.

    The inverse lays the frames one after another again. Only frames at the end that fill no whole stack are missing.
    """

    inverse = "exact"

    def __init__(self, source: Source, dtype: str, frame_rate_hz: float) -> None:
        super().__init__(source, dtype, frame_rate_hz)
        self.dim = self.factor * source.dim

    def frames_of(self, groups: np.ndarray) -> np.ndarray:
        return groups.reshape(len(groups), self.dim)

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return latents.reshape(-1, self.source.dim).astype(np.float32)


TRANSFORM = Stacked
