"""What derived representations at a lower frame rate share: whole groups of frames, and the levels under them.

Derived frame j stands for the time of its group, frames j n to j n + n - 1 of the source. So every kind has the same
frames of an utterance at the same times, and with the same levels: rows of a table differ in the latents alone.
"""

import numpy as np

from latentdyn.errors import UserError
from latentdyn.rates import whole_factor
from latentdyn.representations.base import Source, Transform, Utterance


class WholeGroups(Transform):
    """A derived frame for each `factor` consecutive frames. A last, incomplete group is dropped.

    Args:
        frame_rate_hz: of the derived frames, in Hz.

    Raises:
        UserError: the source's rate is not a whole multiple of this one.
    """

    def __init__(self, source: Source, dtype: str, frame_rate_hz: float) -> None:
        super().__init__(source, dtype)
        try:
            self.factor = whole_factor(source.frame_rate_hz, frame_rate_hz)
        except ValueError as error:
            where = "frame_rate_hz of the derived representation"
            raise UserError(str(error), where, "choose one of those, or kind 'interpolated'") from None
        self.frame_rate_hz = frame_rate_hz

    def frames_of(self, groups: np.ndarray) -> np.ndarray:
        """The derived frames (n, dim) of groups (n, factor, D)."""
        raise NotImplementedError  # abstract

    def grouped(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        """The groups (n, factor, D) of an utterance, and the level of each (n,)."""
        latents, energy_db = utterance.latents, utterance.energy_db
        n = len(latents) // self.factor
        groups = latents[: n * self.factor].reshape(n, self.factor, latents.shape[1])
        return groups, mean_level(energy_db[: n * self.factor].reshape(n, self.factor))

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        groups, energy_db = self.grouped(utterance)
        return self.frames_of(groups), energy_db


def mean_level(energy_db: np.ndarray) -> np.ndarray:
    """The level of each group (n, factor) in dB, (n,) float32: levels are averaged as powers."""
    power = np.power(10.0, energy_db.astype(np.float64) / 10).mean(axis=1)
    return (10 * np.log10(power)).astype(np.float32)
