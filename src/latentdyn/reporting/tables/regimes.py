"""What a training regime does to forecasts, beside teacher forcing for as many steps.

A row is a representation (or a surrogate of one), a predictor and a split. The predictors are arms: each continues one
predictor by a regime of its own. One of them, the control, continues it by teacher forcing, so that what the others
gain is not what more training gives.
"""

from typing import Any

import pandas as pd

from latentdyn.reporting.measurements import Comparison, Measurements, unmeasured
from latentdyn.reporting.published_injection import INJECTION, PHASE_4
from latentdyn.reporting.sheet import Sheet
from latentdyn.reporting.tables.injection import published_beside

# columns: metric, mode of diagnostics.injection
_VALUES = {
    **{f"{metric}_A": (metric, "A") for metric in ("dnll", "cosine", "magnitude_ratio")},
    **{f"{metric}_D": (metric, "D") for metric in ("dnll", "cosine", "magnitude_ratio", "state_error_normalised")},
    **{metric: (metric, "D") for metric in ("skill", "divergence_horizon")},
    **{f"{metric}_D_sampled": (metric, "D_sampled") for metric in ("dnll", "state_error_normalised")},
}
_DIFFERENCES = ("dnll_D", "cosine_D", "state_error_normalised_D", "dnll_A")
_PUBLISHED = {
    **{column: _VALUES[column] for column in ("dnll_A", "cosine_A", "magnitude_ratio_A", "dnll_D", "cosine_D")},
    "shrinkage": ("shrinkage", "D"),
}
_DECIMALS = {"shrinkage": 4, "published_shrinkage": 4}
_TWO_DECIMALS = ("dnll", "horizon")


def tabulate(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> Sheet:
    """The sheet of one table.

    Args:
        found, table: as for the lagged one. about: corpus; rows; kinds; steps, how long each predictor is trained.

    Raises:
        UserError: nothing was measured for a row, or an arm was measured on other speakers than the control.
    """
    rows = regime_rows(found, table, about).dropna(axis="columns", how="all")
    decimals = {
        str(name): 2 if any(word in str(name) for word in _TWO_DECIMALS) else 3
        for name in rows
        if pd.api.types.is_float_dtype(rows[name])
    }
    return Sheet(rows, _notes(rows, table, about), decimals | {n: d for n, d in _DECIMALS.items() if n in rows})


def regime_rows(found: Measurements, table: dict[str, Any], about: dict[str, Any]) -> pd.DataFrame:
    """A row for each representation, predictor and split; of the control, no differences."""
    against = table["against"]
    rows = []
    for representation in about["rows"]:
        for predictor in table["predictors"]:
            for split in table["splits"]:
                keys = {"representation": representation, "predictor": predictor, "split": split}
                sides = []
                for side in (keys, {**keys, "predictor": against}):
                    sides.append(found.where(**side, seed=table["seeds"]))
                    if sides[-1].where(mode="D").records.empty:
                        raise unmeasured(side)
                rows.append(_row(sides[0], None if predictor == against else sides[1], keys, about))
    return pd.DataFrame(rows).astype({"steps": "Int64"})


def _row(
    here: Measurements, control: Measurements | None, keys: dict[str, Any], about: dict[str, Any]
) -> dict[str, Any]:
    forecasts = _pooled(here, "D")
    row: dict[str, Any] = {
        **keys,
        "regime": here.records.regime.iloc[0],
        "steps": about["steps"].get(keys["predictor"]),
        "n": int(forecasts.records.n[forecasts.records.metric == "dnll"].iloc[0]),
    }
    row |= {column: _pooled(here, mode).over_seeds(metric) for column, (metric, mode) in _VALUES.items()}
    row["nonfinite_D"] = round(forecasts.over_seeds("nonfinite") or 0)
    if control is not None:
        row |= _with_interval("shrinkage", forecasts.ratio(_pooled(control, "D"), "magnitude_ratio"))
        for column in _DIFFERENCES:
            metric, mode = _VALUES[column]
            row |= _with_interval(f"d_{column}", _pooled(here, mode).difference(_pooled(control, mode), metric))
    for column, (metric, mode) in _PUBLISHED.items():
        place = {**keys, "mode": mode, "step": None}
        row[f"published_{column}"] = published_beside(here, place, about, metric)
    return row


def _pooled(measured: Measurements, mode: str) -> Measurements:
    """Of a mode, all steps together."""
    return measured.where(mode=mode).at_step(None)


def _with_interval(name: str, compared: Comparison | None) -> dict[str, float]:
    if compared is None:
        return {}
    return {name: compared.value, f"{name}_ci_low": compared.ci_low, f"{name}_ci_high": compared.ci_high}


def _notes(rows: pd.DataFrame, table: dict[str, Any], about: dict[str, Any]) -> list[str]:
    against = table["against"]
    notes = [
        f"Corpus `{about['corpus']}`. Each row is a predictor that was trained on by its `regime` for `steps` "
        f"optimisation steps at most; `{against}` is the control, by teacher forcing. `.._A`: every step starts from "
        "truth; `.._D`: forecasts by the mean, `.._D_sampled` by draws, all on the true Δx and pooled over steps. "
        "`dnll` is in nats/frame against a diagonal Gaussian (negative is good); `state_error_normalised` is over the "
        "data's spread, above which the forecast is lost; `divergence_horizon` is the first step lost. `nonfinite_D` "
        "counts frames that left the range of floats; their mean is an `overflow`.",
        "`d_..` is the row less the control, on the same frames, with a 95 % bootstrap interval that draws the same "
        "speakers for both; several seeds are pooled. Everything fitted saw training speakers only.",
        "`shrinkage` is the forecast's `magnitude_ratio_D` over the control's. A ΔNLL that comes down to 0 while steps "
        "shrink is mean collapse: the forecast stays where it is, and is no better for being bounded. Steps by the "
        "mean shrink even of the true model, as far as its ceiling does (see the figure).",
        "A cosine in D is bounded by the ceiling, the lagged predictor fitted to a context as stale as the step is far "
        "(`skill` is the cosine over it): no regime can bring back what the start does not tell.",
    ]
    control = about["steps"].get(against)
    unequal = [
        f"`{name}` ({'no' if steps is None else steps} steps)"
        for name, steps in ((name, about["steps"].get(name)) for name in table["predictors"])
        if steps != control
    ]
    if unequal:
        notes.append(
            f"**Not at equal steps:** the control was trained for {control}, but {', '.join(unequal)}: such a "
            "difference may be that of longer or shorter training."
        )
    if any(name.startswith("published") for name in rows):
        phase_4 = {(e.mode, e.regime, e.metric): e.value for e in INJECTION if e.source == PHASE_4}
        before, after = (phase_4["D", regime, "dnll"] for regime in ("teacher_forced", "unrolled"))
        notes.append(
            f"Published, on other speech, splits and runs: of unrolled training, {PHASE_4} (forecasts' ΔNLL "
            f"{before:+g} before, {after:+g} after; its shrinkage is against itself before, not against a control); of "
            "scheduled sampling, Exp 1B (seed 003 §1.2), whose ΔNLL is of direction and length apart and left out; of "
            "teacher forcing, seed 003, Appendix A."
        )
    return notes
