"""Measurements written by hand, one evaluation after another."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import pytest

from latentdyn.diagnostics.records import DTYPES, record
from latentdyn.reporting.measurements import SPEAKERS, WORST_FRAMES, Measurements


class Handmade:
    """`add` what one evaluation says of one split, slice and horizon; `measured` is all of it."""

    def __init__(self) -> None:
        self._records: list[dict[str, Any]] = []
        self._speakers: list[dict[str, Any]] = []
        self._worst: list[dict[str, Any]] = []

    def add(
        self,
        values: Mapping[str, float | tuple[float, float, float]],
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
        n: int = 50,
        speakers: Mapping[str, Mapping[str, tuple[float, int]]] | None = None,
        worst: Sequence[tuple[float | None, float | None]] = (),
    ) -> "Handmade":
        """
        Args:
            values: by metric, a number or (value, ci_low, ci_high). speakers: by metric and speaker, total and n.
            worst: nll and dnll of each of the worst frames.
        """
        who = {"representation": representation, "predictor": predictor, "seed": seed}
        where = {"split": split, "slice": slice, "horizon": horizon, "mode": mode, "step": step}
        for metric, value in values.items():
            value, low, high = value if isinstance(value, tuple) else (value, None, None)
            made = record(metric, "", value, n, ci_low=low, ci_high=high, **where)
            self._records.append({"corpus": "c", "regime": regime, **who, **vars(made)})
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
            pd.DataFrame(self._records, columns=list(DTYPES)).astype(DTYPES),
            pd.DataFrame(self._speakers, columns=list(SPEAKERS)).astype(
                {name: DTYPES[name] for name in ("horizon", "mode", "step")}
            ),
            pd.DataFrame(self._worst, columns=list(WORST_FRAMES)),
        )


@pytest.fixture
def handmade() -> Handmade:
    return Handmade()
