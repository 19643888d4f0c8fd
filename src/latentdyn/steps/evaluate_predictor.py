"""Measure how predictable a representation is to a fitted predictor (Phase 1), on every split."""

import argparse
import json
import time
from pathlib import Path

import torch

from latentdyn.devices import PRECISIONS, describe_device, gpu_required, pick_device
from latentdyn.diagnostics.lagged import EvaluationSettings, evaluate_lagged
from latentdyn.diagnostics.records import write_metrics
from latentdyn.parquet import write_parquet
from latentdyn.provenance import write_run_record
from latentdyn.steps.cli import run_step
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import open_latents
from latentdyn.training.checkpoint import load_checkpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument("--checkpoint", type=Path, required=True, help="handle of the fitted predictor")
    parser.add_argument("--predictor", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument("--evaluation", type=json.loads, required=True, help="the section of the config, as JSON")
    parser.add_argument("--speakers", type=Path, required=True, help="parquet of sums over each speaker's frames")
    parser.add_argument("--metrics", type=Path, required=True, help="JSON to write last")
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    store = open_latents(arguments.latents)
    frames = open_frames(arguments.frames, store)
    device = pick_device(require_gpu=gpu_required(), float32_matmul=arguments.float32_matmul)
    predictors = load_checkpoint(arguments.checkpoint, arguments.predictor, store.dim, device)
    evaluation = evaluate_lagged(
        predictors,
        torch.from_numpy(store.load()).to(device),
        frames,
        store.frame_rate_hz,
        EvaluationSettings(**arguments.evaluation),
        seed_names=("evaluate",),
    )
    write_parquet(arguments.speakers, evaluation.speakers)
    write_metrics(arguments.metrics, evaluation.records, evaluation.worst_frames)
    write_run_record(arguments.metrics.with_suffix(".run.json"), started=started, device=describe_device(device))


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
