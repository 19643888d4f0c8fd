"""What a known-answer process is: utterances to measure, and the exact values that the measurement should find.

A process draws its parameters once, from its kind and seed; utterances and answers both come from these realised
parameters, so that an answer is exact for the very process that was measured. Answers are those of the true density
and of unlimited data.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from latentdyn.errors import UserError
from latentdyn.families import PROCESSES
from latentdyn.progress import progress
from latentdyn.seeds import numpy_generator
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts

_DRAWS = 200_000
_BLOCK = 10_000


@dataclass(frozen=True)
class Answer:
    """What `metric` is at `horizon` for the true density, and where that comes from.

    formula: short, for a table's cell (so without a bar). error: Monte-Carlo standard error of `value`; 0 for closed
    forms and quadrature.
    """

    metric: str
    horizon: int | None
    value: float
    formula: str
    error: float = 0.0


class Process(Protocol):
    """A random process in R^D with realised parameters."""

    kind: str
    dim: int

    def utterance(self, n_frames: int, generator: np.random.Generator) -> np.ndarray: ...  # (T, D) float64

    def answers(self, horizons: Sequence[int]) -> list[Answer]: ...  # those that are known at these k


def build_process(settings: Mapping[str, Any]) -> Process:
    """The process that `settings` (kind, dim, seed and the kind's own options) describe.

    Raises:
        UserError: there is no such kind, or an option is out of its range.
    """
    options = {name: value for name, value in settings.items() if name not in ("kind", "dtype")}
    process: Process = PROCESSES.load(settings["kind"])(**options)
    return process


def write_process(
    settings: Mapping[str, Any],
    manifest: pd.DataFrame,
    handle: Path,
    frame_rate_hz: float,
    seed_names: tuple[object, ...],
) -> None:
    """Write one utterance of a process for each of the manifest's, as a representation.

    Args:
        settings: of the process, with the `dtype` that it is stored in.
        manifest: columns utterance_id, speaker_id, n_frames.
        seed_names: what names the draws; an utterance depends on these and its own id, not on the others.

    Raises:
        UserError: there is no such process, or an utterance overflows `dtype`.
    """
    process, dtype = build_process(settings), settings["dtype"]
    writer = LatentsWriter(handle, process.dim, frame_rate_hz, dtype, causal=True, **root_facts(settings))
    for row in progress(manifest.itertuples(index=False), total=len(manifest), unit="utterance"):
        with np.errstate(over="ignore", invalid="ignore"):  # an unstable process overflows: said below, with what to do
            latents = process.utterance(row.n_frames, numpy_generator(*seed_names, row.utterance_id)).astype(dtype)
        finite = np.isfinite(latents).all(axis=1)
        if not finite.all():
            raise UserError(
                f"the process {process.kind} overflows {dtype} after {np.argmin(finite)} frames",
                f"utterance {row.utterance_id}",
                "use float32, shorter utterances, or parameters that let it grow less",
            )
        writer.append(row.utterance_id, row.speaker_id, latents)
    writer.close()


def require(holds: bool, process: Process, option: str, value: object, rule: str) -> None:
    """Check an option of a process.

    Raises:
        UserError: `rule` does not hold of `value`.
    """
    if not holds:
        raise UserError(f"{option} is {value!r}", f"options of the process {process.kind}", f"make it {rule}")


def monte_carlo(draw: Callable[[int], np.ndarray]) -> tuple[float, float]:
    """Mean of independent draws and its standard error; `draw(n)` gives n of them."""
    values = np.concatenate([draw(_BLOCK) for _ in range(_DRAWS // _BLOCK)])
    return float(values.mean()), float(values.std(ddof=1)) / math.sqrt(len(values))
