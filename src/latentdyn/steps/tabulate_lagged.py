"""Write the Phase 1 table (CSV, Markdown, LaTeX) from a corpus's metrics, beside the published values."""

import argparse
import json
from pathlib import Path

from latentdyn.diagnostics.records import DTYPES
from latentdyn.parquet import read_parquet
from latentdyn.reporting.tables import lagged_notes, lagged_table, write_table
from latentdyn.steps.cli import run_step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, help="metrics.parquet of the corpus")
    parser.add_argument("--table", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument("--corpus", required=True, help="the corpus's name")
    parser.add_argument(
        "--kinds", type=json.loads, required=True, help="kind of each representation and predictor, as JSON"
    )
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--markdown", type=Path, required=True)
    parser.add_argument("--latex", type=Path, required=True)


def step(arguments: argparse.Namespace) -> None:
    records = read_parquet(arguments.metrics, list(DTYPES), made_by="collect_metrics")
    table = lagged_table(records, arguments.table, arguments.kinds)
    notes = lagged_notes(arguments.corpus, arguments.table, arguments.kinds)
    write_table(table, arguments.csv, arguments.markdown, arguments.latex, notes)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
