"""Mean-pool a representation in time to a lower frame rate."""

import argparse
import json
from pathlib import Path

from latentdyn.representations.pooling import pool_store
from latentdyn.steps.cli import run_step
from latentdyn.stores.latents import open_latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="handle of the latents to pool")
    parser.add_argument("--representation", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )


def step(arguments: argparse.Namespace) -> None:
    settings = arguments.representation
    pool_store(open_latents(arguments.source), arguments.handle, settings["frame_rate_hz"], settings["dtype"])


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
