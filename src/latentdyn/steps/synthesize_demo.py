"""Speak the demo corpus with espeak-ng, offline: wave files, texts, and exact word and phoneme times."""

import argparse
from pathlib import Path

from latentdyn.corpus.synthesis import write_corpus
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--n-speakers", type=number(int, 1), required=True, help="1 to 48, women and men in turn")
    parser.add_argument("--sentences-per-speaker", type=number(int, 1), required=True, help="one wave file each")
    parser.add_argument("--out", type=Path, required=True, help="folder of the corpus; an earlier one is replaced")
    parser.add_argument("--handle", type=Path, required=True, help="JSON that is written last")


def step(arguments: argparse.Namespace) -> None:
    write_corpus(
        arguments.out,
        arguments.handle,
        n_speakers=arguments.n_speakers,
        sentences_per_speaker=arguments.sentences_per_speaker,
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
