"""What a table is made of: the records, per-speaker sums and worst frames of all that its rows were measured with.

`Measurements` answers in the terms of a row (representation, what measured it, split, slice, horizon; of rollouts mode
and step), over the seeds that the table averages. Several seeds are several measurements of one row: a value is their
mean, an interval the mean of theirs (all resample the same speakers in the same way, so they move together).
Intervals are those of the records, but for shares of free runs: theirs follow from the counts (see shares).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval
from latentdyn.diagnostics.records import RECORDS, SUMS, WORST_FRAMES
from latentdyn.errors import UserError
from latentdyn.metrics import OF_LATENTS, UNBOUNDED
from latentdyn.parquet import parquet_facts, read_parquet
from latentdyn.reporting.rows import Rows
from latentdyn.reporting.shares import exact_interval
from latentdyn.seeds import numpy_generator

_RESAMPLES = 1000
_BOUNDS = ("ci_low", "ci_high")
_PARTS = ("records", "speakers", "worst_frames")
# of millions of sums; speakers stay texts
_REPEATED = [name for name, dtype in SUMS.items() if dtype == "str" and name != "speaker_id"]


@dataclass(frozen=True)
class Comparison:
    """a - b or a / b of two means over the same speakers, with its 95 % interval (NaN with fewer than two speakers)."""

    value: float
    ci_low: float
    ci_high: float


def as_columns(compared: Comparison | None, column: str, blank: float | None = None) -> dict[str, Any]:
    """A comparison as a table's columns: the value, and its bounds `{column}_ci_low` and `{column}_ci_high`.

    Args:
        blank: what stands in all three where nothing could be compared.
    """
    values = (blank,) * 3 if compared is None else (compared.value, compared.ci_low, compared.ci_high)
    return dict(zip((column, f"{column}_ci_low", f"{column}_ci_high"), values, strict=True))


class _Part:
    """A field of `Measurements`: given as a table or as rows of one, of which a table is made when it is asked for."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = f"{name} in rows"

    def __get__(self, measured: Any, owner: type) -> pd.DataFrame:
        if measured is None:
            raise AttributeError("a part has no default")  # what dataclasses ask of a field
        rows: Rows = vars(measured)[self._name]
        return rows.table

    def __set__(self, measured: Any, value: pd.DataFrame | Rows) -> None:
        vars(measured)[self._name] = value if isinstance(value, Rows) else Rows(value)


@dataclass(frozen=True)
class Measurements:
    """records: long, one value a row. speakers: totals and counts of frames. worst_frames: those of highest NLL.
    resamples: of the speakers, for the interval of a comparison. about_latents: records of the metrics `OF_LATENTS`,
    which are no rows of a table."""

    records: _Part = _Part()
    speakers: _Part = _Part()
    worst_frames: _Part = _Part()
    resamples: int = _RESAMPLES
    about_latents: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=list(RECORDS)))

    @classmethod
    def read(
        cls, metrics: Path, speakers: Path, worst_frames: Path, corpus: str, resamples: int = _RESAMPLES
    ) -> "Measurements":
        """What rule collect_metrics joined.

        Raises:
            UserError: a file is missing or not as it was written, the files are not of one collection, or they are of
                another corpus.
        """
        made_by = "collect_metrics"
        parts = parquet_facts(metrics, made_by=made_by)
        for part, path in (("speakers", speakers), ("worst_frames", worst_frames)):
            if parquet_facts(path, made_by=made_by)["digest"] != parts.get(part):
                raise UserError(
                    f"this table was not collected together with {metrics}",
                    path,
                    f"delete {metrics} and {path}, and run the same command again: rule {made_by} makes them",
                )
        records = read_parquet(metrics, list(RECORDS), made_by=made_by)
        if others := sorted({*records.corpus} - {corpus}):
            raise UserError(
                f"these metrics are of the corpus {' and '.join(others)}, not of {corpus}",
                metrics,
                f"delete {metrics} and run the same command again: rule {made_by} makes it",
            )
        about = records["metric"].isin([metric.name for metric in OF_LATENTS])
        return cls(
            records[~about],
            read_parquet(speakers, list(SUMS), made_by=made_by, categories=_REPEATED),
            read_parquet(worst_frames, WORST_FRAMES, made_by=made_by),
            resamples,
            records[about],
        )

    def where(self, **names: Any) -> "Measurements":
        """Only what was measured there; a value of None is not asked for.

        Raises:
            KeyError: records have no such column.
        """
        if unknown := names.keys() - RECORDS.keys():
            raise KeyError(f"records have no column {', '.join(sorted(unknown))}")
        asked = {name: value for name, value in names.items() if value is not None}
        return self._of(*(self.rows(part).where(**asked) for part in _PARTS))

    def of_row(
        self, representation: str | None, predictor: str | None, split: str | None, **names: Any
    ) -> "Measurements":
        """Only what a row of these was measured with, as `where`; a row's predictor is what its records call `by`."""
        return self.where(representation=representation, by=predictor, split=split, **names)

    def at_step(self, step: int | None) -> "Measurements":
        """Only what is of one step of a rollout; None: of no single step, which is all of them pooled."""
        return self._of(*(self.rows(part).where(step=step) for part in _PARTS))  # worst frames are of no step

    def rows(self, part: str) -> Rows:
        """A part, of which no table is made."""
        rows: Rows = vars(self)[f"{part} in rows"]
        return rows

    def _of_speakers(self, names: pd.Index) -> "Measurements":
        """The same, with sums of these speakers alone."""
        return replace(self, speakers=self.speakers[self.speakers["speaker_id"].isin(names)])

    def _of(self, records: Rows, speakers: Rows, worst_frames: Rows) -> "Measurements":
        """The same, of these rows alone."""
        return Measurements(records, speakers, worst_frames, self.resamples, self.about_latents)

    def over_seeds(
        self, metric: str, column: str = "value", reduce: Callable[[np.ndarray], Any] = np.mean
    ) -> float | None:
        """One number from the seeds' values of a metric; None where it was not measured, inf where one overflowed."""
        found = self.rows("records").where(metric=metric)
        values = found.column(column)
        if not len(values):
            return None
        if column == "value" and len(found.where(status="overflow")):
            return math.inf
        if metric == UNBOUNDED.name and column in _BOUNDS:
            exact = exact_interval(found.column("value"), found.column("n"))[_BOUNDS.index(column)]
            values = np.where(np.isnan(values), math.nan, exact)  # what has no interval gets none
        return float(reduce(values))

    def difference(self, other: "Measurements", metric: str) -> Comparison | None:
        """Mean of a metric here less its mean there, over the same resampled speakers; None if either lacks it.

        Raises:
            UserError: the two were not measured on the same speakers.
        """
        return combined([(self, metric), (other, metric)], np.subtract)

    def difference_in_common(self, other: "Measurements", metric: str) -> Comparison | None:
        """As `difference`, but a speaker on whom only one of the two was measured is left out. None if none is left."""
        here, there = (_speaker_sums(measured, metric).index for measured in (self, other))
        both = here.intersection(there)
        return self._of_speakers(both).difference(other._of_speakers(both), metric)

    def difference_of_scores(self, other: "Measurements", metric: str) -> Comparison | None:
        """As `difference`, of scores that cannot be given to every utterance: speakers of whom the two do not have
        equally many are left out. None if no speaker is left."""
        sums = [_speaker_sums(measured, metric)["n"] for measured in (self, other)]
        alike = sums[0].index[sums[0].eq(sums[1].reindex(sums[0].index))]
        return self._of_speakers(alike).difference(other._of_speakers(alike), metric)

    def ratio(self, other: "Measurements", metric: str) -> Comparison | None:
        """Mean of a metric here over its mean there; as for `difference`."""
        return combined([(self, metric), (other, metric)], np.divide)


def combined(terms: Sequence[tuple[Measurements, str]], how: Callable[..., Any]) -> Comparison | None:
    """What follows from several means over the same speakers, with its interval; None if one was not measured.

    Args:
        terms: where, and what the mean is of. how: the result of as many numbers, or arrays of numbers.

    Raises:
        UserError: they were not measured on the same speakers.
    """
    sums = [_speaker_sums(measured, metric) for measured, metric in terms]
    if any(table.empty for table in sums):
        return None
    for (_, metric), table in zip(terms, sums, strict=True):
        if not table.index.equals(sums[0].index):
            raise UserError(
                f"rows that a table compares were measured on {len(sums[0])} and {len(table)} speakers, not the same "
                "ones",
                f"metric {metric}",
                "compare representations of one corpus, and predictors with the same window_frames and longest horizon",
            )
    measured, _ = terms[0]
    bootstrap = _bootstrap(len(sums[0]), measured.resamples)
    means = [bootstrap.ratios(table["total"].to_numpy(), table["n"].to_numpy()) for table in sums]
    with np.errstate(invalid="ignore", divide="ignore"):  # of two overflows there is no difference: NaN
        value = float(how(*(table.total.sum() / table.n.sum() for table in sums)))
        low, high = interval(how(*means))
    return Comparison(value, float(low), float(high))


def unmeasured(row: dict[str, Any]) -> UserError:
    """What to tell a user whose table asks for a row that nothing was measured for."""
    return UserError(
        f"there are no metrics for {', '.join(f'{name} = {value}' for name, value in row.items())}",
        "the table's splits and slices",
        "leave out splits without speakers, and high_energy where the latents came without audio",
    )


def _speaker_sums(measured: Measurements, metric: str) -> pd.DataFrame:
    """Totals and counts of one metric by speaker, seeds pooled."""
    return measured.rows("speakers").where(metric=metric).sums_by("speaker_id", "total", "n")


@lru_cache(maxsize=8)
def _bootstrap(n_speakers: int, resamples: int) -> SpeakerBootstrap:
    """The same draws for every comparison of a table."""
    return SpeakerBootstrap.draw(n_speakers, resamples, numpy_generator("paired differences"))
