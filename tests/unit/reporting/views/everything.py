"""Measurements of everything that any view may ask for, on one representation: for tests that hold for every view."""

import functools
import math
from dataclasses import asdict
from itertools import product
from typing import Any

import pandas as pd

from latentdyn.diagnostics.records import RECORDS, SUMS, WORST_FRAMES, record
from latentdyn.diagnostics.summaries import QUANTILES, quantile_name
from latentdyn.families import VIEWS
from latentdyn.metrics import DIM, FRAME_RATE_HZ, LAGGED_COLUMNS, MEASURED
from latentdyn.reporting.measurements import Measurements
from tests.settings import settings_of

KINDS = VIEWS.kinds()
# units of what counts, and of facts of the latents: they cannot overflow
_COUNTED = {"frames", "speakers", "dimensions", "Hz", "utterances", "segments", "clusters", "steps", "parameters"}
_PARTS = {  # by kind of measurement; of others, the median
    "rate_quality": (),
    "lagged": ("median", "trimmed", "min", "max", "nonfinite", "top8", *map(quantile_name, QUANTILES)),
    "clusters": ("permuted", "top8"),
}
_FORECASTS = ("injection", "corrections", "free_runs")
_MODES = ("A", "B", "C", "D", "D_median", "D_sampled", "ceiling", "sampled", "mean", "median", "data", "half",
          "phase_randomised", "marginal")  # fmt: skip
_CORRECTIONS = (
    {},
    {"correction": "none"},
    {"correction": "langevin", "langevin_steps": 2, "sigma": 0.5},
    {"correction": "score_only", "langevin_steps": 2, "sigma": 0.5},
)


def table_of(kind: str) -> dict[str, Any]:
    """A config's section for a table of this kind with as few rows as it can have: every setting that any kind has."""
    table = {
        "kind": kind, "representations": ["r"], "surrogates": [], "predictors": ["p"], "keys": ["key"], "seeds": [0],
        "splits": ["eval"], "slices": ["all"], "horizons": [1], "columns": list(LAGGED_COLUMNS), "metrics": ["dnll"],
        "variants": ["none", "langevin"], "correction": "k", "against": "p", "reference": None, "tolerance": 0.02,
        "untrained": False, "parts": {}, "groups": ["geometry", "injection", "free_runs", "perception"],
    }  # fmt: skip
    if kind == "calibration":
        return {**table, "predictors": {"r": "p"}, "keys": {}, "geometry": [], "judged": [], "readouts": [],
                "state_information": [], "factorizers": {}}  # fmt: skip
    if kind == "learned":
        return {**table, "reference": "r", "groups": ["perception", "state_information"]}
    if kind in ("paired", "regimes"):  # a pair is two
        return {**table, "predictors": ["p", "q"]}
    return table


def plan_of(lineage: str = "var", predictor: str = "linear_gaussian", key: str = "mean_pool") -> dict[str, Any]:
    """What a config plans for such a table: everything that any kind has."""
    predictors = {"p": predictor, "q": predictor}
    return {
        "corpus": "c",
        "bootstrap_resamples": 20,
        "rows": ["r"],
        "kinds": {"representations": {"r": lineage}, "predictors": predictors, "keys": {"key": key}},
        "steps": {"p": 5, "q": 5},
        "arms": {"p": {"target": "step", "linear_skip": "none", "target_axes": "natural"}},
        "objectives": {},
        "unheard": {},
        "window_frames": 8,
        "sampling": {"sigmas": [0.5], "step_size": 0.2, "n_steps": [2]},
        "shown": {
            "about": "All.",
            "caption": "All",
            "columns": [],
            "drawn": ["dnll", "energy"],
            "axis": "step",
            "across": None,
            "differences": [],
        },
        "processes": {"r": settings_of("representations", "var", dim=2, radius=0.5)},
    }


@functools.cache
def everything(value: float = 0.5, regime: str = "teacher_forced") -> Measurements:
    """Every metric that can overflow has this value, and no interval, as with a single speaker."""
    places = [("lagged", {"horizon": 1}), ("corrections", {"sigma": 0.5})]
    places += [
        (kind, {"mode": mode, "step": step, **correction})
        for kind, mode, step, correction in product(_FORECASTS, _MODES, (None, 1, 16), _CORRECTIONS)
        if not correction or (kind != "injection" and mode in ("D", "D_sampled"))
    ]
    places.append(("generation_cost", {"horizon": 1}))
    measured = [(by, kind, place) for by in ("p", "q") for kind, place in places]
    measured += [("p__unconditional", "lagged", {"horizon": 1}), ("key", "clusters", {"horizon": 1, "clusters": 64})]
    measured += [
        ("r", "tokens", {}),
        ("r", "geometry", {"horizon": 1}),
        ("r", "rate_quality", {"mode": "noisy", "sigma": 0.5}),
    ]
    measured += [
        ("r", "learned", {"mode": mode, "horizon": 1}) for mode in ("exact", "frame", "window", "cca", "noisy")
    ]
    measured += [("r", "state_information", {"mode": mode, "horizon": 1}) for mode in ("frame", "window")]
    measured += [
        ("r", "decoder_tolerance", place) for place in ({"mode": "noisy", "sigma": 0.0}, {"mode": "reconstruction"})
    ]
    facts = {DIM.name: 512.0, FRAME_RATE_HZ.name: 12.5}
    records, sums = [], []
    for by, kind, place in measured:
        who = {"measurement": kind, "corpus": "c", "representation": "r", "by": by, "seed": 0,
               "regime": "clustered" if by == "key" else regime}  # fmt: skip
        where = {"split": "eval", "slice": "all", **place}
        for metric in MEASURED[kind]:
            for part in (metric, *map(metric.part, _PARTS.get(kind, ("median",)))):
                given = facts.get(part.name, 2.0) if part.unit in _COUNTED else value
                records.append({**who, **asdict(record(part, given, 10, **where))})
            total = {"metric": metric.name, "speaker_id": "s", "total": 10 * value, "n": 10}
            sums.append({**who, **where, **total})
    finite = None if math.isinf(value) else value
    worst = {"measurement": "lagged", "corpus": "c", "representation": "r", "by": "p", "regime": regime, "seed": 0,
             "split": "eval", "horizon": 1, "utterance_id": "u", "t": 3, "time_s": 0.24, "nll": finite, "dnll": finite,
             "delta_norm": 1.0}  # fmt: skip
    return Measurements(
        pd.DataFrame(records, columns=list(RECORDS)).astype(RECORDS),
        pd.DataFrame(sums, columns=list(SUMS)).astype(SUMS),
        pd.DataFrame([worst], columns=list(WORST_FRAMES)),
        resamples=20,
    )


def nothing() -> Measurements:
    """As `everything`, without a row."""
    whole = everything()
    return Measurements(whole.records[:0], whole.speakers[:0], whole.worst_frames[:0], resamples=20)
