"""Tables as they were last approved: every form of every kind of table, from written measurements.

`python -m tests.unit.reporting.views.golden` writes them anew; the difference to the last ones is then there to read.
"""

import importlib
import tempfile
from pathlib import Path

from latentdyn.families import VIEWS
from latentdyn.reporting.sheet import write_sheet

from .everything import KINDS as EVERY_KIND
from .everything import everything, plan_of, table_of

KINDS = [kind for kind in EVERY_KIND if kind != "plain"]  # it shows all that there is: megabytes here. See test_plain.
FOLDER = Path(__file__).parent / "golden"
FORMS = ("csv", "md", "tex")


def forms(kind: str) -> dict[str, str]:
    """The table of this kind, by file name."""
    sheet = importlib.import_module(VIEWS.module(kind)).tabulate(everything(), table_of(kind), plan_of("mimi", "mdn"))
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{kind}.{form}" for form in FORMS]
        write_sheet(sheet, *paths)
        return {path.name: path.read_text(encoding="utf-8") for path in paths}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for kind in KINDS:
        for name, text in forms(kind).items():
            (FOLDER / name).write_text(text, encoding="utf-8")
