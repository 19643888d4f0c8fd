"""A few prototype steps in a fixed order, x_t = a_{i_t} + η_t: what clustering of contexts should find.

i_{t+1} = i_t + 1 (mod K) walks a loop of K anchors, so that Δx_t = p_{i_t} + η_t - η_{t-1} with p_i = a_i - a_{i-1}:
the context tells which prototype comes next, and the noise is what no cluster explains. Anchors follow one another
smoothly (moving sums of normals): so neighbours also differ in a mean over a window, if that is shorter than the loop.
"""

import math
from collections.abc import Sequence

import numpy as np

from latentdyn.processes.base import Answer, require
from latentdyn.seeds import numpy_generator


class Prototypes:
    """Noisy walks round one loop of anchors, from a uniform start."""

    kind = "prototypes"

    def __init__(self, dim: int, seed: int, *, n_prototypes: int, separation: float, noise: float) -> None:
        """
        Args:
            n_prototypes: K, anchors on the loop; a mean over K frames no longer tells where it is.
            separation: deviation of each dimension of the anchors. noise: deviation of each dimension of η.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.noise = dim, noise
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(n_prototypes >= 2, self, "n_prototypes", n_prototypes, "at least 2")
        require(0 <= separation < math.inf, self, "separation", separation, "a number of at least 0")
        require(0 < noise < math.inf, self, "noise", noise, "a number above 0")
        width = n_prototypes // 2
        draws = numpy_generator("process", self.kind, seed).standard_normal((n_prototypes, dim))
        loop = np.sum([np.roll(draws, shift, axis=0) for shift in range(width)], axis=0)
        self.anchors = separation / math.sqrt(width) * loop  # (K, D)

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        position = (generator.integers(len(self.anchors)) + np.arange(n_frames)) % len(self.anchors)
        frames: np.ndarray = self.anchors[position] + self.noise * generator.standard_normal((n_frames, self.dim))
        return frames

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At k = 1, for clusters that are the K positions."""
        if 1 not in horizons:
            return []
        prototypes = self.anchors - np.roll(self.anchors, 1, axis=0)  # their mean is 0: the loop closes
        within = 2 * self.dim * self.noise**2
        between = float(np.square(prototypes).sum(axis=1).mean())
        return [Answer("variance_ratio", 1, within / (within + between), "2 D s² / (2 D s² + mean ‖p_i‖²)")]


PROCESS = Prototypes
