"""Fit a score model to the training speakers' single latents; a killed job continues."""

import argparse
import json
import time
from pathlib import Path

from latentdyn.correction.checkpoint import save_score_model
from latentdyn.correction.training import fit_score
from latentdyn.devices import PRECISIONS, describe_device, gpu_required, pick_device
from latentdyn.parquet import write_parquet
from latentdyn.provenance import write_run_record
from latentdyn.steps.cli import run_step
from latentdyn.stores.frames import open_frames
from latentdyn.stores.latents import open_latents
from latentdyn.stores.state import open_state, remove_state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument("--score-model", type=json.loads, required=True, help="its part of the correction, as JSON")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--code", required=True, help="digest of the code that trains")
    parser.add_argument("--state", type=Path, required=True, help="folder for unfinished work")
    parser.add_argument("--checkpoint-interval-s", type=float, default=60.0, help="how often unfinished work is saved")
    parser.add_argument("--curve", type=Path, required=True, help="parquet of the held-out curve to write")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; weights are the .safetensors beside it"
    )
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    store = open_latents(arguments.latents)
    frames = open_frames(arguments.frames, store)
    data = {"latents": store.handle["digest"], "frames": json.loads(arguments.frames.read_text())["digest"]}
    key = {
        "score_model": arguments.score_model,
        "seed": arguments.seed,
        "code": arguments.code,
        "data": data,
        "float32_matmul": arguments.float32_matmul,
    }
    device = pick_device(require_gpu=gpu_required(), float32_matmul=arguments.float32_matmul)
    model, curve = fit_score(
        arguments.score_model,
        store,
        frames,
        seed_names=("score", arguments.seed),
        state_file=open_state(arguments.state, key) / "training.pt",
        device=device,
        checkpoint_interval_s=arguments.checkpoint_interval_s,
    )
    write_parquet(arguments.curve, curve)
    save_score_model(arguments.handle, model, arguments.score_model, data)
    remove_state(arguments.state)
    write_run_record(
        arguments.handle.with_suffix(".run.json"), started=started, device=describe_device(device), key=key
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
