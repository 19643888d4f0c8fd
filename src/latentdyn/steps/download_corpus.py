"""Download a corpus's archive, continuing where an earlier run stopped; verify its checksum; unpack it."""

import argparse
from pathlib import Path

from latentdyn.corpus.download import download_corpus
from latentdyn.steps.cli import run_step


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", required=True, help="address of the .tar.gz")
    parser.add_argument("--checksum", required=True, help="md5:... or sha256:... of the archive")
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps a download between runs")
    parser.add_argument("--out", type=Path, required=True, help="folder to unpack into; an earlier one is replaced")
    parser.add_argument("--handle", type=Path, required=True, help="JSON to write last")


def step(arguments: argparse.Namespace) -> None:
    download_corpus(
        arguments.url, arguments.checksum, state=arguments.state, out=arguments.out, handle=arguments.handle
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
