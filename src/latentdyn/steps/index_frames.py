"""Index every frame of a latents store: whose it is, when, in which split and slices."""

import argparse
from pathlib import Path

from latentdyn.corpus.splits import read_splits
from latentdyn.steps.cli import run_step
from latentdyn.stores.frames import check_finite_share, index_frames, write_frames
from latentdyn.stores.latents import open_latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--latents", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--splits", type=Path, required=True, help="parquet of speakers and their split")
    parser.add_argument(
        "--max-nonfinite-share",
        type=float,
        required=True,
        help="of frames that are not finite; more are refused",
    )
    parser.add_argument("--frames", type=Path, required=True, help="parquet to write")
    parser.add_argument("--handle", type=Path, required=True, help="JSON to write last")


def step(arguments: argparse.Namespace) -> None:
    store = open_latents(arguments.latents)
    check_finite_share(store, arguments.max_nonfinite_share)
    splits = read_splits(arguments.splits)
    write_frames(arguments.frames, arguments.handle, index_frames(store, splits), store)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
