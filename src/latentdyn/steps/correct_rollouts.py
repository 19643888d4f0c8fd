"""Forecast segments with every variant of a correction, beside the ceiling of a stale context."""

import argparse
import json
from pathlib import Path

from latentdyn.correction.forecasts import evaluate_corrections
from latentdyn.correction.variants import SamplingSettings
from latentdyn.diagnostics.injection import InjectionSettings
from latentdyn.diagnostics.records import write_metrics
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.models.score.loading import load_score_model
from latentdyn.parquet import write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.measuring import Measuring, add_forecasting_arguments, add_measuring_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_measuring_arguments(parser)
    add_forecasting_arguments(parser)
    parser.add_argument("--score", type=Path, required=True, help="handle of the fitted score model")
    parser.add_argument("--score-model", type=json.loads, required=True, help="its part of the correction, as JSON")
    parser.add_argument("--sampling", type=json.loads, required=True, help="the correction's other part, as JSON")


def step(arguments: argparse.Namespace) -> None:
    of = Measuring.begin(arguments)
    records, speakers = evaluate_corrections(
        of.predictors[1],
        load_predictors(arguments.ceiling, None, of.store.dim, of.device),
        load_score_model(arguments.score, arguments.score_model, of.store.dim, of.device),
        of.latents,
        of.frames,
        of.store.frame_rate_hz,
        SamplingSettings(**arguments.sampling),
        InjectionSettings(**arguments.injection, bootstrap_resamples=arguments.resamples),
        seed_names=("inject",),  # segments and draws are those of inject_truth
    )
    write_parquet(arguments.speakers, speakers)
    write_metrics(arguments.metrics, records)
    of.end(arguments.metrics)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
