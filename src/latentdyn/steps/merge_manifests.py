"""Join what was found in the parts of a corpus of audio into the manifest. The handle is written last."""

import argparse
from pathlib import Path

from latentdyn.corpus.manifest import AUDIO_SCHEMA, EXCLUDED_SCHEMA, Manifest, merge_manifests, write_manifest
from latentdyn.errors import UserError
from latentdyn.files import check_folders, of_folders
from latentdyn.parquet import parquet_facts, read_parquet
from latentdyn.steps.cli import run_step
from latentdyn.steps.settings import corpus_section, two_tables_a_part

_MADE_BY = "inspect_recordings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus", type=corpus_section(), required=True, help="the corpus's section of the config, as JSON"
    )
    parser.add_argument("--utterances", type=Path, nargs="+", required=True, help="parquet of each part's utterances")
    parser.add_argument("--set-aside", type=Path, nargs="+", required=True, help="parquet of what each part set aside")
    parser.add_argument("--manifest", type=Path, required=True, help="parquet of utterances to write")
    parser.add_argument("--excluded", type=Path, required=True, help="parquet of all that is set aside to write")
    parser.add_argument("--handle", type=Path, required=True, help="JSON to write last")


def step(arguments: argparse.Namespace) -> None:
    own = of_folders(arguments.handle, "corpus")["corpus"]
    for name in ("utterances", "set_aside"):
        files = getattr(arguments, name)
        facts = [parquet_facts(file, made_by=_MADE_BY) for file in files]
        for file, of in zip(files, facts, strict=True):
            check_folders(file.parent, of)
            if (its := of.get("corpus", "?")) != own:
                raise UserError(
                    f"this is of the corpus {its}, and the manifest is to be that of {own}",
                    file,
                    "name the parts of one corpus, and files to write in its own folder",
                )
        found = [of.get("part", "?") for of in facts]
        if found != [f"{part}of{len(files)}" for part in range(len(files))]:
            raise UserError(
                f"{len(files)} tables are given, of the parts {', '.join(found)}",
                f"--{name.replace('_', '-')}",
                "name the tables of all parts of one manifest, each once and in order",
            )
    parts = [
        Manifest(
            read_parquet(utterances, list(AUDIO_SCHEMA), made_by=_MADE_BY),
            read_parquet(set_aside, list(EXCLUDED_SCHEMA), made_by=_MADE_BY),
        )
        for utterances, set_aside in zip(arguments.utterances, arguments.set_aside, strict=True)
    ]
    write_manifest(
        merge_manifests(parts),
        arguments.corpus["audio"]["max_excluded_share"],
        arguments.manifest,
        arguments.excluded,
        arguments.handle,
    )


if __name__ == "__main__":
    run_step(__doc__, add_arguments, step, check=two_tables_a_part)
