"""Synthetic movements of true latents (Exp 3B, seed 003 §1.4), and the controls beside them (docs/perception.md).

x is an utterance, (T, D); Δx_t = x_t - x_{t-1}; every movement y starts at y_0 = x_0. What a name holds after `_a` is
α, a factor of magnitudes, and after `_c` a cosine.

GT                  y = x
B_slow_a            true directions, magnitudes times α: y_t = x_0 + α (x_t - x_0)
A_stationary        y_t = x_0, which is B_slow at α = 0
C_wrong_dir         random directions, true magnitudes: a random walk
reanchored_a        y_t = x_{t-1} + α Δx_t: as B_slow, but every step starts from truth, so that errors do not add up
shuffled_magnitudes true directions, the utterance's magnitudes in random order
rotated_c           directions turned away by a set cosine, true magnitudes
C_at_B_error_a      C's error y - x, in every frame as long as B_slow's: a wrong direction at B's state error
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from latentdyn.seeds import numpy_generator


def trajectories(
    x: np.ndarray, alphas: Sequence[float], cosines: Sequence[float], names: tuple[object, ...]
) -> dict[str, np.ndarray]:
    """All movements of x (T, D), float64, by name.

    Args:
        names: name the random directions and orders; the same for every movement that has such.
    """
    x = np.asarray(x, np.float64)
    steps = np.diff(x, axis=0)
    lengths: np.ndarray = np.linalg.norm(steps, axis=1, keepdims=True)
    directions = _unit(steps, lengths)
    random = np.asarray(numpy_generator(*names, "directions").standard_normal(steps.shape))
    wrong = _walk(x[0], lengths * _unit(random))
    order = numpy_generator(*names, "magnitudes").permutation(len(lengths))
    slow = {alpha: x[0] + alpha * (x - x[0]) for alpha in alphas}
    return {
        "GT": x,
        **{f"B_slow_a{_number(alpha)}": y for alpha, y in slow.items()},
        "A_stationary": np.repeat(x[:1], len(x), axis=0),
        "C_wrong_dir": wrong,
        **{f"reanchored_a{_number(alpha)}": np.concatenate([x[:1], x[:-1] + alpha * steps]) for alpha in alphas},
        "shuffled_magnitudes": _walk(x[0], lengths[order] * directions),
        **{f"rotated_c{_number(c)}": _walk(x[0], lengths * _turned(directions, random, c)) for c in cosines},
        **{
            f"C_at_B_error_a{_number(alpha)}": x + np.linalg.norm(y - x, axis=1, keepdims=True) * _unit(wrong - x)
            for alpha, y in slow.items()
        },
    }


@dataclass(frozen=True)
class Deviation:
    """Of every frame t >= 1 of a movement y from the truth x: ||y_t - x_t||; the cosine of Δy_t and Δx_t, and the ratio
    of their lengths, NaN where Δx_t is 0 (and the cosine where Δy_t is)."""

    error: np.ndarray
    cosine: np.ndarray
    ratio: np.ndarray

    @classmethod
    def of(cls, y: np.ndarray, x: np.ndarray) -> "Deviation":
        y, x = y.astype(np.float64), x.astype(np.float64)
        mine, true = np.diff(y, axis=0), np.diff(x, axis=0)
        of_mine, of_true = np.linalg.norm(mine, axis=1), np.linalg.norm(true, axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = np.where(of_true > 0, of_mine / of_true, np.nan)
            cosine = (mine * true).sum(axis=1) / (of_mine * of_true)
        return cls(np.linalg.norm(y - x, axis=1)[1:], np.where(np.isfinite(cosine), cosine, np.nan), ratio)


def _number(value: float) -> str:
    """With two digits, as the seed documents write it, or as many as there are."""
    short = f"{value:.2f}"
    return short if float(short) == value else repr(value)


def _walk(start: np.ndarray, steps: np.ndarray) -> np.ndarray:
    return start + np.concatenate([np.zeros((1, len(start))), np.cumsum(steps, axis=0)])


def _unit(vectors: np.ndarray, lengths: np.ndarray | None = None) -> np.ndarray:
    """Directions; of a vector of length 0, zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) if lengths is None else lengths
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def _turned(directions: np.ndarray, random: np.ndarray, cosine: float) -> np.ndarray:
    """Unit vectors at this cosine to the directions, in the plane of each direction and a random one."""
    across = _unit(random - (random * directions).sum(axis=1, keepdims=True) * directions)
    turned = cosine * directions + np.sqrt(1 - cosine**2) * across
    return np.where((directions != 0).any(axis=1, keepdims=True), turned, 0.0)
