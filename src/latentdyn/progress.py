"""Progress of long work: a bar on a terminal, a plain line now and then where there is none (a job's log)."""

import io
import logging
import sys
from typing import Any

from tqdm import tqdm

log = logging.getLogger(__name__)

_LINE_EVERY_S = 30.0


class _Lines(tqdm):  # type: ignore[misc]  # tqdm has no annotations
    """A bar that logs itself as a line instead of drawing over one."""

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        if self.n:  # the empty bar says nothing
            log.info("%s", msg or str(self))

    def close(self) -> None:
        self.leave = True  # a last line, with the whole time
        super().close()


def progress(iterable: Any = None, **options: Any) -> "tqdm[Any]":
    """A tqdm bar (same arguments) that suits where standard error goes."""
    if sys.stderr.isatty():
        return tqdm(iterable, **options)
    every = {"mininterval": _LINE_EVERY_S, "maxinterval": _LINE_EVERY_S, "miniters": 1}
    nowhere = io.StringIO()  # a bar ends with a line feed, where it has drawn nothing too
    return _Lines(iterable, file=nowhere, ascii=True, ncols=100, **every, **options)
