"""The injection table (seed 003, Appendix A): a forecast's steps pooled, by when truth was injected, over its ceiling.

A row is a representation (or a surrogate of one), a predictor, a split and a mode (see diagnostics.injection).
"""

from typing import Any

import pandas as pd

from latentdyn.reporting.measurements import Measurements, unmeasured
from latentdyn.reporting.published_injection import EXP_4, INJECTION, SPLIT, published_injection
from latentdyn.reporting.reference import PUBLISHED_FRAME_RATE_HZ
from latentdyn.reporting.sheet import Sheet

MODES = ("A", "B", "C", "D", "D_median", "D_sampled", "ceiling")
_WITH_INTERVALS = ("dnll", "cosine", "magnitude_ratio", "state_error", "state_error_normalised", "skill", "skill_nats",
                   "reset_dnll", "reset_cosine", "divergence_horizon")  # fmt: skip
_MEDIANS = ("dnll_median", "magnitude_ratio_median", "state_error_median")
_PUBLISHED = ("dnll", "cosine", "magnitude_ratio", "state_error")
_THREE_DECIMALS = ("cosine", "skill", "magnitude_ratio", "normalised")


def tabulate(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Sheet:
    """The sheet of one table; arguments as for the lagged one.

    Raises:
        UserError: nothing was measured for a row.
    """
    rows = injection_rows(found, table, about)
    pooled = rows[rows["step"].isna()].drop(columns=["step", "ceiling_dnll", "ceiling_cosine"])
    pooled = pooled.dropna(axis="columns", how="all")
    notes = [
        *injection_notes(pooled, about),
        "`skill` is the cosine over the ceiling's on the steps that have one, `skill_nats` the same of `dnll`; above "
        "1, the ceiling, which is fitted too, is what falls short. "
        "`reset_..` is an injected step of mode B less the one before. `divergence_horizon` is the first step whose "
        "mean cosine is within 2 standard errors of chance or whose mean state error exceeds the data's spread; "
        "one more than there are steps: never. A ceiling falls to chance too, and its horizon bounds a forecast's.",
    ]
    return Sheet(pooled, notes, injection_decimals(pooled))


def injection_rows(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor, split, mode and step; step None is all of them pooled."""
    rows = []
    for representation in about["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                here = found.where(**keys, seed=table["seeds"])
                modes = [mode for mode in MODES if (here.records["mode"] == mode).any()]
                if not modes:
                    raise unmeasured(keys)
                for mode in modes:
                    mine = here.where(mode=mode)
                    steps = mine.records.loc[mine.records.metric == "dnll", "step"].dropna().unique()
                    rows += [_row(here, {**keys, "mode": mode, "step": s}, about) for s in (None, *sorted(steps))]
    return pd.DataFrame(rows).astype({"step": "Int64"})


def _row(here: Measurements, keys: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    mine, ceiling = (here.where(mode=mode).at_step(keys["step"]) for mode in (keys["mode"], "ceiling"))
    counted = mine.records[mine.records.metric == "dnll"]
    row: dict[str, Any] = {**keys, "n": int(counted.n.iloc[0])}
    for metric in _WITH_INTERVALS:
        row[metric] = mine.over_seeds(metric)
        row |= {f"{metric}_ci_{bound}": mine.over_seeds(metric, f"ci_{bound}") for bound in ("low", "high")}
    row |= {metric: mine.over_seeds(metric) for metric in _MEDIANS}
    row |= {f"ceiling_{metric}": ceiling.over_seeds(metric) for metric in ("dnll", "cosine")}
    row["nonfinite"] = round(mine.over_seeds("nonfinite") or 0)
    frame_rate_hz = here.over_seeds("frame_rate_hz")
    row["ms_per_step"] = 1000 / frame_rate_hz if frame_rate_hz else None
    row |= {f"published_{metric}": published_beside(here, keys, about, metric) for metric in _PUBLISHED}
    return row


def published_beside(here: Measurements, keys: dict[str, Any], about: dict[str, Any], metric: str) -> float | None:
    """The published value for the row of these keys (representation, predictor, split, mode, step), or None.

    Only beside a row of the same kind, dimension, regime and frame rate. Of two published runs the first.
    """
    kinds = about["kinds"]
    values = published_injection(
        kinds["representations"].get(keys["representation"]), round(here.over_seeds("dim") or 0),
        kinds["predictors"][keys["predictor"]], here.records.regime.iloc[0], keys["mode"], keys["step"], metric,
    )  # fmt: skip
    comparable = keys["split"] == SPLIT and here.over_seeds("frame_rate_hz") == PUBLISHED_FRAME_RATE_HZ
    return values[0] if values and comparable else None


def injection_decimals(rows: pd.DataFrame) -> dict[str, int]:
    return {
        name: 3 if any(word in name for word in _THREE_DECIMALS) else 2
        for name in rows
        if pd.api.types.is_float_dtype(rows[name])
    }


def injection_notes(rows: pd.DataFrame, about: dict[str, Any]) -> list[str]:
    """What a reader of either table of this diagnostic must know."""
    notes = [
        f"Corpus `{about['corpus']}`. Forecasts of `ms_per_step` a step. Truth replaces the state that a step starts "
        "from: A at every step (teacher forcing), B at some, C at step 1 only, D at none; what is before step 1 is "
        "true in every mode, so that C equals D, and `state_error` (of the state a step starts from) is 0 at step 1. "
        "`D_median`: steps by the median, `D_sampled`: by draws; the others by the mean.",
        "All are scored on the true Δx; `dnll` (nats/frame, negative is good) against a diagonal Gaussian of training "
        "deltas. `ceiling` is no forecast: at step h it is the predictor fitted to contexts that are k = h frames "
        "stale, on the same frames, which knows just what a forecast from x_0 knows; pooled are those h for which "
        "there is one. A cosine that falls with h is no failure where the ceiling falls alike; a state error beyond "
        "the data's spread (`state_error_normalised` above 1; above 1.41 for draws) is.",
        "Intervals are 95 % bootstraps over speakers; everything fitted saw training speakers only. `overflow` is a "
        "mean over frames of which `nonfinite` left the range of floats.",
    ]
    if any(name.startswith("published") and rows[name].notna().any() for name in rows):
        second = [f"{e.metric} {e.value:g} ({e.mode})" for e in INJECTION if e.source == EXP_4 and e.dim == 512]
        notes.append(
            "Published: seed document 003, Appendix A, and 004 §2 for unrolled training (other speech, splits and "
            f"runs). Raw Mimi's MDN was run twice; printed is Exp 3, Exp 4 gave {', '.join(second)}. The ΔNLL of the "
            "vMF x LogNormal was published for direction and length apart, not for a density on R^D, and is left out."
        )
    return notes
