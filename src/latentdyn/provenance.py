"""What made a file: digests of the code that a step runs, and records of a run.

Snakemake does not see edits of imported code, so each rule carries `code_digest` of its step as a param.
The digest is taken from syntax trees without comments and docstrings: only an edit that can change
behaviour changes it.
"""

import ast
import functools
import hashlib
import importlib.metadata
import json
import platform
import sys
import time
from pathlib import Path
from typing import Any

import latentdyn
from latentdyn.files import write_json

_PACKAGE = "latentdyn"
_SOURCE = Path(latentdyn.__file__).parent


def code_digest(*modules: str) -> str:
    """Digest (16 hex digits) of the modules and of all package modules that they import, at any depth.

    Imports inside functions count; imports under `if TYPE_CHECKING` and imports by a computed name do not:
    a rule that picks a module by name lists that module too.

    Raises:
        ModuleNotFoundError: a named module is not part of the package.
    """
    return _digest_at(_SOURCE, modules)


def _digest_at(source: Path, modules: tuple[str, ...]) -> str:
    digest = hashlib.sha256()
    for module in sorted(_closure(source, modules)):
        digest.update(f"{module}\n{_module_tree(_module_file(source, module))[0]}\n".encode())
    return digest.hexdigest()[:16]


def _closure(source: Path, modules: tuple[str, ...]) -> set[str]:
    pending, seen = list(modules), set[str]()
    while pending:
        module = pending.pop()
        if module in seen:
            continue
        file = _module_file(source, module)
        if file is None:
            raise ModuleNotFoundError(f"{module} is not a module of {_PACKAGE}")
        seen.add(module)
        parents = [module.rsplit(".", n)[0] for n in range(1, module.count(".") + 1)]  # their __init__ runs too
        pending += parents
        for target in _module_tree(file)[1]:
            # `from package import name`: name may be a module or something defined in the package
            pending += [t for t in (target, target.rpartition(".")[0]) if t and _module_file(source, t)]
    return seen


def _module_file(source: Path, module: str) -> Path | None:
    if module != _PACKAGE and not module.startswith(_PACKAGE + "."):
        return None
    base = source.joinpath(*module.split(".")[1:])
    for file in (base / "__init__.py", base.with_suffix(".py")):
        if file.is_file():
            return file
    return source if module == _PACKAGE else (base if base.is_dir() and base != source else None)


@functools.cache
def _module_tree(file: Path) -> tuple[str, tuple[str, ...]]:
    """The module's code without docstrings, and the dotted names it imports."""
    if file.is_dir():  # a namespace package: nothing to run
        return "", ()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports: list[str] = []
    for node in ast.walk(_WithoutTypeChecking().visit(tree)):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return ast.dump(tree), tuple(sorted(set(imports)))


class _WithoutTypeChecking(ast.NodeTransformer):
    def visit_If(self, node: ast.If) -> ast.AST:
        test = node.test
        name = test.id if isinstance(test, ast.Name) else test.attr if isinstance(test, ast.Attribute) else ""
        if name == "TYPE_CHECKING":
            return ast.Pass()
        return self.generic_visit(node)


def write_run_record(path: Path, *, started: float, **facts: Any) -> None:
    """Write who made the artifact beside `path`: command, versions, machine, seconds.

    It is kept out of handles: those hold only what the content determines, so that a rebuild of equal
    content gives an equal handle.
    """
    versions = {}
    for package in ("torch", "numpy", "zarr", "transformers", "snakemake"):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    record = {
        "command": sys.argv,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": round(time.time() - started, 3),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "latentdyn": latentdyn.__version__,
        **json.loads(json.dumps(facts, default=str)),
    }
    write_json(path, record)
