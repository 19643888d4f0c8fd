"""Assign every speaker of a corpus to train, validation or eval."""

import argparse
from pathlib import Path

from latentdyn.corpus.splits import report_balance, split_speakers
from latentdyn.files import of_folders
from latentdyn.parquet import read_manifest, write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import section


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances")
    parser.add_argument(
        "--splits", type=section("corpora:Splits"), required=True, help="salt, validation and eval, as JSON"
    )
    parser.add_argument("--out", type=Path, required=True, help="parquet of speakers to write")


def step(arguments: argparse.Namespace) -> None:
    manifest = read_manifest(
        arguments.manifest, ["utterance_id", "speaker_id", "sex", "split", "duration_s"], made_by="build_manifest"
    )
    speakers = split_speakers(manifest, **arguments.splits)
    report_balance(speakers)
    write_parquet(arguments.out, speakers, of_folders(arguments.out, "corpus"))


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
