"""Measure how predictable a representation is to a fitted predictor (Phase 1), on every split."""

import argparse
import json
from pathlib import Path

from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.records import write_metrics, write_sums
from latentdyn.steps.cli import run_step
from latentdyn.steps.measuring import Measuring, add_measuring_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_measuring_arguments(parser)
    parser.add_argument("--evaluation", type=json.loads, required=True, help="the section of the config, as JSON")
    parser.add_argument("--speakers", type=Path, required=True, help="parquet of sums over each speaker's frames")


def step(arguments: argparse.Namespace) -> None:
    of = Measuring.begin(arguments)
    evaluation = evaluate_lagged(
        of.predictors,
        of.latents,
        of.frames,
        of.store.frame_rate_hz,
        EvaluationSettings(**arguments.evaluation),
        seed_names=("evaluate",),
    )
    write_sums(arguments.speakers, arguments.identity, evaluation.speakers)
    write_metrics(arguments.metrics, arguments.identity, evaluation.records, evaluation.worst_frames)
    of.end(arguments.metrics)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
