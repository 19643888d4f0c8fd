"""Measurements written by hand, one evaluation after another."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from latentdyn.diagnostics.capabilities import missing
from latentdyn.diagnostics.records import RECORDS, SUMS, WORST_FRAMES, record
from latentdyn.metrics import Metric
from latentdyn.reporting.measurements import Measurements


def named(name: str) -> Metric:
    """A metric of any name: views ask for records by their names."""
    return Metric(name, "1", decimals=2, better="neither", sentence="")


class Handmade:
    """`add` what one evaluation says of one split, slice and horizon; `measured` is all of it."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._speakers: list[dict[str, Any]] = []
        self._worst: list[dict[str, Any]] = []

    def add(
        self,
        values: Mapping[str, float | tuple[float, float, float] | None],
        *,
        representation: str = "r",
        predictor: str = "p",
        regime: str = "teacher_forced",
        seed: int = 0,
        split: str = "eval",
        slice: str = "all",
        horizon: int | None = 1,
        mode: str | None = None,
        step: int | None = None,
        clusters: int | None = None,
        measurement: str | None = None,
        n: int = 50,
        speakers: Mapping[str, Mapping[str, tuple[float, int]]] | None = None,
        worst: Sequence[tuple[float | None, float | None]] = (),
    ) -> "Handmade":
        """
        Args:
            values: by metric, a number, (value, ci_low, ci_high), or None for what the predictor does not give.
            predictor: or key; `by` of the records.
            measurement: without one, injection of what has a mode, else lagged.
            speakers: by metric and speaker, total and n.
            worst: nll and dnll of each of the worst frames.
        """
        kind = measurement or ("injection" if mode else "lagged")
        who = {"measurement": kind, "corpus": "c", "representation": representation, "by": predictor,
               "regime": regime, "seed": seed}  # fmt: skip
        where = {"split": split, "slice": slice, "horizon": horizon, "mode": mode, "step": step, "clusters": clusters}
        for metric, value in values.items():
            if value is None:
                made = missing(named(metric), n, **where)
            else:
                value, low, high = value if isinstance(value, tuple) else (value, None, None)
                made = record(named(metric), value, n, ci_low=low, ci_high=high, **where)
            self._records.append({**who, **vars(made)})
        for metric, sums in (speakers or {}).items():
            for speaker, (total, count) in sums.items():
                sum_ = {"metric": metric, "speaker_id": speaker, "total": total, "n": count}
                self._speakers.append({**who, **where, **sum_})
        for t, (nll, dnll) in enumerate(worst):
            frame = {"utterance_id": "u", "t": t, "time_s": t / 12.5, "nll": nll, "dnll": dnll, "delta_norm": 2.0 + t}
            self._worst.append({**who, "split": split, "horizon": horizon, **frame})
        return self

    @property
    def measured(self) -> Measurements:
        return Measurements(
            pd.DataFrame(self._records, columns=list(RECORDS)).astype(RECORDS),
            pd.DataFrame(self._speakers, columns=list(SUMS)).astype(SUMS),
            pd.DataFrame(self._worst, columns=list(WORST_FRAMES)),
        )


@pytest.fixture
def handmade() -> Handmade:
    return Handmade()
