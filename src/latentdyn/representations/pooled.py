"""Mean-pooling in time to a lower frame rate (science: matched rates, variant (a))."""

import numpy as np

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Transform, Utterance


class Pooled(Transform):
    """Means of consecutive frames. The inverse repeats each mean for the frames that it stands for.

    Args:
        frame_rate_hz: of the pooled frames, in Hz.

    Raises:
        UserError: the source's rate is not a whole multiple of this one.
    """

    inverse = "approximate"

    def __init__(self, source: Source, dtype: str, frame_rate_hz: float) -> None:
        super().__init__(source, dtype)
        self.factor = pooling_factor(source.frame_rate_hz, frame_rate_hz)
        self.frame_rate_hz = frame_rate_hz

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        return mean_pool(utterance.latents, utterance.energy_db, self.factor)

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        return np.repeat(latents, self.factor, axis=0).astype(np.float32)


TRANSFORM = Pooled


def pooling_factor(source_rate_hz: float, target_rate_hz: float) -> int:
    """How many source frames make one pooled frame.

    Raises:
        UserError: the rates' ratio is not a whole number of at least 1.
    """
    factor = round(source_rate_hz / target_rate_hz)
    if factor < 1 or abs(factor * target_rate_hz - source_rate_hz) > 1e-6 * source_rate_hz:
        raise UserError(
            f"mean-pooling from {source_rate_hz:g} Hz to {target_rate_hz:g} Hz is not by a whole number of frames",
            "frame_rate_hz of the pooled representation",
            f"choose {source_rate_hz:g} divided by a whole number",
        )
    return factor


def mean_pool(latents: np.ndarray, energy_db: np.ndarray, factor: int) -> tuple[np.ndarray, np.ndarray]:
    """Means over `factor` consecutive frames; levels are averaged as powers.

    Args:
        latents: (T, D). energy_db: (T,) in dB. factor: frames a mean.

    Returns:
        (T // factor, D) float32 and (T // factor,) float32. A last, incomplete group is dropped: its mean would vary
        more than the others'.
    """
    n = len(latents) // factor
    groups = latents[: n * factor].reshape(n, factor, latents.shape[1])
    power = np.power(10.0, energy_db[: n * factor].astype(np.float64).reshape(n, factor) / 10).mean(axis=1)
    return groups.mean(axis=1, dtype=np.float64).astype(np.float32), (10 * np.log10(power)).astype(np.float32)
