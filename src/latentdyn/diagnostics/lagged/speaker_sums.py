"""Sums of what was scored over each speaker's frames: all that intervals need, and those of later differences."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.seeds import numpy_generator


@dataclass(frozen=True)
class SpeakerSums:
    """totals, counts: (S, M) of M quantities over the frames of S speakers; a NaN is left out. bootstrap: of these
    speakers."""

    names: tuple[str, ...]
    speakers: pd.Index
    totals: np.ndarray
    counts: np.ndarray
    bootstrap: SpeakerBootstrap

    @classmethod
    def of(
        cls, values: Mapping[str, np.ndarray], speaker_ids: pd.Series, resamples: int, seed_names: tuple[object, ...]
    ) -> "SpeakerSums":
        """Of quantities (n,) of the frames of these speakers."""
        codes, speakers = pd.factorize(speaker_ids, sort=True)
        totals, counts = speaker_totals(np.stack([*values.values()], axis=1), codes, len(speakers))
        bootstrap = _bootstrap(len(speakers), resamples, seed_names)
        return cls(tuple(values), pd.Index(speakers), totals, counts, bootstrap)

    def mean_intervals(self) -> dict[str, np.ndarray]:
        """The interval (2,) of each quantity's mean over frames."""
        return dict(zip(self.names, interval(self.bootstrap.ratios(self.totals, self.counts)), strict=True))

    def ratio(self, above: str, below: str) -> tuple[float, np.ndarray]:
        """Of two quantities' sums over all frames, with its interval (2,); NaN where nothing is below."""
        upper, lower = (self.totals[:, self.names.index(name)] for name in (above, below))
        value = upper.sum() / lower.sum() if lower.sum() > 0 else np.nan
        return float(value), interval(self.bootstrap.ratios(upper, lower))

    def table(self, named: Mapping[str, str], where: Mapping[str, Any]) -> pd.DataFrame:
        """The sums of some quantities, by the names that they take there: a row for each of them and each speaker."""
        columns = [self.names.index(name) for name in named]
        some = {"total": self.totals, "n": self.counts}
        long = {name: sums[:, columns].T.reshape(-1) for name, sums in some.items()}
        keys = {
            "speaker_id": np.tile(self.speakers, len(columns)),
            "metric": np.repeat([*named.values()], len(self.speakers)),
        }
        return pd.DataFrame({**keys, **long, **where})


@lru_cache(maxsize=8)
def _bootstrap(n_speakers: int, resamples: int, seed_names: tuple[object, ...]) -> SpeakerBootstrap:
    """Kept: the slices and horizons of a split have the same speakers, mostly."""
    return SpeakerBootstrap.draw(n_speakers, resamples, numpy_generator(*seed_names, "bootstrap"))
