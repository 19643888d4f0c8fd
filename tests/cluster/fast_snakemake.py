"""Snakemake that asks Slurm every second.

Its executor waits ten seconds longer after each look at which no job had finished, and no option limits that. Only the
process that submits asks, so this changes nothing in the jobs.
"""

import sys

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

RemoteExecutor.next_seconds_between_status_checks = property(lambda self: 1, lambda self, seconds: None)  # type: ignore[method-assign,assignment]

if __name__ == "__main__":
    sys.argv[0] = "snakemake"
    sys.exit(main())
