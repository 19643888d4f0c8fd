"""Which statements do something when their module is imported, besides giving a name its value.

Those count for whoever imports the module, by name or not. In doubt a statement does something.
"""

import ast
from collections.abc import Iterator

from latentdyn.provenance.modules import ASSIGNMENTS, FUNCTIONS, IMPORTS, PACKAGE, Package, Unit
from latentdyn.provenance.trees import walk

_CHANGING_METHODS = {
    "add", "append", "clear", "discard", "extend", "insert", "pop", "popitem", "register", "remove", "setdefault",
    "update",
}  # fmt: skip


def acts_on_import(package: Package, unit: Unit) -> bool:
    """Whether importing its module does more than to bind names.

    Definitions and assignments do not, but for: a decorator of the package (it may keep what it decorates), a base
    class that sees its subclasses, and calls of code that changes the state of a module.
    """
    statement = unit.statement
    if isinstance(statement, IMPORTS):
        return not unit.binds  # from module import *
    if isinstance(statement, (*FUNCTIONS, ast.ClassDef)):
        return (
            any(_of_package(package, unit, statement.decorator_list))
            or _sees_subclasses(package, unit, {unit})
            or _changes_state(package, unit)
        )
    if isinstance(statement, ASSIGNMENTS):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        stored = [n for target in targets for n in walk(target) if isinstance(getattr(n, "ctx", None), ast.Store)]
        plain = all(isinstance(node, (ast.Name, ast.Tuple, ast.List, ast.Starred)) for node in stored)
        return not plain or unit.binds.keys() <= {"_"} or _changes_state(package, unit)
    return bool(unit.form(True)) and not _is_main_guard(statement)


def _is_main_guard(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__"`: it runs nothing on import."""
    if not isinstance(statement, ast.If) or statement.orelse or not isinstance(statement.test, ast.Compare):
        return False
    return ast.unparse(statement.test) == "__name__ == '__main__'"


def _of_package(package: Package, unit: Unit, parts: list[ast.expr]) -> Iterator[Unit]:
    """The definitions of the package that expressions of a unit refer to."""
    units, _ = package.resolve(unit.module.gather(*parts).found, unit.module)
    return (found for found in units if not found.is_import)


def _sees_subclasses(package: Package, unit: Unit, seen: set[Unit]) -> bool:
    """Whether a base class has `__init_subclass__`, or a metaclass of the package."""
    statement = unit.statement
    if not isinstance(statement, ast.ClassDef):
        return False
    if any(_of_package(package, unit, [keyword.value for keyword in statement.keywords])):
        return True
    for base in _of_package(package, unit, statement.bases):
        methods = base.statement.body if isinstance(base.statement, ast.ClassDef) else []
        if any(getattr(method, "name", "") == "__init_subclass__" for method in methods):
            return True
        if base not in seen and _sees_subclasses(package, base, seen | {base}):
            return True
    return False


def _changes_state(package: Package, unit: Unit) -> bool:
    """Whether what it evaluates on import calls code that changes the state of a module of the package."""
    called = [part for part in unit.evaluated() if any(isinstance(node, ast.Call) for node in walk(part))]
    if not called:
        return False
    pending, seen = package.resolve(unit.module.gather(*called).found, unit.module)[0], {unit}
    while pending:
        if (other := pending.pop()) not in seen:
            seen.add(other)
            if _writes(other):
                return True
            pending |= package.resolve(other.gather(True).found, other.module)[0] - seen
    return False


def _writes(unit: Unit) -> bool:
    """Whether a function or class changes a global name, or what one holds."""
    if not isinstance(unit.statement, (*FUNCTIONS, ast.ClassDef)):
        return False
    for statement in unit.form(True):
        for node in walk(statement):
            if isinstance(node, ast.Global):
                return True
            if isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load):
                changed: ast.expr | None = node
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _CHANGING_METHODS:
                changed = node.func
            else:
                changed = None
            if changed is not None and _is_state(unit, changed):
                return True
    return False


def _is_state(unit: Unit, node: ast.expr) -> bool:
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    if not isinstance(node, ast.Name):
        return False
    binding = unit.module.bound.get(node.id, [])
    return node.id == "cls" or any(not b.is_import or _is_of_package(b, node.id) for b in binding)


def _is_of_package(unit: Unit, name: str) -> bool:
    return any(target.module.partition(".")[0] == PACKAGE for target in unit.binds[name])
