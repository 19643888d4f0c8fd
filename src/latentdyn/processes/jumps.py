"""Sign-symmetric jumps Δx_t = a b_t u_t + s ε_t: a density predicts them, no mean does.

b_t = ±1 is fair, ε_t ~ N(0, I), and u_t = R Δx_{t-1} / ||Δx_{t-1}|| (R orthogonal) is uniform on the sphere and known
from two frames of context (W >= 2). E[Δx | c] = 0, so its R² is 0, its clusters explain nothing and its mean has no
direction (no cosine is stated); yet the axis of the jump is known.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy.integrate import quad
from scipy.stats import ortho_group

from latentdyn.processes.base import Answer, require
from latentdyn.seeds import numpy_generator


class Jumps:
    """The running sum of sign-symmetric jumps, from x_0 = 0."""

    kind = "jumps"

    def __init__(self, dim: int, seed: int, *, amplitude: float, noise: float) -> None:
        """
        Args:
            amplitude: a, the jump's length. noise: s, deviation of each dimension's noise.

        Raises:
            UserError: an option is out of its range.
        """
        self.dim, self.amplitude, self.noise = dim, amplitude, noise
        require(dim >= 1, self, "dim", dim, "at least 1")
        require(0 <= amplitude < math.inf, self, "amplitude", amplitude, "a number of at least 0")
        require(0 < noise < math.inf, self, "noise", noise, "a number above 0")
        self.rotation = ortho_group.rvs(dim, random_state=numpy_generator("process", self.kind, seed))

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray:
        """(T, D) frames."""
        delta = generator.standard_normal(self.dim)  # stands for Δx_0: any isotropic draw
        jumps = self.amplitude * generator.choice([-1.0, 1.0], n_frames)
        noise = self.noise * generator.standard_normal((n_frames, self.dim))
        x = np.zeros((n_frames, self.dim))
        for t in range(1, n_frames):
            direction = self.rotation @ delta
            delta = jumps[t] / np.linalg.norm(direction) * direction + noise[t]
            x[t] = x[t - 1] + delta
        return x

    def answers(self, horizons: Sequence[int]) -> list[Answer]:
        """At k = 1; for a staler context the jumps between blur the axis, and there is no closed form."""
        if 1 not in horizons:
            return []
        ratio = self.amplitude / self.noise
        information = sign_information(ratio)
        entropy = 0.5 * self.dim * math.log(2 * math.pi * math.e * self.noise**2) + information
        dnll = information - 0.5 * self.dim * math.log1p(ratio**2 / self.dim)
        return [
            Answer("nll", 1, entropy, "(D/2) ln(2πe s²) + I_b(a/s)"),
            Answer("dnll", 1, dnll, "I_b(a/s) - (D/2) ln(1 + a²/(D s²))"),
            Answer("dnll_full", 1, dnll, "that against the diagonal Gaussian: Δx is isotropic"),
            Answer("r2_delta", 1, 0.0, "the mean given the context is 0"),
            Answer("variance_ratio", 1, 1.0, "the mean given the context is 0"),
        ]


def sign_information(ratio: float) -> float:
    """Nats that ±ratio + N(0, 1) tells of its fair sign: I_b(ρ) = ln 2 - E ln(1 + e^{-2ρ(ρ+z)}), z ~ N(0, 1)."""

    def lost(z: float) -> float:
        return math.exp(-0.5 * z * z) * float(np.logaddexp(0.0, -2 * ratio * (ratio + z)))

    mean_lost, _ = quad(lost, -12, 12, limit=200)
    return math.log(2) - float(mean_lost) / math.sqrt(2 * math.pi)


PROCESS = Jumps
