"""Forecast segments with every variant of a correction, beside the ceiling of a stale context."""

import argparse
import json
from pathlib import Path

import torch

from latentdyn.correction.checkpoint import load_score_model
from latentdyn.correction.forecasts import evaluate_corrections
from latentdyn.correction.variants import SamplingSettings
from latentdyn.devices import PRECISIONS, gpu_required, pick_device
from latentdyn.diagnostics.injection import InjectionSettings
from latentdyn.diagnostics.records import write_metrics
from latentdyn.parquet import write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import open_latents
from latentdyn.training.checkpoint import load_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument("--checkpoint", type=Path, required=True, help="handle of the fitted predictor")
    parser.add_argument("--predictor", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument(
        "--ceiling", type=Path, required=True, help="handle of the predictor whose horizons are the ceiling"
    )
    parser.add_argument("--score", type=Path, required=True, help="handle of the fitted score model")
    parser.add_argument("--score-model", type=json.loads, required=True, help="its part of the correction, as JSON")
    parser.add_argument("--sampling", type=json.loads, required=True, help="the correction's other part, as JSON")
    parser.add_argument("--injection", type=json.loads, required=True, help="the section of the config, as JSON")
    parser.add_argument("--resamples", type=int, required=True, help="of the speakers, for 95 %% intervals")
    parser.add_argument("--speakers", type=Path, required=True, help="parquet to write: sums over speakers' frames")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write")
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")


def step(arguments: argparse.Namespace) -> None:
    store = open_latents(arguments.latents)
    frames = open_frames(arguments.frames, store)
    device = pick_device(require_gpu=gpu_required(), float32_matmul=arguments.float32_matmul)
    predictors = load_checkpoint(arguments.checkpoint, arguments.predictor, store.dim, device)
    ceilings = load_checkpoint(arguments.ceiling, None, store.dim, device)
    model = load_score_model(arguments.score, arguments.score_model, store.dim, device)
    records, speakers = evaluate_corrections(
        predictors[1],
        ceilings,
        model,
        torch.from_numpy(store.load()).to(device),
        frames,
        store.frame_rate_hz,
        SamplingSettings(**arguments.sampling),
        InjectionSettings(**arguments.injection, bootstrap_resamples=arguments.resamples),
        seed_names=("inject",),  # segments and draws are those of inject_truth
    )
    write_parquet(arguments.speakers, speakers)
    write_metrics(arguments.metrics, records)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
