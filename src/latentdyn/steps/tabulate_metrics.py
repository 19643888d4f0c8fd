"""Write a table (CSV, Markdown, LaTeX, JSON) from what its rows were measured with, beside the published values."""

import argparse
import importlib
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from latentdyn.families import VIEWS
from latentdyn.provenance import write_run_record
from latentdyn.reporting.cautions import cautions_of_latents
from latentdyn.reporting.measurements import Measurements
from latentdyn.reporting.sheet import write_sheet
from latentdyn.reporting.stored import write_stored
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import json_object, section, table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--metrics", type=Path, required=True, help="parquet of records")
    parser.add_argument("--speakers", type=Path, required=True, help="parquet of sums over each speaker's frames")
    parser.add_argument("--worst-frames", type=Path, required=True, help="parquet of the frames of highest NLL")
    parser.add_argument(
        "--table", type=section("tables:TableKind"), required=True, help="its section of the config, as JSON"
    )
    parser.add_argument("--plan", type=json_object, required=True, help="corpus, rows, kinds and processes, as JSON")
    parser.add_argument("--csv", type=Path, required=True)
    parser.add_argument("--markdown", type=Path, required=True)
    parser.add_argument("--latex", type=Path, required=True)
    parser.add_argument("--sheet", type=Path, required=True, help="JSON to write: what reports show beside the CSV")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    plan = arguments.plan
    measured = Measurements.read(
        arguments.metrics, arguments.speakers, arguments.worst_frames, plan["corpus"], plan["bootstrap_resamples"]
    )
    view = importlib.import_module(VIEWS.module(plan.get("view", arguments.table["kind"])))
    sheet = view.tabulate(measured, arguments.table, arguments.plan)
    sheet = replace(sheet, notes=_notes(sheet.notes, measured, arguments.table))
    files = (arguments.csv, arguments.markdown, arguments.latex)
    write_sheet(sheet, *files)
    write_stored(arguments.sheet, sheet, arguments.csv, arguments.table, plan)
    record = arguments.csv.with_suffix(".run.json")
    write_run_record(record, started=started, files=[*files, arguments.sheet])


def _notes(notes: Sequence[str], measured: Measurements, table: dict[str, Any]) -> list[str]:
    """The notes of a view, and what holds whatever the view is."""
    test = ["**This table is a test.** Its config allows encoders with random weights (`untrained: true`)."]
    return [*(test if table["untrained"] else []), *notes[:1], *cautions_of_latents(measured.about_latents), *notes[1:]]


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=table)
