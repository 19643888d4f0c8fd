"""Pick the utterances of one part of a corpus, for one job to work on."""

import argparse
from pathlib import Path

from latentdyn.corpus.partition import PART_COLUMNS, select_part
from latentdyn.files import of_folders
from latentdyn.parquet import read_manifest_blocks, write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import number, part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances (audio)")
    parser.add_argument("--part", type=number(int, 0), required=True, help="0 to n-parts - 1")
    parser.add_argument("--n-parts", type=number(int, 1), required=True, help="how many parts there are")
    parser.add_argument("--out", type=Path, required=True, help="parquet to write")


def step(arguments: argparse.Namespace) -> None:
    manifest = read_manifest_blocks(arguments.manifest, PART_COLUMNS, made_by="build_manifest")
    part = select_part(manifest, arguments.part, arguments.n_parts)
    write_parquet(arguments.out, part, of_folders(arguments.out.parent, "corpus"))


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=part)
