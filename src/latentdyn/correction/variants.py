"""How a state is corrected, by name: the Langevin step, its parts, controls, and none. Light: tables ask for names."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

KINDS = ("none", "langevin", "noise_only", "score_only", "gaussian_only", "shrink_only")
FORECASTS = ("D", "D_sampled")  # modes of injection that are corrected: by the mean, by draws


@dataclass(frozen=True)
class SamplingSettings:
    """The part of a correction's section that says how it is applied.

    sigmas: levels at which the score is taken, in deviations of the training frames. step_size: η / σ². n_steps: after
    every frame of a forecast.
    """

    sigmas: Sequence[float]
    step_size: float
    n_steps: Sequence[int]

    def variants(self) -> list["Variant"]:
        """None first, then every other kind, number of steps and level."""
        return [
            Variant("none"),
            *(Variant(kind, n, sigma) for kind, sigma, n in product(KINDS[1:], self.sigmas, self.n_steps)),
        ]


@dataclass(frozen=True)
class Variant:
    """One way to correct: a kind, and of all but `none` how many steps at which level."""

    kind: str
    n_steps: int | None = None
    sigma: float | None = None

    def place(self) -> dict[str, Any]:
        """The fields that records and sums of a forecast have which is corrected like this."""
        return {"correction": self.kind, "langevin_steps": self.n_steps, "sigma": self.sigma}
