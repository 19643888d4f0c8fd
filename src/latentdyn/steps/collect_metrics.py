"""Join all that the rows of a table were measured with: records, sums by speaker, worst frames.

Every file says itself what it is of. So the order of the files means nothing, and no file can be taken for another.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.diagnostics.records import IDENTITY, SUMS, WORST_FRAMES, Identity, read_metrics, read_sums
from latentdyn.errors import UserError
from latentdyn.metrics import metric
from latentdyn.parquet import parquet_facts, write_parquet
from latentdyn.steps.cli import run_step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, nargs="+", help="files of metrics (JSON)")
    parser.add_argument("--sums", type=Path, default=[], nargs="*", help="files of sums by speaker (parquet)")
    parser.add_argument("--metrics-out", type=Path, required=True, help="parquet to write")
    parser.add_argument("--sums-out", type=Path, required=True, help="parquet to write")
    parser.add_argument("--worst-frames-out", type=Path, required=True, help="parquet to write")


def step(arguments: argparse.Namespace) -> None:
    metrics = [read_metrics(path) for path in arguments.metrics]
    sums = [read_sums(path) for path in arguments.sums]
    measured = _sources(arguments.metrics, [file.records for file in metrics])
    belonging = {file.sums for file in metrics}
    for identity, path in _sources(arguments.sums, sums).items():
        if identity not in measured:
            raise UserError(
                f"sums of {identity} come without their metrics", path, "list the file of metrics beside it too"
            )
        if parquet_facts(path, made_by="measure_...")["digest"] not in belonging:
            raise UserError(
                "these sums are not those that were measured together with their metrics",
                path,
                f"delete {measured[identity]} and run the same command again: Snakemake measures both anew",
            )
    corpora = sorted({identity.corpus for identity in measured})
    if len(corpora) > 1:
        raise UserError(f"metrics of several corpora ({', '.join(corpora)}) make no table", "--metrics", "give one's")
    for path, file in zip(arguments.metrics, metrics, strict=True):
        _check_records(path, file.records)
    metrics.sort(key=lambda file: _identity(file.records))  # whatever the order of the files
    sums.sort(key=_identity)
    worst = [file.worst_frames for file in metrics if len(file.worst_frames)]
    parts = {
        "speakers": write_parquet(arguments.sums_out, _joined(sums, tuple(SUMS))),
        "worst_frames": write_parquet(arguments.worst_frames_out, _joined(worst, WORST_FRAMES)),
    }
    write_parquet(arguments.metrics_out, pd.concat([file.records for file in metrics], ignore_index=True), parts)


def _sources(paths: Sequence[Path], tables: Sequence[pd.DataFrame]) -> dict[Identity, Path]:
    """The file of each measurement.

    Raises:
        UserError: two files are of the same one.
    """
    sources: dict[Identity, Path] = {}
    for path, table in zip(paths, tables, strict=True):
        for values in table[list(IDENTITY)].drop_duplicates().itertuples(index=False):
            identity = Identity(*values)
            if identity in sources:
                raise UserError(f"two files are of {identity}", f"{sources[identity]} and {path}", "list only one")
            sources[identity] = path
    return sources


def _identity(table: pd.DataFrame) -> tuple[Any, ...]:
    """What a file is of, to sort by; nothing of a file without rows."""
    return tuple(table[list(IDENTITY)].head(1).itertuples(index=False, name=None))


def _check_records(path: Path, records: pd.DataFrame) -> None:
    """Check that the records of a file are what views can show.

    Raises:
        UserError: there are none, or a metric is none of the list.
    """
    if records.empty:
        raise UserError("this file of metrics holds no record", path, "delete it and rerun Snakemake")
    for name in records["metric"].unique():
        try:
            metric(name)
        except KeyError:
            raise UserError(
                f"there is no metric '{name}'", path, "list it in latentdyn.metrics, or delete the file and rerun"
            ) from None


def _joined(tables: list[pd.DataFrame], columns: Sequence[str]) -> pd.DataFrame:
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=list(columns))


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
