"""The package is built as docs/architecture.md says: who may import whom."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import latentdyn

SOURCE = Path(latentdyn.__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs/architecture.md"
SETTINGS = Path("steps/settings.py")  # the one module of steps that may look at the config's classes
MODULES = sorted(path.relative_to(SOURCE) for path in SOURCE.rglob("*.py"))


def rooms() -> dict[str, set[str]]:
    """The table of rooms: what each may import, besides itself and what all may."""
    text = DOCUMENT.read_text()
    rows = re.findall(r"^\| `(\w+)` \| [^|]+ \| ?([^|]*)\|$", text.partition("## Rooms")[2], re.M)
    allowed = {room: set(re.findall(r"`(\w+)`", names.partition("(")[0])) for room, names in rows}
    allowed["steps"] = allowed.keys() - {"config", "steps", "certificate", "dataset", "forkserver", "__main__"}
    return allowed


def shared() -> set[str]:
    """The modules that every room may import."""
    (sentence,) = re.findall(r"Any room may import (.*?), which import", DOCUMENT.read_text(), re.S)
    return set(re.findall(r"`(\w+)`", sentence))


def imported(path: Path) -> Iterator[str]:
    """The rooms that a module imports when it runs; what is for type checking alone does not count."""
    pending: list[ast.AST] = [ast.parse(path.read_text())]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            pending += node.orelse
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = []
        yield from (name.split(".")[1] for name in names if name.startswith("latentdyn."))
        pending += ast.iter_child_nodes(node)


def test_every_module_imports_what_its_room_may():
    wrong = []
    for module in MODULES:
        room = module.parts[0].removesuffix(".py")
        allowed = shared() if room in shared() else rooms().get(room, set()) | shared()
        allowed |= {"config"} if module == SETTINGS else set()
        found = set(imported(SOURCE / module)) - {room, "__version__"}
        wrong += [f"{module} imports {name}" for name in sorted(found - allowed)]
    assert not wrong, "docs/architecture.md does not allow it"


def test_every_room_is_in_the_document_and_every_room_of_the_document_exists():
    exist = {path.parts[0].removesuffix(".py") for path in MODULES} - {"__init__"}
    assert exist == rooms().keys() | shared()


def test_no_two_rooms_import_each_other():
    allowed = rooms()
    reached = {room: set(names) for room, names in allowed.items()}
    for _ in allowed:
        reached = {room: names.union(*(reached[name] for name in names)) for room, names in reached.items()}
    assert not [room for room, names in reached.items() if room in names]
