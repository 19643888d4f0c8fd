"""A constant that is subtracted from latents before they are stored, where the stored numbers could not hold them.

Densities and metrics of steps do not depend on it. But float32 holds seven digits: beside 1e8, a step of 1 is lost.
"""

from collections.abc import Iterable

import numpy as np

_ROUNDED = 0.03  # of a step's deviation: the most that one unit in the last place may be
_BLOCK_FRAMES = 1 << 14


def storage_offset(utterances: Iterable[np.ndarray], dtype: str) -> np.ndarray | None:
    """The mean (D,), float64, of the dimensions whose steps `dtype` would round away beside it, and 0 of the others.

    Args:
        utterances: (T, D) each. Those that have no more digits than `dtype` are not read: nothing is lost by storing.

    Returns:
        None where no dimension needs it.
    """
    n = n_steps = 0
    mean: np.ndarray | float = 0.0
    square: np.ndarray | float = 0.0
    for latents in utterances:
        if latents.dtype.itemsize <= np.dtype(dtype).itemsize:
            continue
        for start in range(0, len(latents), _BLOCK_FRAMES):
            block = np.asarray(latents[start : start + _BLOCK_FRAMES + 1], np.float64)
            finite = np.asarray(np.isfinite(block).all(axis=1))
            frames, steps = block[:_BLOCK_FRAMES][finite[:_BLOCK_FRAMES]], np.diff(block[finite], axis=0)
            n, n_steps = n + len(frames), n_steps + len(steps)
            if len(frames):
                mean = mean + (frames - mean).sum(axis=0) / n
            with np.errstate(over="ignore"):
                square = square + np.square(steps).sum(axis=0)
    if not n_steps:
        return None
    mean, deviation = np.asarray(mean), np.sqrt(np.asarray(square) / n_steps)
    lost = np.finfo(dtype).eps * np.abs(mean) > _ROUNDED * deviation
    return np.where(lost, mean, 0.0) if lost.any() else None
