"""Draw the Phase 1 figure from a corpus's metrics: predictability over the context's staleness."""

import argparse
import json
from pathlib import Path

from latentdyn.diagnostics.records import DTYPES
from latentdyn.parquet import read_parquet
from latentdyn.reporting.figures import lagged_figure, write_figure
from latentdyn.steps.cli import run_step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.parquet of the corpus")
    parser.add_argument("--table", type=json.loads, required=True, help="the table's section of the config, as JSON")
    parser.add_argument(
        "--kinds", type=json.loads, required=True, help="kind of each representation and predictor, as JSON"
    )
    parser.add_argument("--figure", type=Path, required=True, help="PNG to write")


def step(arguments: argparse.Namespace) -> None:
    records = read_parquet(arguments.metrics, list(DTYPES), made_by="collect_metrics")
    write_figure(lagged_figure(records, arguments.table, arguments.kinds), arguments.figure)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
