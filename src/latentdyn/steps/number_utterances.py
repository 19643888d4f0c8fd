"""Write the manifest of a corpus without recordings: speakers and utterances by number."""

import argparse
from pathlib import Path

from latentdyn.corpus.synthetic import synthetic_handle, synthetic_manifest
from latentdyn.files import of_folders, write_json
from latentdyn.parquet import write_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import section


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus",
        type=section(
            "corpora:Synthetic", without={"kind", "splits", "max_nonfinite_share"}, stand_in={"kind": "synthetic"}
        ),
        required=True,
        help="n_speakers, ..., as JSON",
    )
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances to write")
    parser.add_argument("--handle", type=Path, required=True, help="JSON to write last")


def step(arguments: argparse.Namespace) -> None:
    manifest = synthetic_manifest(**arguments.corpus)
    write_parquet(arguments.manifest, manifest)
    write_json(arguments.handle, {**synthetic_handle(manifest), **of_folders(arguments.handle, "corpus")})


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
