"""The files below a folder, and what is passed over among them. Imports nothing heavy, and opens no file."""

import collections
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from latentdyn.corpus.recording import Split
from latentdyn.errors import UserError

logger = logging.getLogger(__name__)

# of formats that are not read; a corpus in one of them would be missed without a word
_SOUND = {
    *(".3gp", ".aac", ".ac3", ".amr", ".ape", ".avi", ".caf", ".dsf", ".m4a", ".m4b", ".mka", ".mkv", ".mov", ".mp4"),
    *(".mpg", ".pcm", ".raw", ".spx", ".webm", ".wma", ".wv"),
}

Subset = str | list[str] | dict[str, Split] | None


def splits_by_subset(subset: Subset) -> Mapping[str, Split | None]:
    """The folders of a corpus below its root, each with its split, if the corpus says one; "" is the root itself."""
    if isinstance(subset, dict):
        return subset
    names = [""] if subset is None else [subset] if isinstance(subset, str) else subset
    return dict.fromkeys(names)


def files_below(folder: Path) -> Iterator[Path]:
    """Every file at any depth. Hidden files and folders are left out; links to folders are followed, each folder once.

    Raises:
        UserError: a folder cannot be listed.
    """
    visited = set()
    for at, below, names in os.walk(folder, followlinks=True, onerror=_refuse):
        visited.add(os.path.realpath(at))
        below[:] = sorted(
            name
            for name in below
            if not name.startswith(".") and os.path.realpath(os.path.join(at, name)) not in visited
        )
        yield from (Path(at, name) for name in names if not name.startswith("."))


def report_passed_over(files: Iterable[Path]) -> None:
    """Log one line on the files that are no recordings, counted by suffix: a warning, if some may hold sound."""
    counts = collections.Counter(file.suffix.lower() or "no suffix" for file in files)
    if counts:
        each = ", ".join(f"{suffix} {n}" for suffix, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        level = logging.WARNING if counts.keys() & _SOUND else logging.INFO
        logger.log(level, "passed over: %d files of %d suffixes: %s", counts.total(), len(counts), each)


def _refuse(error: OSError) -> None:
    raise UserError(
        f"this folder of the corpus cannot be listed ({error.strerror or error})",
        error.filename,
        "make it readable for you, or move it out of the corpus",
    )
