"""What steps have warned of, found again in their logs: what nobody opens, a run says once more at its end."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

WARNING = "warning: "  # how the line of a warning begins
_SHOWN, _WIDTH = 10, 400


def warnings_since(results: Path, start: float) -> Iterator[str]:
    """The first warnings in the logs below a folder that were written to since a time, each with its log; shortened.

    Args:
        start: seconds since the epoch.
    """
    told = 0
    for log in sorted(results.rglob("*.log")):
        if log.stat().st_mtime < start:
            continue
        for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line.startswith(WARNING):
                continue
            told += 1
            if told <= _SHOWN:
                yield f"{log}: {textwrap.shorten(line.removeprefix(WARNING), _WIDTH, placeholder=' ...')}"
    if told > _SHOWN:
        yield f"and {told - _SHOWN} more: grep -r '^{WARNING}' {results} --include='*.log'"
