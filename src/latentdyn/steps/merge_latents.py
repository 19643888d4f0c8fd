"""Join the parts of a representation into one latents store, without copying a frame."""

import argparse
from pathlib import Path

from latentdyn.steps.cli import run_step
from latentdyn.stores.latents_merge import merge_latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--parts", type=Path, required=True, nargs="+", help="handles of the parts, in order")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )


def step(arguments: argparse.Namespace) -> None:
    merge_latents(arguments.parts, arguments.handle)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
