"""Forecast segments with and without injected truth, beside the ceiling of a stale context."""

import argparse

from latentdyn.diagnostics.injection import InjectionSettings, evaluate_injection
from latentdyn.diagnostics.records import write_metrics
from latentdyn.models.predictor.loading import load_predictors
from latentdyn.parquet import write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.measuring import Measuring, add_forecasting_arguments, add_measuring_arguments


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_measuring_arguments(parser)
    add_forecasting_arguments(parser)


def step(arguments: argparse.Namespace) -> None:
    of = Measuring.begin(arguments)
    records, speakers = evaluate_injection(
        of.predictors[1],
        load_predictors(arguments.ceiling, None, of.store.dim, of.device),
        of.latents,
        of.frames,
        of.store.frame_rate_hz,
        InjectionSettings(**arguments.injection, bootstrap_resamples=arguments.resamples),
        seed_names=("inject",),
    )
    write_parquet(arguments.speakers, speakers)
    write_metrics(arguments.metrics, records)
    of.end(arguments.metrics)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
