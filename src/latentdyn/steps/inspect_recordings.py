"""Open every recording of one part of a corpus once: what can be used, and what is set aside with its reason."""

import argparse
from pathlib import Path

from latentdyn.corpus.manifest import inspect_recordings
from latentdyn.files import of_folders
from latentdyn.parquet import write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import corpus_section, number, part


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", type=corpus_section(), required=True, help="the corpus's section of the config, as JSON"
    )
    parser.add_argument("--root", type=Path, required=True, help="its folder")
    parser.add_argument("--part", type=number(int, 0), required=True, help="0 to n-parts - 1")
    parser.add_argument("--n-parts", type=number(int, 1), required=True, help="how many parts there are")
    parser.add_argument("--utterances", type=Path, required=True, help="parquet of this part's utterances to write")
    parser.add_argument("--excluded", type=Path, required=True, help="parquet of what is set aside to write")
    parser.add_argument("--workers", type=number(int, 1), default=1, help="threads")


def step(arguments: argparse.Namespace) -> None:
    found = inspect_recordings(
        arguments.corpus,
        arguments.root,
        workers=arguments.workers,
        part=arguments.part,
        n_parts=arguments.n_parts,
    )
    about = of_folders(arguments.utterances.parent, "corpus")
    about["part"] = f"{arguments.part}of{arguments.n_parts}"
    write_parquet(arguments.excluded, found.excluded, about)
    write_parquet(arguments.utterances, found.utterances, about)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=part)
