"""Whether the inputs of a finished job still exist, as one of the job's params.

Snakemake does not make a file again that is missing in the middle of a finished run: it counts as one that nobody
needs any more. But a job that fails leaves just that behind. Snakemake removes its outputs, and notes the new inputs
and params as if it had succeeded. The next run would then say "nothing to be done" beside a table of the old inputs.
With this param, a job whose inputs are gone counts as changed: it runs again, and for that its inputs are made first.
"""

import os
from collections.abc import Iterable


class Presence(str):
    """An empty string to commands. Snakemake's record of the job holds its `repr`, taken at the time of recording."""

    files: tuple[str, ...]

    def __new__(cls, files: Iterable[str]) -> "Presence":
        """
        Args:
            files: paths of the job's inputs.
        """
        presence = super().__new__(cls, "")
        presence.files = tuple(files)
        return presence

    def __repr__(self) -> str:
        gone = [file for file in self.files if not os.path.exists(file)]
        return f"gone: {', '.join(gone)}" if gone else "''"
