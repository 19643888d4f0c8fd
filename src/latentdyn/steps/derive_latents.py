"""Derive a representation from another one: pooled, a surrogate, with outliers, or of any other derived kind."""

import argparse
from pathlib import Path

from latentdyn.corpus.splits import read_splits
from latentdyn.representations.derive import derive_store
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import section
from latentdyn.stores.latents import open_latents


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--source", type=Path, required=True, help="handle of the latents")
    parser.add_argument("--model", type=Path, nargs="?", help="handle of the trained model, of kinds that have one")
    parser.add_argument("--splits", type=Path, required=True, help="parquet of speakers and their split")
    parser.add_argument(
        "--representation",
        type=section("representations:Derived"),
        required=True,
        help="its section of the config, as JSON",
    )
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )


def step(arguments: argparse.Namespace) -> None:
    splits = read_splits(arguments.splits)
    source = open_latents(arguments.source)
    derive_store(source, arguments.representation, splits, arguments.handle, arguments.model)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
