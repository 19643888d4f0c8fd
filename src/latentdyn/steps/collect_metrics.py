"""Join the metrics of a corpus into one long table."""

import argparse
import json
from pathlib import Path

import pandas as pd

from latentdyn.diagnostics.records import read_metrics
from latentdyn.parquet import write_parquet
from latentdyn.steps.cli import run_step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, nargs="+", help="metrics.json files")
    parser.add_argument(
        "--identities", type=json.loads, required=True, nargs="+",
        help="what each was measured on, as JSON: corpus, representation, predictor, regime, seed",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="parquet to write")


def step(arguments: argparse.Namespace) -> None:
    tables = [read_metrics(path, who) for path, who in zip(arguments.metrics, arguments.identities, strict=True)]
    write_parquet(arguments.out, pd.concat(tables, ignore_index=True))


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
