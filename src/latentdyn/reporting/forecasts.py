"""What the seed documents expected in probabilities, what came out, and how good the forecasts were (Brier score).

The score of a forecast p of an outcome o (1 or 0) is (p - o)²: 0 is right and sure, 0.25 is what p = 0.5 always gets.
An outcome is entered only where a seed document says it; later updates of a forecast whose outcome was known by then
are left out. What the tables of a run say stands beside it, and is never scored: it is of other data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from latentdyn.reporting.gates import compare
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.stored import StoredSheet

CHANCE = 0.25
_ANSWERS = {"met": "yes", "not met": "no", "undecided": "undecided", "yes": "yes", "no": "no", "unknown": "undecided"}


@dataclass(frozen=True)
class Asked:
    """The rows of a run that answer a forecast: it came true where one of them says yes.

    kind: of the tables that hold them. where: values that columns have there. predictor: only rows of predictors of
    this kind. value: the column with the number. verdict: that with the answer; without one, it is whether the number
    is below 0. opposite: the forecast came true where no row says yes.
    """

    told: str
    kind: str
    value: str
    where: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    predictor: str | None = None
    verdict: str | None = None
    opposite: bool = False


def _gate(*names: str, predictor: str | None = None, opposite: bool = False) -> Asked:
    """Gates of gates.yaml, one of which is enough."""
    return Asked(" or ".join(names), "gates", "measured", {"gate": names}, predictor, "verdict", opposite)


@dataclass(frozen=True)
class Forecast:
    """source: where the probability stands. outcome: what came out, None as long as it is open. shown_by: where that is
    said, or why it is open. asked: what of a run answers it; None where nothing does."""

    source: str
    expected: str
    probability: float
    outcome: bool | None
    shown_by: str
    asked: Asked | None = None

    @property
    def brier(self) -> float | None:
        """(probability - outcome)², None of what is open."""
        return None if self.outcome is None else (self.probability - self.outcome) ** 2


_BETS, _TEAM, _NINE, _TEN = "seed 002 §9", "seed 004 §6", "seed 003 §4 (before Stage 1)", "seed 003 §4 (after Stage 1)"
_NO_ARCHETYPES, _NOT_RUN = "open: not tested before seed 003 §9", "open: planned in seed 003 §6"
_NO_ENCODER = "open: no learned encoder yet"
_TIGHT, _HELPS = _gate("archetypes_tight"), _gate("correction_improves")
_MORE, _KEPT = _gate("representation_gain"), _gate("direction_sustained", predictor="vmf_lognormal")
_TERMS, _LINEAR = _gate("smooth_term_helps", "prediction_term_helps"), _gate("vae_beats_projection", opposite=True)
_GAINS = Asked("level_gain_over_shuffled below 0", "lagged", "level_gain_over_shuffled", {"k": (1,), "slice": ("all",)})
# only the mean direction of a vMF can have a basis
_BASIS = Asked("helps (kind memory)", "memory", "over_widened", predictor="vmf_lognormal", verdict="helps")
_VMF, _GAIN = "cosine -.012 at step 16 (seed 003 §1.2)", "EnCodec's ΔNLL is .51 of Mimi's (seed 003 §1.3)"

FORECASTS = (
    Forecast(_BETS, "A predictor shows that latents can be predicted", 0.55, True, "ΔNLL -185.44 (seed 001, A)",
             _GAINS),
    Forecast(_BETS, "A factorizer's z_dyn is easier to continue than raw Mimi", 0.65, None,
             "partly: a step ahead it is, rollouts explode all the same (seed 000 §5.2)"),
    Forecast(_BETS, "Engram helps for z_dyn", 0.45, None, _NO_ARCHETYPES),
    Forecast(_BETS, "The whole pipeline beats CALM", 0.25, None, "open"),
    Forecast(_TEAM, "vMF keeps its direction (cosine above .6 at step 16)", 0.60, False, _VMF, _KEPT),
    Forecast(_TEAM, "Archetypes exist (tightness above .75)", 0.50, None, _NO_ARCHETYPES, _TIGHT),
    Forecast(_TEAM, "Memory as basis helps", 0.25, None, _NO_ARCHETYPES, _BASIS),
    Forecast(_TEAM, "Score-based correction makes rollouts more stable", 0.30, None, _NOT_RUN, _HELPS),
    Forecast(_TEAM, "Another representation more than doubles ΔNLL", 0.65, False, _GAIN, _MORE),
    Forecast(_NINE, "vMF keeps its direction (cosine above .6 at step 16)", 0.50, False, _VMF, _KEPT),
    Forecast(_NINE, "Another representation more than doubles ΔNLL", 0.60, False, _GAIN, _MORE),
    Forecast(_NINE, "A β-VAE alone is easier to continue than Mimi", 0.55, None, _NOT_RUN),
    Forecast(_NINE, "Losses on motion help beyond a β-VAE", 0.35, None, _NOT_RUN, _TERMS),
    Forecast(_NINE, "Score-based correction makes rollouts more stable", 0.35, None, _NOT_RUN, _HELPS),
    Forecast(_NINE, "A linear readout is as good as a learned encoder", 0.45, None, _NO_ENCODER, _LINEAR),
    Forecast(_TEN, "A β-VAE alone is easier to continue than Mimi", 0.50, None, _NOT_RUN),
    Forecast(_TEN, "Losses on motion help beyond a β-VAE", 0.40, None, _NOT_RUN, _TERMS),
    Forecast(_TEN, "Score-based correction makes rollouts more stable", 0.40, None, _NOT_RUN, _HELPS),
    Forecast(_TEN, "A linear readout is as good as a learned encoder", 0.25, None, _NO_ENCODER, _LINEAR),
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


def forecasts_sheet(tables: Sequence[StoredSheet] = ()) -> Sheet:
    """A row for each forecast, with what these tables of a run say of it."""
    rows = pd.DataFrame(
        {"source": f.source, "expected": f.expected, "probability": f.probability,
         "outcome": {True: "yes", False: "no", None: "open"}[f.outcome], "brier": f.brier,
         **_said(f.asked, tables), "shown_by": f.shown_by}
        for f in FORECASTS
    )  # fmt: skip
    mean, n = mean_brier()
    notes = [
        f"Of {len(rows)} forecasts of the seed documents, {n} have an `outcome` that these documents tell. Their mean "
        f"Brier score is {mean:.3f}; always saying one half gets {CHANCE}. Lower is better. Two documents forecast the "
        "same things, so that the scores are not independent. Only published outcomes are scored.",
        "`this_run` is what the tables of this run say, on its own speech and representations: `yes` where some row "
        "answers `asked` with yes, `undecided` where none does and some is undecided, else `no`; `met` says how many "
        "rows do, of how many. `vae_beats_projection` is turned round, since the forecast is that no learned encoder "
        "is better. The number, with its 95 % interval, is that of the row that comes nearest to a yes, or goes "
        "farthest beyond it. With many rows, one may say yes by chance. Controls (surrogates), speakers of training "
        "and rows that are not comparable do not count. Where `asked` is empty, nothing in this run asks it.",
    ]  # fmt: skip
    return Sheet(
        rows, notes, {"probability": 2, "brier": 4, "measured": 3, "ci_low": 3, "ci_high": 3},
        caption="What the seed documents expected, what came out, and what this run says.", by=("source",),
    )  # fmt: skip


def _said(asked: Asked | None, tables: Sequence[StoredSheet]) -> dict[str, Any]:
    """What a run says of a forecast: the answer, and the row that speaks most for a yes among those that give it."""
    found = list(_answers(asked, tables)) if asked else []
    words = [row["word"] for row in found]
    word = next((word for word in ("yes", "undecided", "no") if word in words), "not measured")
    shown = max((row for row in found if row["word"] == word), key=lambda row: row["for_it"], default={})
    turned = {"yes": "no", "no": "yes"} if asked and asked.opposite else {}
    threshold = f" ({shown['threshold']})" if shown.get("threshold") else ""
    return {
        "this_run": turned.get(word, word),
        **{name: shown.get(name) for name in ("measured", "ci_low", "ci_high", "representation", "predictor")},
        "met": f"{words.count('yes')} of {len(words)}" if found else None,
        "asked": asked and asked.told + threshold,
    }


def _answers(asked: Asked, tables: Sequence[StoredSheet]) -> Iterator[dict[str, Any]]:
    """What each row that was measured says. for_it: the larger, the more it speaks for a yes."""
    for table in tables:
        rows = table.sheet.rows
        needed = {"representation", "predictor", asked.value, *asked.where}
        if table.settings.get("kind") != asked.kind or not needed <= set(rows):
            continue
        kinds = table.plan.get("kinds", {}).get("predictors", {})
        for name, values in asked.where.items():
            rows = rows[rows[name].isin(values)]
        bounds = [f"{asked.value}_ci_low", f"{asked.value}_ci_high"]
        bounds = bounds if set(bounds) <= set(rows) else ["ci_low", "ci_high"]
        for row in rows[rows[asked.value].notna()].to_dict("records"):
            low, high = (None if pd.isna(row[name]) else float(row[name]) for name in bounds)
            value, own = float(row[asked.value]), row["predictor"] if isinstance(row["predictor"], str) else None
            verdict = row[asked.verdict] if asked.verdict else compare(value, low, high, "<", 0.0).verdict
            control = (
                "__" in row["representation"] or row.get("split", "eval") != "eval" or row.get("origin") == "published"
            )
            if control or verdict not in _ANSWERS:
                continue
            if asked.predictor and kinds.get(own) != asked.predictor:
                continue
            yield {
                "word": _ANSWERS[verdict],
                "measured": value,
                "ci_low": low,
                "ci_high": high,
                "representation": row["representation"],
                "predictor": own,
                "threshold": f"{row['comparison']} {row['threshold']:g}" if "threshold" in row else "",
                "for_it": value if row.get("comparison") == ">" else -value,
            }
