"""Fit a model of any kind to the training speakers of a representation; a killed job continues."""

import argparse
import time
from pathlib import Path

from latentdyn.devices import PRECISIONS, describe_device, gpu_required, pick_device, take_card
from latentdyn.models.checkpoint import read_checkpoint, save_checkpoint
from latentdyn.models.fit import fit_model
from latentdyn.parquet import write_parquet
from latentdyn.provenance import write_run_record
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import json_object, model, number
from latentdyn.stores.frames import open_frames, read_frames_handle
from latentdyn.stores.latents import open_latents
from latentdyn.stores.state import open_state, remove_state


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kind", required=True, help="kind of model: a package of latentdyn.models")
    parser.add_argument("--settings", type=json_object, required=True, help="settings of the model, as JSON")
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--frames", type=Path, required=True, help="handle of the frame index")
    parser.add_argument("--start", type=Path, nargs="?", help="handle of the checkpoint to train on from, if any")
    parser.add_argument(
        "--codec", type=json_object, nargs="?",
        help="section of the config of the encoder that made the latents, as JSON, for an objective that listens",
    )  # fmt: skip
    parser.add_argument("--seed", type=number(int, 0), required=True)
    parser.add_argument("--code", required=True, help="digest of the code that trains")
    parser.add_argument("--state", type=Path, required=True, help="folder for unfinished work")
    parser.add_argument(
        "--checkpoint-interval-s", type=number(float, 0), default=60.0, help="how often unfinished work is saved"
    )
    parser.add_argument("--curve", type=Path, required=True, help="parquet of the held-out curve to write")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; weights are the .safetensors beside it"
    )
    parser.add_argument("--float32-matmul", default="highest", choices=PRECISIONS, help="arithmetic on a GPU")


def step(arguments: argparse.Namespace) -> None:
    started = time.time()
    kind, settings, seed = arguments.kind, arguments.settings, arguments.seed
    store = open_latents(arguments.latents)
    frames = open_frames(arguments.frames, store)
    data = {"latents": store.handle["digest"], "frames": read_frames_handle(arguments.frames, store)["digest"]}
    start = read_checkpoint(arguments.start, kind, None, store.dim, data) if arguments.start else None
    if start:
        data["start"] = start.digest
    take_card()
    device = pick_device(require_gpu=gpu_required(), float32_matmul=arguments.float32_matmul)
    fingerprint = {
        "kind": kind,
        "settings": settings,
        "seed": seed,
        "code": arguments.code,
        "data": data,
        "float32_matmul": arguments.float32_matmul,
    }
    fitted = fit_model(
        kind,
        settings,
        store,
        frames,
        seed=seed,
        state=open_state(arguments.state, fingerprint),
        device=device,
        start=start.weights if start else None,
        codec=arguments.codec,
        checkpoint_interval_s=arguments.checkpoint_interval_s,
    )
    curve = write_parquet(arguments.curve, fitted.curve)
    save_checkpoint(
        arguments.handle,
        fitted.weights,
        kind=kind,
        settings=settings,
        dim=store.dim,
        seed=seed,
        data=data,
        curve=curve,
        facts=fitted.facts,
    )
    remove_state(arguments.state)
    write_run_record(
        arguments.handle.with_suffix(".run.json"),
        started=started,
        device=describe_device(device),
        fingerprint=fingerprint,
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=model)
