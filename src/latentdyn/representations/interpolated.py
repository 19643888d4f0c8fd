"""Area interpolation to any lower frame rate, also one that does not divide the source's."""

import math

import numpy as np

from latentdyn.errors import UserError
from latentdyn.representations.base import Source, Transform, Utterance

_ROUNDING = 1e-9  # frames: what two rates in floating point may be off a whole number


class Interpolated(Transform):
    """Means of the source over equal spans of time, each source frame weighted by its share of the span.

    Derived frame j covers the time from j to j + 1 over the derived rate. It depends on no source frame that starts
    after its end. Where the source's rate divides, it is the mean of whole frames, as in `pooled`. A span that the
    utterance does not fill is dropped.

    The inverse runs straight from centre to centre of the derived frames, and stays level before the first and after
    the last one.

    Args:
        frame_rate_hz: of the derived frames, in Hz.

    Raises:
        UserError: it is above the source's rate.
    """

    inverse = "approximate"

    def __init__(self, source: Source, dtype: str, frame_rate_hz: float) -> None:
        super().__init__(source, dtype)
        self.span = source.frame_rate_hz / frame_rate_hz  # frames of the source
        if self.span < 1 - _ROUNDING:
            raise UserError(
                f"interpolation from {source.frame_rate_hz:g} Hz to {frame_rate_hz:g} Hz would make frames up",
                "frame_rate_hz of the interpolated representation",
                f"choose {source.frame_rate_hz:g} Hz or less",
            )
        self.frame_rate_hz = frame_rate_hz

    def apply(self, utterance: Utterance) -> tuple[np.ndarray, np.ndarray]:
        frames, weights = overlaps(len(utterance.latents), self.span)
        latents = np.einsum("jn,jnd->jd", weights, utterance.latents[frames].astype(np.float64))
        power = np.power(10.0, utterance.energy_db.astype(np.float64) / 10)
        level = 10 * np.log10((weights * power[frames]).sum(axis=1))
        return latents.astype(np.float32), level.astype(np.float32)

    def invert(self, latents: np.ndarray, utterance_id: str) -> np.ndarray:
        n = math.ceil(len(latents) * self.span - _ROUNDING)  # with the last frame that is covered in part
        if not n:
            return np.empty((0, self.source.dim), np.float32)
        place = np.clip((np.arange(n) + 0.5) / self.span - 0.5, 0, len(latents) - 1)
        before = np.floor(place).astype(int)
        after, share = np.minimum(before + 1, len(latents) - 1), (place - before)[:, None]
        values = latents.astype(np.float64)
        between = (1 - share) * values[before] + share * values[after]
        return np.where(share > 0, between, values[before]).astype(np.float32)


TRANSFORM = Interpolated


def overlaps(n_frames: int, span: float) -> tuple[np.ndarray, np.ndarray]:
    """The source frames under each derived frame, and the share of its span that each of them fills.

    Args:
        span: of a derived frame, in frames of the source; at least 1.

    Returns:
        frames (n, m) and weights (n, m), which sum to 1 in each row. Where fewer than m frames lie under a derived
        one, the last of them is listed again with weight 0.
    """
    n = math.floor(n_frames / span + _ROUNDING)
    start, end = np.arange(n) * span, np.minimum(np.arange(1, n + 1) * span, n_frames)
    first = np.floor(start + _ROUNDING).astype(int)
    last = np.maximum(np.ceil(end - _ROUNDING).astype(int) - 1, first)
    width = int((last - first).max(initial=0)) + 1
    frames = first[:, None] + np.arange(width)
    shares = np.minimum(frames + 1, end[:, None]) - np.maximum(frames, start[:, None])
    weights = np.where(frames <= last[:, None], np.maximum(shares, 0), 0)
    return np.minimum(frames, last[:, None]), weights / weights.sum(axis=1, keepdims=True)
