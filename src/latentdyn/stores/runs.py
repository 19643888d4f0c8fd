"""Numbers of rows or frames, run by run: what a long tensor of them would say, in the memory of its runs."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from latentdyn.stores.frame_index import FrameIndex

_BLOCKS_AT_ONCE = 64  # whose numbers are found together: a search for each would cost as much as what is done with them


class Runs:
    """Whole numbers that follow each other within each run, as a tensor (n,) int64 that is not stored.

    It is asked as the tensor would be: `numbers[index]`, `len(numbers)`, `numbers.split(n)`; `numbers[:]` is it.
    """

    def __init__(self, first: np.ndarray, length: np.ndarray, device: torch.device) -> None:
        """Of runs that begin at `first` (R,)."""
        ends = np.cumsum(length, dtype=np.int64)
        shift = length - ends
        shift += first
        self._ends, self._shift = (torch.from_numpy(of).to(device) for of in (ends, shift))
        self._n = int(ends[-1]) if len(ends) else 0

    @classmethod
    def of(cls, frames: FrameIndex, device: torch.device) -> "Runs":
        """The rows of these frames in the store."""
        row, _, length = frames.runs()
        return cls(row, length, device)

    def beside(self, first: np.ndarray, length: np.ndarray) -> "Runs":
        """Other numbers of runs of the same lengths: the memory of what they share is shared."""
        other = Runs(first, length, self.device)
        other._ends = self._ends
        return other

    @property
    def device(self) -> torch.device:
        return self._ends.device

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: Tensor | slice) -> Tensor:
        if isinstance(index, slice):
            start, stop, step = index.indices(self._n)
            index = torch.arange(start, max(start, stop), step, device=self.device)
        return self._shift[torch.searchsorted(self._ends, index, right=True)] + index

    def split(self, size: int) -> Iterator[Tensor]:
        for start in range(0, self._n, many := _BLOCKS_AT_ONCE * size):
            yield from self[start : start + many].split(size)

    def edges(self) -> tuple[np.ndarray, np.ndarray]:
        """The first number of each run, ascending, and the one after its last; runs that meet are one."""
        ends = self._ends.cpu().numpy()
        length = np.diff(ends, prepend=0)
        first = self._shift.cpu().numpy() + (ends - length)
        order = np.argsort(first, kind="stable")
        first, stop = first[order], (first + length)[order]
        return _joined(first, stop, first[1:] != stop[:-1])


def edges_of(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same of ascending numbers (n,)."""
    return _joined(numbers, numbers + 1, np.diff(numbers) != 1)


def _joined(first: np.ndarray, stop: np.ndarray, apart: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Runs that are joined to the one before them unless they stand apart from it, (R - 1,) bool."""
    if not len(first):
        return first, stop
    return first[np.append(True, apart)], stop[np.append(apart, True)]
