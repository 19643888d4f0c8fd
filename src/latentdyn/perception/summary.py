"""From outcomes of single utterances to records with speaker intervals, sums by speaker, and a list of what failed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval
from latentdyn.diagnostics.records import Record, record
from latentdyn.metrics import UNSCORED, metric
from latentdyn.perception.scores import SCORES
from latentdyn.seeds import numpy_generator

PLACES = ["mode", "step", "sigma", "slice"]
UNSCORED_COLUMNS = ["utterance_id", *PLACES, "metric", "reason"]


def summarise(
    table: pd.DataFrame, split: str, resamples: int, names: tuple[object, ...]
) -> tuple[list[Record], pd.DataFrame]:
    """Records and sums by speaker of outcomes (columns of `listening.outcomes_table`), by their places.

    A score is the sum of totals over the sum of counts; n is that sum of counts. An interval resamples the speakers
    that have a score; where they are the same, so are the resamples. `unscored` counts the outcomes without a score; n
    is how many were tried.
    """
    sums = table.groupby([*PLACES, "metric", "speaker_id"], sort=False, dropna=False)[["total", "count"]].sum()
    sums = sums.reset_index().rename(columns={"count": "n"})
    sums = sums.assign(split=split)
    records = [*_means(sums, resamples, names), *_failures(table, split)]
    return records, sums[sums["n"] > 0]


def unscored(table: pd.DataFrame) -> pd.DataFrame:
    """The outcomes without a score, with their reasons."""
    return table.loc[table["reason"].notna(), UNSCORED_COLUMNS]


def _means(sums: pd.DataFrame, resamples: int, names: tuple[object, ...]) -> Iterator[Record]:
    for (split, *where, name), here in sums.groupby(["split", *PLACES, "metric"], sort=False, dropna=False):
        scored = here[here["n"] > 0].sort_values("speaker_id")
        totals, counts = scored[["total", "n"]].to_numpy(np.float64).T
        bootstrap = SpeakerBootstrap.draw(len(scored), resamples, numpy_generator(*names, "bootstrap"))
        with np.errstate(over="ignore", invalid="ignore"):
            value = totals.sum() / counts.sum() if len(scored) else np.nan
            low, high = interval(bootstrap.ratios(totals, counts))
        n = int(counts.sum())
        yield record(metric(str(name)), value, n, ci_low=low, ci_high=high, split=split, **_where(where))


def _failures(table: pd.DataFrame, split: str) -> Iterator[Record]:
    scores = table[table["metric"].isin(SCORES)]
    for where, here in scores.groupby(PLACES, sort=False, dropna=False):
        yield record(UNSCORED, int(here["reason"].notna().sum()), len(here), split=split, **_where(where))


def _where(place: Any) -> dict[str, Any]:
    mode, step, sigma, part = place
    return {
        "mode": mode, "slice": part,
        "step": None if pd.isna(step) else int(step), "sigma": None if pd.isna(sigma) else float(sigma),
    }  # fmt: skip
