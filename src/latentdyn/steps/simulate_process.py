"""Draw the utterances of a corpus from a process whose exact predictability is known."""

import argparse
from pathlib import Path

from latentdyn.parquet import read_manifest
from latentdyn.processes.base import write_process
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import number, section


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances")
    parser.add_argument("--frame-rate-hz", type=number(float, 0), required=True)
    parser.add_argument(
        "--representation",
        type=section("representations:Process"),
        required=True,
        help="its section of the config, as JSON",
    )
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )


def step(arguments: argparse.Namespace) -> None:
    settings = arguments.representation
    manifest = read_manifest(
        arguments.manifest, ["utterance_id", "speaker_id", "n_frames"], made_by="number_utterances"
    )
    write_process(
        settings,
        manifest,
        arguments.handle,
        arguments.frame_rate_hz,
        seed_names=("simulate", settings["kind"], settings["seed"]),
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
