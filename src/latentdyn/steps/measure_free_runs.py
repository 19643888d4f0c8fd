"""Let a predictor run freely for long, and compare what it generates with the data."""

import argparse
import json

from latentdyn.diagnostics.free_runs import FreeRunSettings, measure_free_runs
from latentdyn.diagnostics.records import write_metrics
from latentdyn.steps.cli import run_step
from latentdyn.steps.measuring import Measuring, add_measuring_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_measuring_arguments(parser)
    parser.add_argument("--free-runs", type=json.loads, required=True, help="the section of the config, as JSON")
    parser.add_argument("--resamples", type=int, required=True, help="of the speakers, for 95 %% intervals")


def step(arguments: argparse.Namespace) -> None:
    of = Measuring.begin(arguments)
    settings = FreeRunSettings(**arguments.free_runs, bootstrap_resamples=arguments.resamples)
    records = measure_free_runs(of.predictors[1], of.latents, of.frames, settings, seed_names=("run freely",))
    write_metrics(arguments.metrics, arguments.identity, records)
    of.end(arguments.metrics)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
