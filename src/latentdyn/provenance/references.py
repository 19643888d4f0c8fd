"""What a statement refers to outside of itself: names of its module, modules that it imports."""

import ast
from typing import NamedTuple

from latentdyn.provenance.normal import absolute_source
from latentdyn.provenance.trees import Visitor, walk

_NAMESPACE = frozenset({"globals", "eval", "exec"})  # these see every name of the module
_NAMESPACE_IF_BARE = frozenset({"vars", "dir"})


class Reference(NamedTuple):
    """`path[0].path[1]...` of a module; with an empty path, the module itself in a way that may use all of it."""

    module: str
    path: tuple[str, ...]


class References(Visitor):
    """Gathers from a statement of `module`.

    found: the references. loaded: the modules that its own imports run.
    """

    def __init__(self, module: str, is_package: bool) -> None:
        self.module, self.is_package = module, is_package
        self.found, self.loaded = set[Reference](), set[str]()
        # of each function around: its own names, and what those that it imports stand for
        self._scopes: list[dict[str, list[Reference]]] = []

    def visit_Name(self, node: ast.Name) -> None:
        # outside of functions, what is stored is what the statement itself binds, or a name of a class
        if not isinstance(node.ctx, ast.Store) or self._scopes:
            self._add(node.id, ())

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        if isinstance(node.target, ast.Name):
            self._add(node.target.id, ())
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path: list[str] = []
        value: ast.expr = node
        while isinstance(value, ast.Attribute):
            path.insert(0, value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            self._add(value.id, tuple(path))
        else:
            self.visit(value)

    def visit_Call(self, node: ast.Call) -> None:
        name = getattr(node.func, "id", "")  # model.eval() is another thing
        if name in _NAMESPACE or (name in _NAMESPACE_IF_BARE and not node.args):
            self.found.add(Reference(self.module, ()))
        name = getattr(node.func, "attr", name)
        if name in ("import_module", "__import__") and node.args and isinstance(node.args[0], ast.Constant):
            self.found.add(Reference(str(node.args[0].value), ()))
        self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.loaded.update(alias.name for alias in node.names)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        source = absolute_source(node, self.module, self.is_package)
        self.loaded.update({source, *(f"{source}.{alias.name}" for alias in node.names)})
        if any(alias.name == "*" for alias in node.names):
            self.found.add(Reference(source, ()))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outside = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d)]
        annotated = [a.annotation for a in walk(node.args) if isinstance(a, ast.arg) and a.annotation]
        for part in (*outside, *annotated, *([node.returns] if node.returns else [])):
            self.visit(part)
        self._inside(node.body, node.args)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        for part in (*node.args.defaults, *(d for d in node.args.kw_defaults if d)):
            self.visit(part)
        self._inside([node.body], node.args)

    def visit_ListComp(self, node: ast.ListComp) -> None:
        self._comprehension(node.generators, [node.elt])

    def visit_SetComp(self, node: ast.SetComp) -> None:
        self._comprehension(node.generators, [node.elt])

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> None:
        self._comprehension(node.generators, [node.elt])

    def visit_DictComp(self, node: ast.DictComp) -> None:
        self._comprehension(node.generators, [node.key, node.value])

    def _comprehension(self, generators: list[ast.comprehension], results: list[ast.expr]) -> None:
        self.visit(generators[0].iter)
        self._scopes.append({name: [] for g in generators for name in _stored(g.target)})
        for part in (*generators, *results):
            self.visit(part)
        self._scopes.pop()

    def _inside(self, body: list[ast.stmt] | list[ast.expr], arguments: ast.arguments) -> None:
        names = _Bindings(self.module, self.is_package)
        for part in body:
            names.visit(part)
        scope: dict[str, list[Reference]] = {a.arg: [] for a in walk(arguments) if isinstance(a, ast.arg)}
        self._scopes.append({n: r for n, r in (scope | names.found).items() if n not in names.nonlocals})
        for part in body:
            self.visit(part)
        self._scopes.pop()

    def _add(self, name: str, path: tuple[str, ...]) -> None:
        # names of a class body hide nothing here: its methods don't see them
        for scope in reversed(self._scopes):
            if name in scope:
                self.found.update(Reference(r.module, (*r.path, *path)) for r in scope[name])
                return
        self.found.add(Reference(self.module, (name, *path)))


class _Bindings(Visitor):
    """The names that statements bind in their own scope, and not in a function or class inside it."""

    def __init__(self, module: str, is_package: bool) -> None:
        self.module, self.is_package = module, is_package
        self.found: dict[str, list[Reference]] = {}
        self.nonlocals = set[str]()

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load):
            self.found.setdefault(node.id, [])

    def visit_Global(self, node: ast.Global) -> None:
        for name in node.names:
            self.found[name] = [Reference(self.module, (name,))]

    def visit_Nonlocal(self, node: ast.Nonlocal) -> None:
        self.nonlocals.update(node.names)

    def visit_Import(self, node: ast.Import) -> None:
        for name, reference in _imports(node, self.module, self.is_package):
            self.found.setdefault(name, []).append(reference)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for name, reference in _imports(node, self.module, self.is_package):
            self.found.setdefault(name, []).append(reference)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        self.found.setdefault(node.name or "", [])
        self.generic_visit(node)

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        self.found.setdefault(node.name or "", [])
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        self.found.setdefault(node.name or "", [])

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        self.found.setdefault(node.rest or "", [])
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.found.setdefault(node.name, [])

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.found.setdefault(node.name, [])

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self.found.setdefault(node.name, [])

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def _comprehension(self, node: ast.AST) -> None:
        for inner in walk(node):
            if isinstance(inner, ast.NamedExpr):
                self.found.setdefault(inner.target.id, [])

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension


def _imports(node: ast.Import | ast.ImportFrom, module: str, is_package: bool) -> list[tuple[str, Reference]]:
    """The names that an import gives, and what each stands for."""
    if isinstance(node, ast.Import):
        return [
            (alias.asname, Reference(alias.name, ())) if alias.asname
            else (alias.name.partition(".")[0], Reference(alias.name.partition(".")[0], ()))
            for alias in node.names
        ]  # fmt: skip
    source = absolute_source(node, module, is_package)
    return [(a.asname or a.name, Reference(source, (a.name,))) for a in node.names if a.name != "*"]


def bindings(statement: ast.stmt, module: str, is_package: bool) -> dict[str, list[Reference]]:
    """The names that a statement binds, and for those that it imports, what they stand for."""
    names = _Bindings(module, is_package)
    names.visit(statement)
    return names.found


def _stored(target: ast.AST) -> set[str]:
    return {n.id for n in walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
