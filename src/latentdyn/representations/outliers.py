"""A representation with a few frames blown up: what a mean makes of outliers and a median does not (seed 000 §3.3)."""

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Transform, Utterance
from latentdyn.seeds import numpy_generator

log = logging.getLogger(__name__)


class Outliers(Transform):
    """The frames of the source, a random share of them multiplied. Levels stay: the audio is what it was.

    The handle says how many were multiplied (`outlier_frames`). There is no inverse: the frames that were blown up are
    meant to stay so.

    Args:
        share: of the frames of the affected splits, in expectation.
        factor: what multiplies them.
        splits: the splits whose speakers get outliers.
    """

    def __init__(self, source: Source, dtype: str, share: float, factor: float, splits: Sequence[str]) -> None:
        super().__init__(source, dtype)
        self.share, self.factor, self.splits = share, factor, splits

    def facts(self, utterances: pd.DataFrame) -> dict[str, Any]:
        """How many frames are multiplied.

        Raises:
            UserError: not one.
        """
        affected = utterances[utterances.split.isin(self.splits)]
        hits = sum(len(outlier_frames(u.utterance_id, u.n_frames, self.share)) for u in affected.itertuples())
        n_frames = affected.n_frames.sum()
        if not hits:
            raise UserError(
                f"not one of {n_frames} frames was hit at a share of {self.share:g}, so this would be a plain copy",
                f"share and splits of the outliers ({', '.join(self.splits)})",
                "raise the share, or use a larger corpus",
            )
        log.info("%d of %d frames are multiplied by %g", hits, n_frames, self.factor)
        return {"outlier_frames": hits}

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        """As of every transform.

        Raises:
            UserError: the product overflows the dtype.
        """
        latents = utterance.latents.copy()
        if utterance.split in self.splits:
            hit = outlier_frames(utterance.utterance_id, len(latents), self.share)
            latents[hit] = self._scaled(latents[hit], utterance.utterance_id)
        return latents, utterance.energy_db

    def _scaled(self, frames: np.ndarray, utterance_id: str) -> np.ndarray:
        scaled = frames.astype(np.float64) * self.factor
        largest = np.abs(scaled[np.isfinite(frames)]).max(initial=0)
        if largest > np.finfo(self.dtype).max:
            raise UserError(
                f"an outlier of utterance {utterance_id} overflows {self.dtype}: {largest:g}",
                "factor and dtype of the outliers",
                "use float32, or a smaller factor",
            )
        return scaled


TRANSFORM = Outliers


def outlier_frames(utterance_id: str, n_frames: int, share: float) -> np.ndarray:
    """Frame numbers of an utterance's outliers, ascending: each frame is one with probability `share`, by name."""
    return np.flatnonzero(numpy_generator("outliers", utterance_id).random(n_frames) < share)
