"""What the seed documents expected in probabilities, what came out, and how good the forecasts were (Brier score).

The score of a forecast p of an outcome o (1 or 0) is (p - o)²: 0 is right and sure, 0.25 is what p = 0.5 always gets.
An outcome is entered only where a seed document says it; later updates of a forecast whose outcome was known by then
are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from latentdyn.reporting.sheet import Sheet

CHANCE = 0.25


@dataclass(frozen=True)
class Forecast:
    """source: where the probability stands. outcome: what came out, None as long as it is open. shown_by: where that is
    said, or why it is open."""

    source: str
    expected: str
    probability: float
    outcome: bool | None
    shown_by: str

    @property
    def brier(self) -> float | None:
        """(probability - outcome)², None of what is open."""
        return None if self.outcome is None else (self.probability - self.outcome) ** 2


_BETS, _TEAM, _NINE, _TEN = "seed 002 §9", "seed 004 §6", "seed 003 §4 (before Stage 1)", "seed 003 §4 (after Stage 1)"
_NO_ARCHETYPES, _NOT_RUN = "open: not tested before seed 003 §7", "open: planned in seed 003 §6"
_VMF, _GAIN = "cosine -.012 at step 16 (seed 003 §1.2)", "EnCodec's ΔNLL is .51 of Mimi's (seed 003 §1.3)"

FORECASTS = (
    Forecast(_BETS, "A predictor shows that latents can be predicted", 0.55, True, "ΔNLL -185.44 (seed 001, A)"),
    Forecast(_BETS, "A factorizer's z_dyn is easier to continue than raw Mimi", 0.65, None,
             "partly: a step ahead it is, rollouts explode all the same (seed 000 §5.2)"),
    Forecast(_BETS, "Engram helps for z_dyn", 0.45, None, _NO_ARCHETYPES),
    Forecast(_BETS, "The whole pipeline beats CALM", 0.25, None, "open"),
    Forecast(_TEAM, "vMF keeps its direction (cosine above .6 at step 16)", 0.60, False, _VMF),
    Forecast(_TEAM, "Archetypes exist (tightness above .75)", 0.50, None, _NO_ARCHETYPES),
    Forecast(_TEAM, "Memory as basis helps", 0.25, None, _NO_ARCHETYPES),
    Forecast(_TEAM, "Score-based correction makes rollouts more stable", 0.30, None, _NOT_RUN),
    Forecast(_TEAM, "Another representation more than doubles ΔNLL", 0.65, False, _GAIN),
    Forecast(_NINE, "vMF keeps its direction (cosine above .6 at step 16)", 0.50, False, _VMF),
    Forecast(_NINE, "Another representation more than doubles ΔNLL", 0.60, False, _GAIN),
    Forecast(_NINE, "A β-VAE alone is easier to continue than Mimi", 0.55, None, _NOT_RUN),
    Forecast(_NINE, "Losses on motion help beyond a β-VAE", 0.35, None, _NOT_RUN),
    Forecast(_NINE, "Score-based correction makes rollouts more stable", 0.35, None, _NOT_RUN),
    Forecast(_NINE, "A linear readout is as good as a learned encoder", 0.45, None, "open: no learned encoder yet"),
    Forecast(_TEN, "A β-VAE alone is easier to continue than Mimi", 0.50, None, _NOT_RUN),
    Forecast(_TEN, "Losses on motion help beyond a β-VAE", 0.40, None, _NOT_RUN),
    Forecast(_TEN, "Score-based correction makes rollouts more stable", 0.40, None, _NOT_RUN),
    Forecast(_TEN, "A linear readout is as good as a learned encoder", 0.25, None, "open: no learned encoder yet"),
    Forecast(_TEN, "It is fundamental to audio at 12.5 Hz", 0.30, None, "open"),
)  # fmt: skip


def mean_brier(forecasts: Sequence[Forecast] = FORECASTS) -> tuple[float, int]:
    """The mean score of those whose outcome is known, and how many these are.

    Raises:
        ValueError: none is.
    """
    scores = [forecast.brier for forecast in forecasts if forecast.brier is not None]
    if not scores:
        raise ValueError("no outcome is known")
    return sum(scores) / len(scores), len(scores)


def forecasts_sheet() -> Sheet:
    """A row for each forecast."""
    rows = pd.DataFrame(
        {"source": f.source, "expected": f.expected, "probability": f.probability,
         "outcome": {True: "yes", False: "no", None: "open"}[f.outcome], "brier": f.brier, "shown_by": f.shown_by}
        for f in FORECASTS
    )  # fmt: skip
    mean, n = mean_brier()
    notes = [
        f"Of {len(rows)} forecasts of the seed documents, {n} have an outcome that these documents tell. Their mean "
        f"Brier score is {mean:.3f}; always saying one half gets {CHANCE}. Lower is better. Two documents forecast the "
        "same things, so that the scores are not independent."
    ]
    return Sheet(
        rows, notes, {"probability": 2, "brier": 4}, caption="What the seed documents expected, and what came out."
    )
