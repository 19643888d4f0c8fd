"""Write latents that the user brings (one .npy an utterance) into a latents store."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from latentdyn.corpus.npy import open_npy
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.parquet import read_manifest
from latentdyn.steps.cli import run_step
from latentdyn.stores.latents import LatentsWriter
from latentdyn.stores.lineage import root_facts


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances")
    parser.add_argument(
        "--root", type=Path, required=True, help="folder that the paths in the manifest are relative to"
    )
    parser.add_argument("--frame-rate-hz", type=float, required=True)
    parser.add_argument("--representation", type=json.loads, required=True, help="its section of the config, as JSON")
    parser.add_argument(
        "--handle", type=Path, required=True, help="JSON to write last; the store is the .zarr beside it"
    )


def step(arguments: argparse.Namespace) -> None:
    columns = ["utterance_id", "speaker_id", "path", "sha256", "dim"]
    manifest = read_manifest(arguments.manifest, columns, made_by="build_manifest")
    import_latents(manifest, arguments.root, arguments.frame_rate_hz, arguments.representation, arguments.handle)


def import_latents(
    manifest: pd.DataFrame, root: Path, frame_rate_hz: float, representation: Mapping[str, Any], handle: Path
) -> None:
    """Write one `.npy` file for each utterance into a store.

    Args:
        manifest: columns utterance_id, speaker_id, path, sha256, dim; a row for each utterance.
        root: folder that the paths are relative to.
        representation: its section of the config.
        handle: JSON to write last; the store is the .zarr beside it.

    Raises:
        UserError: a file has changed since the manifest was made.
    """
    writer = LatentsWriter(
        handle, int(manifest["dim"].iloc[0]), frame_rate_hz, representation["dtype"],
        causal=None, **root_facts(representation),
    )  # fmt: skip
    for row in manifest.itertuples(index=False):
        path = root / row.path
        check_unchanged(path, row.sha256)
        writer.append(row.utterance_id, row.speaker_id, open_npy(path))
    writer.close()


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
