"""Write what is generated from the config's models (schema.json, and the tables of README.md), or check config files.

`python -m latentdyn.config` writes. `python -m latentdyn.config check my.yaml` says in words what is wrong with a file
on top of config/config.yaml of the project, or what it makes. It works in any folder. Snakemake reads files before the
workflow can look at them, and tells less of one that is empty, is no YAML or does not exist.
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
    parser.add_argument(
        "--folder",
        type=Path,
        help="holds config.yaml, schema.json, README.md (default: config, beside the Snakefile of the folder that you "
        "are in, or else of the project that this program belongs to)",
    )
    commands = parser.add_subparsers(dest="command")
    check = commands.add_parser("check", help="say what is wrong with config files")
    check.add_argument("files", type=Path, nargs="+", help="as after --configfile")
    arguments = parser.parse_args()
    try:
        folder = arguments.folder or _folder()
        if arguments.command == "check":
            _check([_first(folder), *arguments.files])
            return
    except UserError as error:
        sys.exit(f"error: {error}")
    readme = folder / "README.md"
    write_text(folder / "schema.json", json_schema())
    write_text(readme, with_tables(readme.read_text(encoding="utf-8")))


def _folder() -> Path:
    """The folder of the config files, beside the Snakefile, as the workflow finds it.

    Raises:
        UserError: neither the working directory nor the folder of this package's source is the project.
    """
    for project in (Path(), Path(__file__).parents[3]):
        if (project / "Snakefile").is_file() and (project / "config/config.yaml").is_file():
            return project / "config"
    raise UserError(
        "config/config.yaml of the project is not found: this folder holds no Snakefile with it, and latentdyn is not "
        "installed from the project's own folder",
        Path.cwd(),
        "change to the folder of the Snakefile, or name its folder config: python -m latentdyn.config --folder "
        "/path/of/the/project/config check ...",
    )


def _first(folder: Path) -> Path:
    """What every check begins with."""
    if not (folder / "config.yaml").is_file():
        raise UserError("the folder after --folder holds no config.yaml", folder, "name the project's folder config")
    return folder / "config.yaml"


def _check(files: list[Path]) -> None:
    config = load_config(merged(files), files)
    made = f"Tables: {', '.join(config.tables)}" if config.tables else "They ask for no tables"
    print(f"The files are valid. {made}.")


main()
