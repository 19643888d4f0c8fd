"""One fork server for each pytest process, whose copies run Snakemake itself too: whole DAGs start hundreds of jobs.

All copies have the server's hash seed: a test of bytes that may not depend on it takes the real Python.
"""

import functools
import tempfile
from pathlib import Path

from latentdyn.forkserver import LIBRARIES, ForkServer

SNAKEMAKE = ("snakemake.api", "snakemake.cli", "snakemake.profiles", "snakemake.report.html_reporter", "smart_open")


class WarmPython(ForkServer):
    """The server, and a folder for what tests share. It ends with the process that started it."""

    def __init__(self) -> None:
        super().__init__((*LIBRARIES, *SNAKEMAKE), ("snakemake", "latentdyn"))
        self._temporary = tempfile.TemporaryDirectory(prefix="latentdyn-")
        self.folder = Path(self._temporary.name)

    def close(self) -> None:
        super().close()
        self._temporary.cleanup()


@functools.cache
def warm_python() -> WarmPython:
    """One for all tests of a process; `tests/conftest.py` ends it."""
    return WarmPython()


def end_warm_python() -> None:
    if warm_python.cache_info().currsize:
        warm_python().close()
