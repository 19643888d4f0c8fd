"""Write what is generated from the config's models (schema.json, and the tables of README.md), or check config files.

`python -m latentdyn.config` writes. `python -m latentdyn.config check my.yaml` says in words what is wrong with a file
on top of config/config.yaml, or what it makes. Snakemake reads files before the workflow can look at them, and tells
less of one that is empty, is no YAML or does not exist.
"""

import argparse
import sys
from pathlib import Path

from latentdyn.config.documentation import with_tables
from latentdyn.config.files import merged
from latentdyn.config.loading import json_schema, load_config
from latentdyn.errors import UserError
from latentdyn.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m latentdyn.config", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, default=Path("config"), help="holds config.yaml, schema.json, README.md")
    commands = parser.add_subparsers(dest="command")
    check = commands.add_parser("check", help="say what is wrong with config files")
    check.add_argument("files", type=Path, nargs="+", help="as after --configfile")
    arguments = parser.parse_args()
    if arguments.command == "check":
        _check([arguments.folder / "config.yaml", *arguments.files])
        return
    readme = arguments.folder / "README.md"
    write_text(arguments.folder / "schema.json", json_schema())
    write_text(readme, with_tables(readme.read_text(encoding="utf-8")))


def _check(files: list[Path]) -> None:
    try:
        config = load_config(merged(files), files)
    except UserError as error:
        sys.exit(f"error: {error}")
    print(f"The files are valid. Tables: {', '.join(config.tables)}.")


main()
