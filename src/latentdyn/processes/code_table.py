"""Frames about anchors, whose next anchor stands in a random table: x_t = a_{c_t} + η_t, and c_t follows from the n
codes before it. What a lookup by n-grams can learn, and a rule cannot tell.

The codes walk round one cycle in which every n-gram of codes occurs once, drawn at random (an Euler circuit). So the
last n codes tell the next one for certain, and the last n - 1 tell nothing: each code follows them once.
"""

import math
from collections.abc import Sequence

import numpy as np

from latentdyn.processes.base import Answer, require
from latentdyn.seeds import numpy_generator


class CodeTable:
    """Noisy walks round the cycle, from a uniform start."""

    kind = "code_table"

    def __init__(self, dim: int, seed: int, *, n_codes: int, ngram: int, separation: float, noise: float) -> None:
        """
        Args:
            n_codes: C, anchors. ngram: n, codes that tell the next one. separation: deviation of each dimension of the
                anchors. noise: deviation of each dimension of η.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.noise = dim, noise
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(n_codes >= 2, self, "n_codes", n_codes, "at least 2")
        require(
            ngram >= 1 and n_codes**ngram <= 1_000_000, self, "ngram", ngram, "1 or more, with n_codes^ngram <= 1e6"
        )
        require(0 < separation < math.inf, self, "separation", separation, "a number above 0")
        require(0 < noise < math.inf, self, "noise", noise, "a number above 0")
        generator = numpy_generator("process", self.kind, seed)
        self.anchors = separation * generator.standard_normal((n_codes, dim))  # (C, D)
        self.cycle = code_cycle(n_codes, ngram, generator)

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        codes = walk(self.cycle, n_frames, generator)
        frames: np.ndarray = self.anchors[codes] + self.noise * generator.standard_normal((n_frames, self.dim))
        return frames

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At k = 1, of a context of at least n frames that tells its codes: anchors lie far apart beside the noise."""
        if 1 not in horizons:
            return []
        steps = self.anchors[self.cycle] - self.anchors[np.roll(self.cycle, 1)]  # their mean is 0: the cycle closes
        g = steps.T @ steps / len(steps) + 2 * self.noise**2 * np.eye(self.dim)
        log_noise = self.dim * math.log(self.noise)
        diagonal, full = 0.5 * float(np.log(np.diagonal(g)).sum()), 0.5 * float(np.linalg.slogdet(g)[1])
        explained = 1 - self.dim * self.noise**2 / float(np.trace(g))
        return [
            Answer("nll", 1, 0.5 * self.dim * math.log(2 * math.pi * math.e) + log_noise, "(D/2) ln(2πe s²)"),
            Answer("dnll", 1, log_noise - diagonal, "½ [D ln s² - Σ ln G_ii]"),
            Answer("dnll_full", 1, log_noise - full, "½ [D ln s² - ln det G]"),
            Answer("r2_delta", 1, explained, "1 - D s² / tr G"),
        ]


PROCESS = CodeTable


def code_cycle(n_codes: int, n: int, generator: np.random.Generator) -> np.ndarray:
    """A random cycle of codes (C^n,) in which every n-gram occurs once, the end joined to the start.

    An n-gram is an edge from its first n - 1 codes to its last n - 1. Each of these nodes has C edges in and C out, so
    that one circuit goes through all edges (Hierholzer's method, with the edges of each node in random order).
    """
    nodes = n_codes ** (n - 1)
    left = generator.permuted(np.tile(np.arange(n_codes), (nodes, 1)), axis=1).tolist()
    codes, way = [], [(0, -1)]  # nodes on the way, each with the code that led there
    while way:
        node, code = way[-1]
        if left[node]:
            following = left[node].pop()
            way.append(((node * n_codes + following) % nodes, following))
        else:
            codes.append(code)
            way.pop()
    return np.array(codes[-2::-1])  # found from the end; no code led to the first node


def walk(cycle: np.ndarray, n_frames: int, generator: np.random.Generator) -> np.ndarray:
    """Codes (n_frames,) along the cycle, from a uniform start."""
    codes: np.ndarray = cycle[(generator.integers(len(cycle)) + np.arange(n_frames)) % len(cycle)]
    return codes
