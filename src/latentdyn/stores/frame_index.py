"""The frame index in memory: a row for each utterance. What follows from it for a frame is made when it is asked for.

Of single frames, only two things are kept: which ones are not finite, and one bit, whether a frame is loud. So an index
takes memory by utterances, not by frames. A table with a row for each frame is made of the frames that are drawn.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd

from latentdyn.seeds import numpy_generator

SLICES = ("all", "high_energy", "utterance_medial")
COLUMNS = ("row", "utterance_id", "speaker_id", "split", "t", "valid", *SLICES)
_MEDIAL = (0.1, 0.9)


@dataclass(frozen=True)
class FrameIndex:
    """The frames of a store, or some of them: runs of frames that follow each other in an utterance.

    utterances: all of the store, in the order of their frames: utterance_id, speaker_id and split (categories), start
    (row of its first frame) and n_frames, int32. gaps: of each stretch of the store without rows of no utterance, its
    first utterance and how many such rows lie before it. invalid: (m,) ascending numbers, in the whole index, of the
    frames that are not finite. loud: bits of the slice high_energy, a frame after the other, eight to a byte. owner,
    first, length: (R,) of each run, which utterance, t of its first frame, and how many, at least 1.
    """

    utterances: pd.DataFrame
    gaps: tuple[np.ndarray, np.ndarray]
    invalid: np.ndarray
    loud: np.ndarray
    owner: np.ndarray
    first: np.ndarray
    length: np.ndarray

    @classmethod
    def whole(cls, utterances: pd.DataFrame, split_of: dict[str, str], invalid: np.ndarray, loud: np.ndarray) -> Self:
        """Of all frames.

        Args:
            utterances: columns utterance_id, speaker_id, start, n_frames. split_of: by speaker.
        """
        counts = utterances["n_frames"].to_numpy().astype(np.int32, copy=False)
        speakers = pd.Categorical(utterances["speaker_id"])
        splits = pd.Categorical(pd.Series(speakers.categories).map(split_of))
        table = pd.DataFrame(
            {
                "utterance_id": utterances["utterance_id"],
                "speaker_id": speakers,
                "split": pd.Categorical.from_codes(splits.codes[speakers.codes], dtype=splits.dtype),
                "start": utterances["start"],
                "n_frames": counts,
            },
            copy=False,
        )
        owner = np.flatnonzero(counts).astype(np.int32)
        length = counts if len(owner) == len(counts) else counts[owner]
        gaps = _gaps(utterances["start"].to_numpy(), counts)
        return cls(table, gaps, invalid, loud, owner, np.zeros(len(owner), np.int32), length)

    def __len__(self) -> int:
        return int(self.length.sum(dtype=np.int64))

    @property
    def splits(self) -> list[str]:
        """The splits that have frames, sorted."""
        of = self.utterances["split"].array
        return sorted(of.categories[np.unique(of.codes[self.owner])])

    @property
    def speakers(self) -> list[str]:
        """The speakers of these frames, in the order in which they come."""
        of = self.utterances["speaker_id"].array
        return list(of.categories[pd.unique(of.codes[self.owner])])

    @property
    def n_utterances(self) -> int:
        return len(np.unique(self.owner))

    def of_splits(self, *splits: str) -> Self:
        return self._of_category("split", splits)

    def of_speakers(self, *speakers: str) -> Self:
        return self._of_category("speaker_id", speakers)

    def of_utterances(self, chosen: np.ndarray) -> Self:
        """Those of some utterances: (U,) bool."""
        return self._some(chosen[self.owner])

    def with_finite(self, finite: np.ndarray) -> Self:
        """The same frames, of which others are finite: (n_rows,) bool."""
        of = self.utterances
        start, counts = (of[name].to_numpy() for name in ("start", "n_frames"))
        there = np.flatnonzero(counts)
        row = np.flatnonzero(~finite)
        owner = there[np.searchsorted(start[there], row, side="right") - 1] if len(there) else row[:0]
        t = row[: len(owner)] - start[owner]
        inside = (t >= 0) & (t < counts[owner])  # rows of no utterance are no frames
        return replace(self, invalid=(self.number(owner) + t)[inside])

    def finite(self) -> Self:
        """Those that are finite."""
        if not len(self.invalid):
            return self
        number = self.number(self.owner)
        begin = number + self.first
        end = begin + self.length
        low, high = np.searchsorted(self.invalid, begin), np.searchsorted(self.invalid, end)
        pieces = high - low + 1  # of a run: between its frames that are not finite
        run = np.repeat(np.arange(len(pieces)), pieces)
        piece = np.arange(len(run)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
        edges = np.concatenate([[-1], self.invalid])  # the frame before a piece, if it is not the first of its run
        place = low[run] + piece
        start = np.where(piece == 0, begin[run], edges[place] + 1)
        stop = np.where(place == high[run], end[run], edges[np.minimum(place + 1, len(edges) - 1)])
        return self._of(self.owner[run], start - number[run], stop - start)

    def trimmed(self, before: int, after: int = 0) -> Self:
        """Those with so many frames of their run before them, and after them."""
        return self._of(self.owner, self.first + before, self.length - before - after)

    def earlier(self, steps: int) -> Self:
        """The frames of their utterances that are so many before each of them."""
        return self._of(self.owner, self.first - steps, self.length)

    def late(self, t: int) -> Self:
        """Those from this number on in their utterance."""
        first = np.maximum(self.first, t)
        return self._of(self.owner, first, self.length - (first - self.first))

    def on_grid(self, step: int) -> Self:
        """Those whose number in their utterance is a multiple of this one."""
        low, high = -(-self.first // step), -(-(self.first + self.length) // step)
        run = np.repeat(np.arange(len(low)), high - low)
        place = np.arange(len(run)) - np.repeat(np.cumsum(high - low) - (high - low), high - low)
        return self._of(self.owner[run], step * (low[run] + place), np.ones(len(run), np.int32))

    def share_of_speakers(self, limit: int, names: tuple[object, ...]) -> Self:
        """At most so many of them: whole utterances, one of each speaker in turn, drawn by name.

        The last utterance is cut, so that they are exactly so many if there are so many. Whole utterances lie together
        in the store: fewer of its files are read.
        """
        starts = np.flatnonzero(np.diff(self.owner, prepend=np.int32(-1)))  # runs of an utterance follow each other
        utterances = self.owner[starts]
        lengths = np.add.reduceat(self.length, starts, dtype=np.int32) if len(starts) else utterances
        del starts
        drawn = numpy_generator(*names, "share of speakers").permutation(len(utterances)).astype(np.int32)
        drawn = drawn[_in_turns(self.utterances["speaker_id"].array.codes[utterances[drawn]])]
        ends = np.cumsum(lengths[drawn], dtype=np.int64)
        drawn = drawn[: np.searchsorted(ends, limit) + 1]  # those that begin below the limit
        order = np.argsort(drawn)
        lengths, before = lengths[drawn[order]], (ends[: len(drawn)] - lengths[drawn])[order]
        chosen = np.zeros(len(self.utterances), bool)
        chosen[utterances[drawn]] = True
        mine = self.of_utterances(chosen)
        starts = np.flatnonzero(np.diff(mine.owner, prepend=np.int32(-1)))
        shift = before - (np.cumsum(lengths, dtype=np.int64) - lengths)
        before_run = np.repeat(shift, np.diff(starts, append=len(mine.owner)))
        before_run += np.cumsum(mine.length, dtype=np.int64) - mine.length
        return mine._of(mine.owner, mine.first, np.clip(limit - before_run, 0, mine.length))

    def number(self, utterance: np.ndarray) -> np.ndarray:
        """Which frame of the whole index the first frame of each of these utterances of the store is, (U,)."""
        first, rows = self.gaps
        gap = rows[np.searchsorted(first, utterance, side="right") - 1] if len(first) else utterance
        number: np.ndarray = self.utterances["start"].to_numpy()[utterance] - gap
        return number

    def runs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The first row in the store, the first t and the length of each run, (R,)."""
        return self.utterances["start"].to_numpy()[self.owner] + self.first, self.first, self.length

    def rows(self) -> np.ndarray:
        """Their rows in the store, (n,)."""
        start, _, length = self.runs()
        return np.repeat(start - (np.cumsum(length, dtype=np.int64) - length), length) + np.arange(len(self))

    def speaker_ids(self) -> pd.Categorical:
        """Their speakers, (n,)."""
        of = self.utterances["speaker_id"].array
        return _repeated(of, np.repeat(self.owner, self.length))

    def by_utterance(self, places: Sequence[int] | np.ndarray | None = None) -> Iterator[tuple[str, Self]]:
        """Names of utterances and their frames, in the order of the names; or those at some places in that order."""
        begin, end = self._by_name()
        for place in range(len(begin)) if places is None else places:
            mine = self._some(slice(begin[place], end[place]))
            yield str(self.utterances["utterance_id"].array[mine.owner[0]]), mine

    def by_speaker(self) -> Iterator[tuple[str, Self]]:
        """Names of speakers and their frames, in the order of the names."""
        of = self.utterances["speaker_id"].array
        codes = of.codes[self.owner]
        order = np.argsort(codes, kind="stable")
        edges = np.flatnonzero(np.diff(codes[order], prepend=-1))
        for begin, end in pairwise([*edges, len(order)]):
            yield str(of.categories[codes[order[begin]]]), self._some(order[begin:end])

    def utterance_table(self) -> pd.DataFrame:
        """A row for each utterance, by name (the index, in its order): speaker_id, row of the first of these frames, n,
        how many, and valid, whether all of them are finite."""
        begin, end = self._by_name()
        of, owner, ends = self.utterances, self.owner[begin], np.cumsum(self.length, dtype=np.int64)
        start = self.number(self.owner) + self.first
        bad = np.cumsum(np.searchsorted(self.invalid, start + self.length) - np.searchsorted(self.invalid, start))
        n, lost = (np.append(0, total)[end] - np.append(0, total)[begin] for total in (ends, bad))
        names = pd.Index(of["utterance_id"].array[owner], name="utterance_id")
        row = of["start"].to_numpy()[owner] + self.first[begin]
        columns = {"speaker_id": _repeated(of["speaker_id"].array, owner), "row": row, "n": n, "valid": lost == 0}
        return pd.DataFrame(columns, index=names)

    def blocks(self, frames: int) -> Iterator[Self]:
        """These in order, in parts of whole runs: about so many frames, more only where a run has more."""
        ends = np.cumsum(self.length, dtype=np.int64)
        start = 0
        while start < len(ends):
            done = ends[start - 1] if start else 0
            stop = max(start + 1, int(np.searchsorted(ends, done + frames, side="right")))
            yield self._some(slice(start, stop))
            start = stop

    def draw(self, limit: int, names: tuple[object, ...]) -> pd.DataFrame:
        """The table of at most `limit` of them, drawn by name and in their order."""
        return self.table(None if len(self) <= limit else subsample(len(self), limit, names))

    def table(self, places: Sequence[int] | np.ndarray | None = None) -> pd.DataFrame:
        """COLUMNS, a row for each of these frames, or for those at some places among them."""
        ends = np.cumsum(self.length, dtype=np.int64)
        if places is None:
            run = np.repeat(np.arange(len(ends)), self.length)
            places = np.arange(len(run))
        else:
            places = np.asarray(places, np.int64)
            run = np.searchsorted(ends, places, side="right")
        t = self.first[run] + (places - (ends[run] - self.length[run]))
        owner, of = self.owner[run], self.utterances
        del run
        number = self.number(owner) + t
        valid = np.ones(len(t), bool)
        if len(self.invalid):
            at = np.minimum(np.searchsorted(self.invalid, number), len(self.invalid) - 1)
            valid = self.invalid[at] != number
        at = position(t, of["n_frames"].to_numpy()[owner])
        return pd.DataFrame(
            {
                "row": of["start"].to_numpy()[owner] + t,
                "utterance_id": self._names(owner),
                **{name: _repeated(of[name].array, owner) for name in ("speaker_id", "split")},
                "t": t.astype(np.int32),
                "valid": valid,
                "all": np.ones(len(t), bool),
                "high_energy": (self.loud[number >> 3] >> (7 - (number & 7)) & 1).astype(bool),
                "utterance_medial": (at >= _MEDIAL[0]) & (at <= _MEDIAL[1]),
            },
            copy=False,
        )

    def _names(self, owner: np.ndarray) -> pd.Categorical:
        """Of the utterance of each frame, with no more categories than there are, in their order by name."""
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        names = pd.Categorical(self.utterances["utterance_id"].array[owner[starts]])
        return _repeated(names, np.repeat(np.arange(len(starts), dtype=np.int32), np.diff(starts, append=len(owner))))

    def _by_name(self) -> tuple[np.ndarray, np.ndarray]:
        """The first run of each utterance, and the one after its last, in the order of the utterances' names."""
        begin = np.flatnonzero(np.diff(self.owner, prepend=np.int32(-1)))  # runs of an utterance follow each other
        names = pd.Categorical(self.utterances["utterance_id"].array[self.owner[begin]])
        order = np.argsort(names.codes)
        return begin[order], np.append(begin[1:], len(self.owner))[order]

    def _of_category(self, column: str, names: Sequence[str]) -> Self:
        of = self.utterances[column].array
        return self.of_utterances(np.isin(of.codes, of.categories.get_indexer(list(names))))

    def _some(self, runs: np.ndarray | slice) -> Self:
        return replace(self, owner=self.owner[runs], first=self.first[runs], length=self.length[runs])

    def _of(self, owner: np.ndarray, first: np.ndarray, length: np.ndarray) -> Self:
        there = length > 0
        owner, first, length = (of[there].astype(np.int32, copy=False) for of in (owner, first, length))
        return replace(self, owner=owner, first=first, length=length)


def _gaps(start: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """`FrameIndex.gaps` of utterances that start at these rows and have so many frames."""
    rows = np.cumsum(counts, dtype=np.int64)
    rows -= counts
    np.subtract(start, rows, out=rows)
    first = np.flatnonzero(np.append(True, rows[1:] != rows[:-1])[: len(rows)])
    return first, rows[first]


def _in_turns(speakers: np.ndarray) -> np.ndarray:
    """The order in which each speaker (n,) has a turn before anyone has the next one; within a turn it stays."""
    together = np.argsort(speakers, kind="stable").astype(np.int32)
    counts = np.unique(speakers, return_counts=True)[1]
    turn = np.empty(len(speakers), np.int32)
    turn[together] = np.arange(len(speakers), dtype=np.int32) - np.repeat(
        (np.cumsum(counts) - counts).astype(np.int32), counts
    )
    del together
    return np.argsort(turn, kind="stable")


def position(t: np.ndarray, n_frames: np.ndarray) -> np.ndarray:
    """How far frame t is into its utterance of so many frames, in [0, 1], float32."""
    share: np.ndarray = t / np.maximum(n_frames - 1, 1)
    return share.astype(np.float32)


def subsample(n: int, limit: int, names: tuple[object, ...]) -> np.ndarray:
    """`limit` of n places, drawn by name, ascending."""
    return np.sort(numpy_generator(*names, "subsample").choice(n, limit, replace=False))


def _repeated(values: pd.Categorical, index: np.ndarray) -> pd.Categorical:
    return pd.Categorical.from_codes(values.codes[index], dtype=values.dtype, validate=False)
