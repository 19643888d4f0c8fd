"""Open every file of a corpus once and write the table of its utterances, and of those set aside.

The handle is written last.
"""

import argparse
from pathlib import Path

from latentdyn.corpus.manifest import LATENTS_MAX_EXCLUDED_SHARE, build_manifest, write_manifest
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import corpus_section, number


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus",
        type=corpus_section(),
        required=True,
        help="the corpus's section of the config, as JSON",
    )
    parser.add_argument("--root", type=Path, required=True, help="its folder; of kind latents, its CSV")
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances to write")
    parser.add_argument(
        "--excluded", type=Path, required=True, help="parquet of files set aside, with reasons, to write"
    )
    parser.add_argument("--handle", type=Path, required=True, help="JSON to write last")
    parser.add_argument("--workers", type=number(int, 1), default=1, help="threads")


def step(arguments: argparse.Namespace) -> None:
    manifest = build_manifest(arguments.corpus, arguments.root, workers=arguments.workers)
    checks = arguments.corpus.get("audio", {"max_excluded_share": LATENTS_MAX_EXCLUDED_SHARE})
    write_manifest(manifest, checks["max_excluded_share"], arguments.manifest, arguments.excluded, arguments.handle)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
