"""What a table is made of: the records, per-speaker sums and worst frames of all that its rows were measured with.

`Measurements` answers in the terms of a row (representation, predictor, split, slice, horizon), over the seeds that the
table averages. Several seeds are several measurements of one row: a value is their mean, an interval the mean of theirs
(all resample the same speakers in the same way, so they move together).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.records import DTYPES
from latentdyn.diagnostics.summaries import percentile_interval, resampled_ratios, speaker_weights
from latentdyn.errors import UserError
from latentdyn.parquet import read_parquet
from latentdyn.seeds import numpy_generator

SPEAKERS = ("representation", "predictor", "seed", "split", "slice", "horizon", "metric", "speaker_id", "total", "n")
WORST_FRAMES = ("representation", "predictor", "seed", "split", "horizon", "utterance_id", "t", "time_s", "nll", "dnll",
                "delta_norm")  # fmt: skip
_RESAMPLES = 1000


@dataclass(frozen=True)
class Difference:
    """a - b of two means over the same speakers, with its 95 % interval (NaN with fewer than two speakers)."""

    value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True)
class Measurements:
    """records: long, one value a row. speakers: totals and counts of frames. worst_frames: those of highest NLL."""

    records: pd.DataFrame
    speakers: pd.DataFrame
    worst_frames: pd.DataFrame

    @classmethod
    def read(cls, metrics: Path, speakers: Path, worst_frames: Path) -> "Measurements":
        made_by = "collect_metrics"
        return cls(
            read_parquet(metrics, list(DTYPES), made_by=made_by),
            read_parquet(speakers, SPEAKERS, made_by=made_by),
            read_parquet(worst_frames, WORST_FRAMES, made_by=made_by),
        )

    def where(self, **names: Any) -> "Measurements":
        """Only what was measured there; a value of None is not asked for."""
        return Measurements(*(_where(table, names) for table in (self.records, self.speakers, self.worst_frames)))

    def over_seeds(
        self, metric: str, column: str = "value", reduce: Callable[[np.ndarray], Any] = np.mean
    ) -> float | None:
        """One number from the seeds' values of a metric; None where it was not measured, inf where one overflowed."""
        values = self.records[self.records.metric == metric]
        if values.empty:
            return None
        if column == "value" and (values.status == "overflow").any():
            return math.inf
        return float(reduce(values[column].to_numpy(np.float64)))

    def difference(self, other: "Measurements", metric: str) -> Difference | None:
        """Mean of a metric here less its mean there, over the same resampled speakers; None if either lacks it.

        Raises:
            UserError: the two were not measured on the same speakers.
        """
        a, b = (_speaker_sums(table, metric) for table in (self.speakers, other.speakers))
        if a.empty or b.empty:
            return None
        if not a.index.equals(b.index):
            raise UserError(
                f"rows that a table compares were measured on {len(a)} and {len(b)} speakers, not the same ones",
                f"metric {metric}",
                "compare representations of one corpus, and predictors with the same window_frames and longest horizon",
            )
        with np.errstate(invalid="ignore"):  # of two overflows there is no difference: NaN
            value = float(a.total.sum() / a.n.sum() - b.total.sum() / b.n.sum())
        if len(a) < 2:
            return Difference(value, math.nan, math.nan)
        weights = speaker_weights(len(a), _RESAMPLES, numpy_generator("paired differences"))
        means = [resampled_ratios(t[["total"]].to_numpy(), t[["n"]].to_numpy(), weights) for t in (a, b)]
        with np.errstate(invalid="ignore"):
            ((low, high),) = percentile_interval(means[0] - means[1])
        return Difference(value, float(low), float(high))


def unmeasured(row: dict[str, Any]) -> UserError:
    """What to tell a user whose table asks for a row that nothing was measured for."""
    return UserError(
        f"there are no metrics for {', '.join(f'{name} = {value}' for name, value in row.items())}",
        "the table's splits and slices",
        "leave out splits without speakers, and high_energy where the latents came without audio",
    )


def _where(table: pd.DataFrame, names: dict[str, Any]) -> pd.DataFrame:
    keep = np.ones(len(table), bool)
    for name, value in names.items():
        if value is not None and name in table:
            same = table[name].isin(value) if isinstance(value, list) else table[name] == value
            keep &= same.to_numpy(bool, na_value=False)  # a record without a horizon is of no horizon
    return table[keep]


def _speaker_sums(speakers: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Totals and counts of one metric by speaker, seeds pooled."""
    return speakers[speakers.metric == metric].groupby("speaker_id")[["total", "n"]].sum()
