"""Digests of the code that a step runs, at the granularity of definitions (docs/code_digests.md).

Snakemake does not see edits of imported code, so each rule carries `code_digest` of its step as a param. What counts
are the definitions that the step reaches by name, and what modules do when they are imported, in a normal form: only
an edit that can change a result changes it.
"""

import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import latentdyn
from latentdyn.provenance.effects import acts_on_import
from latentdyn.provenance.kept import KeptDigests
from latentdyn.provenance.modules import PACKAGE, Package, Unit, is_inert
from latentdyn.provenance.references import Reference

_SOURCE = Path(latentdyn.__file__).parent


def code_digest(*entries: str, presentation: bool = False) -> str:
    """Digest (16 hex digits) of all that the entries reach in the package.

    A module that is picked by a computed name is not found by itself: a rule that does so names it as an entry.

    Args:
        entries: `latentdyn.package.module` (all that it defines) or `latentdyn.package.module:name` (that definition).
        presentation: what only tables and figures show of a metric counts too.

    Raises:
        ModuleNotFoundError: an entry's module is not part of the package.
        ImportError: an entry's module has no such definition.
    """
    return _kept(_SOURCE).get(_question(entries, presentation), lambda: _code(_SOURCE).digest(entries, presentation))


def code_definitions(*entries: str, presentation: bool = False) -> list[str]:
    """What counts in the digest of the entries, as `module:name`; a statement without a name, as its first line.

    Imports are left out: they only say where a name comes from.

    Raises:
        ModuleNotFoundError, ImportError: as `code_digest` does.
    """
    return [label for label, _ in definition_digests(*entries, presentation=presentation)]


def definition_digests(*entries: str, presentation: bool = False) -> list[tuple[str, str]]:
    """The same, each with the digest of its own normal form."""
    found = _kept(_SOURCE, "code_definitions").get(
        _question(entries, presentation), lambda: json.dumps(_code(_SOURCE).definitions(entries, presentation))
    )
    return [(label, own) for label, own in json.loads(found)]


def _question(entries: Iterable[str], presentation: bool) -> str:
    return " ".join([*sorted(entries), *(["presentation"] if presentation else [])])


@functools.cache
def _kept(source: Path, name: str = "code_digests") -> KeptDigests:
    return KeptDigests(source, name)


@functools.cache
def _code(source: Path) -> "Code":
    return Code(source)


class Code:
    """Digests of the package below a folder. What is found of a definition is kept, and serves all digests."""

    def __init__(self, source: Path) -> None:
        self._package = Package(source)
        self._needs: dict[tuple[Unit, bool], tuple[set[Unit], set[str]]] = {}
        self._on_import: dict[str, tuple[set[Unit], set[str]]] = {}

    def digest(self, entries: Iterable[str], presentation: bool) -> str:
        digest = hashlib.sha256()
        for unit in self._counting(entries, presentation):
            digest.update(f"{unit.module.name} {unit.hash(presentation)}\n".encode())
        return digest.hexdigest()[:16]

    def definitions(self, entries: Iterable[str], presentation: bool) -> list[tuple[str, str]]:
        """Label and hash of all that counts, imports left out."""
        units = self._counting(entries, presentation)
        return sorted((unit.label, unit.hash(presentation)) for unit in units if not unit.is_import)

    def _counting(self, entries: Iterable[str], presentation: bool) -> list[Unit]:
        units, modules = set[Unit](), set[str]()
        for entry in entries:
            more_units, more_modules = self._named(entry)
            units |= more_units
            modules |= more_modules
        reached = (unit for unit in self._reached(units, modules, presentation) if unit.form(presentation))
        return sorted(reached, key=lambda unit: (unit.module.name, unit.order))

    def _named(self, entry: str) -> tuple[set[Unit], set[str]]:
        name, _, definition = entry.partition(":")
        module = self._package.module(name)
        if module is None:
            raise ModuleNotFoundError(f"{name} is not a module of {PACKAGE}")
        if definition and definition not in module.bound:
            raise ImportError(f"{name} has no definition named '{definition}'")
        units, modules = self._package.resolve({Reference(name, (definition,) if definition else ())})
        return units, modules | {name}

    def _reached(self, units: set[Unit], modules: set[str], presentation: bool) -> set[Unit]:
        pending, importing = list(units), list(modules)
        reached, imported = set[Unit](), set[str]()
        while pending or importing:
            if importing:
                name = importing.pop()
                more = (set[Unit](), set[str]()) if name in imported else self._run_by(name)
                imported.add(name)
            else:
                unit = pending.pop()
                more = (set[Unit](), set[str]()) if unit in reached else self._needed_by(unit, presentation)
                reached.add(unit)
            pending += more[0] - reached
            importing += more[1] - imported
        return reached

    def _needed_by(self, unit: Unit, presentation: bool) -> tuple[set[Unit], set[str]]:
        """The units that a unit refers to, and the modules that are imported for it."""
        if (unit, presentation) not in self._needs:
            gathered = unit.gather(presentation)
            units, modules = self._package.resolve(gathered.found, unit.module)
            self._needs[unit, presentation] = units, modules | gathered.loaded
        return self._needs[unit, presentation]

    def _run_by(self, name: str) -> tuple[set[Unit], set[str]]:
        """What runs when a module is imported: its statements that do something, its parents, and what it imports."""
        if name not in self._on_import:
            module = None if is_inert(name) else self._package.module(name)
            if module is None:
                self._on_import[name] = set(), set()
            else:
                units = {unit for unit in module.units if acts_on_import(self._package, unit)}
                self._on_import[name] = units, module.imported | {name.rpartition(".")[0]}
        return self._on_import[name]
