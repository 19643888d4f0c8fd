"""Draw a table's figure from what its rows were measured with."""

import argparse
import importlib
import time
from pathlib import Path

from latentdyn.families import VIEWS
from latentdyn.provenance import write_run_record
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.png import write_figure
from latentdyn.reporting.transfer import corpus_named
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import json_object, section, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, help="parquet of records")
    parser.add_argument("--speakers", type=Path, required=True, help="parquet of sums over each speaker's frames")
    parser.add_argument("--worst-frames", type=Path, required=True, help="parquet of the frames of highest NLL")
    parser.add_argument(
        "--table", type=section("tables:TableKind"), required=True, help="the table's section of the config, as JSON"
    )
    parser.add_argument("--plan", type=json_object, required=True, help="corpus, rows, kinds and processes, as JSON")
    parser.add_argument("--png", type=Path, required=True, help="image to write")
    parser.add_argument("--svg", type=Path, required=True, help="the same as lines and letters, sharp at any size")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    plan = arguments.plan
    measured = Measurements.read(
        arguments.metrics, arguments.speakers, arguments.worst_frames, plan["corpus"], plan["bootstrap_resamples"]
    )
    view = importlib.import_module(VIEWS.module(plan.get("view", arguments.table["kind"])))
    figure = view.draw(measured, arguments.table, arguments.plan)
    if arguments.table.get("fitted_on"):
        figure.suptitle(f"corpus {corpus_named(arguments.table, plan)}")
    files = (arguments.png, arguments.svg)
    for file in files:
        write_figure(figure, file)
    write_run_record(arguments.png.with_suffix(".run.json"), started=started, files=files)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=table)
