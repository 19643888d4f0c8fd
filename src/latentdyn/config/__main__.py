"""Write what is generated from the config's models: schema.json, and the tables of README.md."""

import argparse
from pathlib import Path

from latentdyn.config.documentation import with_tables
from latentdyn.config.loading import json_schema
from latentdyn.files import write_text


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m latentdyn.config", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("config"), help="holds schema.json and README.md")
    folder = parser.parse_args().folder
    readme = folder / "README.md"
    write_text(folder / "schema.json", json_schema())
    write_text(readme, with_tables(readme.read_text(encoding="utf-8")))


main()
