"""Frames of a representation beside those of the reference at the same times, and where forecasts start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.diagnostics.bootstrap import SpeakerBootstrap, interval, speaker_totals
from latentdyn.diagnostics.records import Record, record
from latentdyn.diagnostics.whitening import Whitening
from latentdyn.errors import UserError
from latentdyn.metrics import Metric
from latentdyn.seeds import numpy_generator
from latentdyn.stores.frame_index import FrameIndex
from latentdyn.stores.speakers_apart import check_speakers_apart
from latentdyn.stores.windows import common_runs


@dataclass(frozen=True)
class Side:
    """frames: (n_rows, D) float32, as they are stored. space: of training frames. white: (n_rows, D') float64."""

    frames: np.ndarray
    space: Whitening
    white: np.ndarray

    @classmethod
    def of(cls, frames: np.ndarray, training: np.ndarray) -> "Side":
        """training: rows."""
        space = Whitening.fit(frames[training])
        return cls(frames, space, space(frames))


@dataclass(frozen=True)
class Pair:
    """own, reference: by rows of the representation's store. frames: the index; finite where both are. origins: the
    frames x_t from which W frames look back and `ahead` frames follow, all of them finite."""

    own: Side
    reference: Side
    frames: FrameIndex
    origins: FrameIndex
    window_frames: int
    ahead: int

    @classmethod
    def of(cls, own: np.ndarray, reference: np.ndarray, frames: FrameIndex, window_frames: int, ahead: int) -> "Pair":
        """
        Args:
            own: (n_rows, d). reference: (n_rows, D), NaN where it has no frame. frames: the representation's index.

        Raises:
            UserError: utterances are too short, too many frames are not finite, or frames of training speakers do not
                vary (the representation), or not in all dimensions (the reference), or these speakers are too far apart
                in the reference.
        """
        frames = frames.with_finite(np.isfinite(own).all(axis=1) & np.isfinite(reference).all(axis=1))
        origins = common_runs(frames, window_frames, [ahead]).earlier(ahead)
        of_training = frames.of_splits("train").finite()
        training = of_training.rows()
        if not len(training):
            raise UserError(
                "no training speaker has a finite frame of both representations",
                "the representation's latents, and those of the reference",
                "look at how they were made, and give splits.train a share of the speakers",
            )
        check_speakers_apart(reference[training], pd.factorize(of_training.speaker_ids())[0])
        sides = [Side.of(np.asarray(x, np.float32), training) for x in (own, reference)]
        for side, what, least in zip(sides, ("representation", "reference"), (1, reference.shape[1]), strict=True):
            if side.white.shape[1] < least:
                raise UserError(
                    f"the {len(training)} training frames vary in {side.white.shape[1]} of {side.frames.shape[1]} "
                    f"dimensions, and those of the {what} must vary in {'all' if least > 1 else 'one at least'}",
                    f"the {what}'s latents",
                    "look at how they were made, or take a reference of fewer dimensions",
                )
        return cls(sides[0], sides[1], frames, origins, window_frames, ahead)

    def some(self, split: str, most: int, names: tuple[object, ...]) -> pd.DataFrame:
        """The table of origins of a split, at most so many, drawn by name.

        Raises:
            UserError: there is none.
        """
        found = self.origins.of_splits(split)
        if not len(found):
            raise UserError(
                f"no utterance of split {split} is long enough, or none has enough finite frames in a row",
                "window_frames and horizons of the section, splits of the corpus",
                f"shorten them, or give splits.{split} more speakers",
            )
        return found.draw(most, (*names, split))

    def rows(self, split: str) -> np.ndarray:
        """Rows of all origins of a split."""
        return self.origins.of_splits(split).rows()

    def ahead_of(self, rows: np.ndarray, steps: Sequence[int]) -> np.ndarray:
        """(n, H): rows of the frames so many steps after each origin."""
        return np.asarray(rows[:, None] + np.asarray(steps))

    def window(self, side: Side, rows: np.ndarray) -> np.ndarray:
        """(n, W D'): the whitened frames up to each origin."""
        return side.white[self.ahead_of(rows, range(1 - self.window_frames, 1))].reshape(len(rows), -1)


class BySpeaker:
    """Means over frames with intervals over their speakers: a record, and the sums that differences of tables need."""

    def __init__(self, frames: pd.DataFrame, resamples: int, names: tuple[object, ...]) -> None:
        self._codes, self._speakers = pd.factorize(frames["speaker_id"], sort=True)
        self._bootstrap = SpeakerBootstrap.draw(len(self._speakers), resamples, numpy_generator(*names, "speakers"))
        self.records: list[Record] = []
        self._sums: list[pd.DataFrame] = []

    def add(self, metric: Metric, values: np.ndarray, **where: Any) -> None:
        """The mean of values (n,), one for each frame."""
        totals, counts = speaker_totals(values[:, None], self._codes, len(self._speakers))
        ((low, high),) = interval(self._bootstrap.ratios(totals, counts))
        self.records.append(record(metric, values.mean(), len(values), ci_low=low, ci_high=high, **where))
        by_speaker = {"speaker_id": self._speakers, "total": totals[:, 0], "n": counts[:, 0]}
        self._sums.append(pd.DataFrame(by_speaker).assign(metric=metric.name, **where))

    @property
    def sums(self) -> pd.DataFrame:
        return pd.concat(self._sums, ignore_index=True)
