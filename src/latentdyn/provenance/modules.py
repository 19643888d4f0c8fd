"""The package as a graph: the statements at the top of its modules, and which of them a name stands for."""

import ast
import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from latentdyn.provenance.inert import DEFINITIONS, PRESENTATION
from latentdyn.provenance.normal import imported_names, is_for_type_checkers, normal_form, without_presentation
from latentdyn.provenance.references import Reference, References, bindings
from latentdyn.provenance.trees import text_of, walk

PACKAGE = "latentdyn"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
ASSIGNMENTS = (ast.Assign, ast.AnnAssign)
IMPORTS = (ast.Import, ast.ImportFrom)


class Unit:
    """A statement at the top of a module, such as a definition; of an import, one of its names."""

    def __init__(self, module: "Module", statement: ast.stmt, position: int) -> None:
        self.module, self.statement, self._position = module, statement, position
        self.binds = bindings(statement, module.name, module.is_package)
        self.is_import = isinstance(statement, IMPORTS)

    @property
    def label(self) -> str:
        if isinstance(self.statement, (*FUNCTIONS, *ASSIGNMENTS, *IMPORTS, ast.ClassDef)) and self.binds:
            return f"{self.module.name}:{','.join(self.binds)}"
        return f"{self.module.name}: {ast.unparse(self.statement).splitlines()[0]}"

    def form(self, presentation: bool) -> list[ast.stmt]:
        """What counts of it: a list of one statement, or of none."""
        return self._forms[presentation]

    def hash(self, presentation: bool) -> str:
        return self._hashes[presentation]

    @functools.cached_property
    def order(self) -> tuple[bool, int, str]:
        """Its place in its module. A plain function may stand anywhere; what runs at import keeps its order."""
        plain = self.is_import or (
            isinstance(self.statement, FUNCTIONS)
            and not self.statement.decorator_list
            and not any(isinstance(node, ast.Call) for part in self.evaluated() for node in walk(part))
        )
        if plain and len(self.binds) == 1 and len(self.module.bound[name := next(iter(self.binds))]) == 1:
            return False, 0, name
        return True, self._position, ""

    def evaluated(self) -> Iterator[ast.AST]:
        """What of it is evaluated when its module is imported."""
        return _evaluated(self.statement)

    def gather(self, presentation: bool) -> References:
        """What its normal form refers to."""
        return self.module.gather(*self.form(presentation))

    @functools.cached_property
    def _forms(self) -> dict[bool, list[ast.stmt]]:
        aliases = self.module.aliases
        shown = normal_form(self.statement, aliases)
        if PRESENTATION.keys().isdisjoint(aliases.values()):
            return {True: shown, False: shown}
        return {True: shown, False: [without_presentation(statement, aliases) for statement in shown]}

    @functools.cached_property
    def _hashes(self) -> dict[bool, str]:
        shown, unseen = self._forms[True], self._forms[False]
        digest = _digest(shown)
        return {True: digest, False: digest if unseen == shown else _digest(unseen)}


class Module:
    """A module's units, and by name those that bind it. A folder without `__init__.py` is a module of none."""

    def __init__(self, name: str, file: Path | None) -> None:
        self.name, self.is_package = name, file is None or file.name == "__init__.py"
        tree = ast.parse(file.read_text(encoding="utf-8") if file else "")
        nodes = walk(tree)
        self.aliases = imported_names(tree, nodes, name, self.is_package)
        self._used = {node.id for node in nodes if isinstance(node, ast.Name)}
        self.units = [Unit(self, statement, position) for position, statement in enumerate(_split(tree.body))]
        self.bound: dict[str, list[Unit]] = {}
        for unit in self.units:
            for bound in unit.binds:
                self.bound.setdefault(bound, []).append(unit)

    def gather(self, *nodes: ast.AST) -> References:
        """What statements or expressions of this module refer to."""
        references = References(self.name, self.is_package)
        for node in nodes:
            references.visit(node)
        return references

    @functools.cached_property
    def imported(self) -> set[str]:
        """The modules that are imported when it is; some may be names in a module instead."""
        units = (unit for unit in self.units if not isinstance(unit.statement, (*FUNCTIONS, ast.ClassDef)))
        return set[str]().union(*(unit.gather(True).loaded for unit in units))

    @functools.cached_property
    def whole(self) -> set[Unit]:
        """All that it defines or does; of its imports, those that it doesn't use itself, so passes on."""
        return {
            unit
            for unit in self.units
            if not (unit.is_import and unit.binds.keys() <= self._used)
            and not any(is_inert(f"{self.name}:{name}") for name in unit.binds)
        }


class Package:
    """The package's modules below a folder, each read once."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._modules: dict[str, Module | None] = {}

    def module(self, name: str) -> Module | None:
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> Module | None:
        package, *parts = name.split(".")
        if package != PACKAGE or not all(part.isidentifier() for part in parts):
            return None
        base = self._source.joinpath(*parts)
        for file in (base / "__init__.py", base.with_suffix(".py")):
            if file.is_file():
                return Module(name, file)
        return Module(name, None) if base.is_dir() else None

    def resolve(self, references: set[Reference], by: Module | None = None) -> tuple[set[Unit], set[str]]:
        """The units that references of a module stand for, and the modules that hold them.

        Args:
            by: the module that refers; its own names that nothing binds are Python's, or of a class body.
        """
        units, loaded = set[Unit](), set[str]()
        pending, seen = list(references), set[Reference]()
        while pending:
            if (reference := pending.pop()) in seen:
                continue
            seen.add(reference)
            name, path = reference
            if (module := self.module(name)) is None or is_inert(name):
                continue
            loaded.add(name)
            if not path:
                units |= module.whole
                pending += [
                    to for unit in module.whole if unit.is_import for targets in unit.binds.values() for to in targets
                ]
            elif is_inert(f"{name}:{path[0]}"):
                continue
            elif path[0] in module.bound:
                for unit in module.bound[path[0]]:
                    units.add(unit)
                    pending += [Reference(to.module, (*to.path, *path[1:])) for to in unit.binds[path[0]]]
            elif module.is_package and self.module(f"{name}.{path[0]}") is not None:
                pending.append(Reference(f"{name}.{path[0]}", path[1:]))
            elif module is not by and not path[0].startswith("__"):  # a name that is made in some way unseen here
                pending.append(Reference(name, ()))
        return units, loaded


@functools.cache
def is_inert(name: str) -> bool:
    """Whether a module, or "module:name", counts for nothing."""
    module = name.partition(":")[0].split(".")
    return name in DEFINITIONS or any(".".join(module[:n]) in DEFINITIONS for n in range(1, len(module) + 1))


def _digest(form: list[ast.stmt]) -> str:
    return hashlib.sha256("\n".join(map(text_of, form)).encode()).hexdigest()


def _split(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if is_for_type_checkers(statement):
            yield from _split(statement.orelse)  # type: ignore[attr-defined]
        elif isinstance(statement, ast.Import):
            yield from (ast.copy_location(ast.Import([alias]), statement) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                one = ast.ImportFrom(module=statement.module, names=[alias], level=statement.level)
                yield ast.copy_location(one, statement)
        else:
            yield statement


def _evaluated(statement: ast.stmt) -> Iterator[ast.AST]:
    if isinstance(statement, FUNCTIONS):
        arguments = statement.args
        yield from statement.decorator_list
        yield from (*arguments.defaults, *(default for default in arguments.kw_defaults if default))
    elif isinstance(statement, ast.ClassDef):
        yield from (*statement.decorator_list, *statement.bases, *statement.keywords)
        for inner in statement.body:
            yield from _evaluated(inner)
    else:
        yield statement
