"""Destroy some of a representation's structure and keep the rest: shuffled, white, phase-randomised or reversed."""

import argparse
import json
from pathlib import Path

from latentdyn.parquet import read_parquet
from latentdyn.representations.surrogates import surrogate_store
from latentdyn.steps.cli import run_step
from latentdyn.stores.latents import open_latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--splits", type=Path, required=True, help="parquet of speakers and their split")
    parser.add_argument("--representation", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )


def step(arguments: argparse.Namespace) -> None:
    settings = arguments.representation
    splits = read_parquet(arguments.splits, ["speaker_id", "split"], made_by="split_speakers")
    train_speakers = set(splits.speaker_id[splits.split == "train"])
    surrogate_store(
        open_latents(arguments.source), arguments.handle, settings["method"], settings["dtype"], train_speakers
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
