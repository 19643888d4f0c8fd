"""Write latents that the user brings (one .npy an utterance) into a latents store."""

import argparse
import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latentdyn.corpus.latents_offset import storage_offset
from latentdyn.corpus.npy import NpyError, open_npy
from latentdyn.corpus.unchanged import check_unchanged
from latentdyn.parquet import read_manifest
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import number, section
from latentdyn.stores.latents_writer import LatentsWriter
from latentdyn.stores.lineage import root_facts

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances")
    parser.add_argument(
        "--root", type=Path, required=True, help="folder that the paths in the manifest are relative to"
    )
    parser.add_argument("--frame-rate-hz", type=number(float, 0), required=True)
    parser.add_argument(
        "--representation",
        type=section("representations:Provided"),
        required=True,
        help="its section of the config, as JSON",
    )
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
    dtype = representation["dtype"]
    offset = storage_offset(_readable(root / path for path in manifest["path"]), dtype)
    facts = {"causal": None, **root_facts(representation)}
    if offset is not None:
        log.warning("a constant is subtracted from %d of %d dimensions, beside which %s would round their steps away",
                    np.count_nonzero(offset), len(offset), dtype)  # fmt: skip
        said = {"offset": offset.tolist()}  # in the lineage too: what is derived from them has it as well
        facts = {"causal": None, **root_facts({**representation, **said}), **said}
    writer = LatentsWriter(
        handle, int(manifest["dim"].iloc[0]), frame_rate_hz, dtype, **facts
    )  # fmt: skip
    for row in manifest.itertuples(index=False):
        path = root / row.path
        check_unchanged(path, row.sha256)
        latents = open_npy(path)
        writer.append(row.utterance_id, row.speaker_id, latents if offset is None else latents - offset)
    writer.close()


def _readable(paths: Iterable[Path]) -> Iterator[np.ndarray]:
    """The arrays of these files, but for those that changed since the manifest and cannot be read any more."""
    for path in paths:
        with suppress(NpyError, OSError):
            yield open_npy(path)


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step)
