"""The normal form of a statement: its syntax tree without what can't change a result.

Two statements of equal normal form do the same, whatever their words and their layout. The lists of what counts for
nothing are in `inert`.
"""

import ast
import copy
from collections import Counter
from collections.abc import Collection, Mapping

from latentdyn.provenance.inert import ERRORS, KEYWORDS, LOOKS, LOOKS_AT_VALUES, PRESENTATION, STATEMENTS
from latentdyn.provenance.trees import Transformer, walk

Function = ast.FunctionDef | ast.AsyncFunctionDef

# Decorators that don't read the annotations of what they decorate. Any other one may (pydantic, singledispatch).
_READS_NO_ANNOTATIONS = {
    "abstractmethod", "cache", "cached_property", "classmethod", "contextmanager", "inference_mode", "lru_cache",
    "no_grad", "overload", "override", "property", "setter", "staticmethod", "wraps",
}  # fmt: skip
_OF_TEXT = {
    "capitalize", "format", "join", "lower", "lstrip", "removeprefix", "removesuffix", "replace", "rstrip", "strip",
    "title", "upper",
}  # fmt: skip


def normal_form(statement: ast.stmt, aliases: Mapping[str, str]) -> list[ast.stmt]:
    """The statement without what can't change a result; nothing, if all of it can't. The tree is changed in place.

    Args:
        aliases: the full name of what the module's imported names stand for (`imported_names`).
    """
    own = _bound_in_functions(statement)
    known = {name: full for name, full in aliases.items() if name not in own}
    changed = _Normalizer(known).visit(statement)
    return changed if isinstance(changed, list) else [changed] if changed else []


def without_presentation(statement: ast.stmt, aliases: Mapping[str, str]) -> ast.stmt:
    """The normal form without what only tables and figures show: a copy, or the statement itself if it has none."""
    if not any(_presents(node, aliases) for node in walk(statement)):
        return statement
    statement = copy.deepcopy(statement)
    for node in walk(statement):
        if isinstance(node, ast.Call) and (shown := _presents(node, aliases)):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg not in shown]
    return statement


def _presents(node: ast.AST, aliases: Mapping[str, str]) -> Collection[str]:
    """The keywords of a call that only tables and figures show; of other nodes, none."""
    return PRESENTATION.get(full_name(node.func, aliases), ()) if isinstance(node, ast.Call) else ()


def imported_names(tree: ast.Module, nodes: list[ast.AST], module: str, is_package: bool) -> dict[str, str]:
    """What names of a module stand for: `np` for `numpy`, a logger for `logging`, own classes for their full name.

    A name that stands for several things is left out.

    Args:
        nodes: all of the tree.
    """
    meanings: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.partition(".")[0]
                meanings.setdefault(alias.asname or full, set()).add(full)
        elif isinstance(node, ast.ImportFrom):
            source = absolute_source(node, module, is_package)
            for alias in node.names:
                meanings.setdefault(alias.asname or alias.name, set()).add(f"{source}.{alias.name}")
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            meanings.setdefault(node.name, set()).add(f"{module}.{node.name}")
        elif isinstance(node, ast.Assign):
            call = node.value.func if isinstance(node.value, ast.Call) else None
            is_logger = call is not None and ast.unparse(call) in ("logging.getLogger", "getLogger")
            for target in node.targets:
                if isinstance(target, ast.Name):
                    meanings.setdefault(target.id, set()).add("logging" if is_logger else f"{module}.{target.id}")
    return {name: next(iter(full)) for name, full in meanings.items() if len(full) == 1}


def absolute_source(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The module that `from ... import` names, without leading dots."""
    if not node.level:
        return node.module or ""
    base = module.split(".")
    base = base[: len(base) - node.level + is_package]
    return ".".join([*base, *([node.module] if node.module else [])])


def full_name(node: ast.expr, aliases: Mapping[str, str]) -> str:
    """The full name of `a.b.c` where `a` is known; otherwise a dot and the last name, or nothing."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name) and node.id in aliases:
        return ".".join([aliases[node.id], *reversed(parts)])
    return f".{parts[0]}" if parts else ""


def is_for_type_checkers(node: ast.stmt) -> bool:
    """Whether it is `if TYPE_CHECKING`."""
    if not isinstance(node, ast.If):
        return False
    test = node.test
    return (test.attr if isinstance(test, ast.Attribute) else getattr(test, "id", "")) == "TYPE_CHECKING"


class _Normalizer(Transformer):
    def __init__(self, aliases: Mapping[str, str]) -> None:
        self.aliases, self._scopes = aliases, ["module"]

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        if isinstance(node.value, ast.Constant):  # a docstring, or `...`
            return None
        if isinstance(node.value, ast.Call) and full_name(node.value.func, self.aliases) in STATEMENTS:
            arguments = [*node.value.args, *(keyword.value for keyword in node.value.keywords)]
            if not any(map(_acts, arguments)):
                return None
        return self._visited(node)

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt] | None:
        visited = self._visited(node)
        if is_for_type_checkers(node):
            return node.orelse
        is_empty = all(isinstance(inner, ast.Pass) for inner in (*node.body, *node.orelse))
        return None if is_empty and not _acts(node.test) else visited

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = full_name(node.func, self.aliases)
        if name in ERRORS:
            node.args, node.keywords = [], []
        unseen = KEYWORDS.get(name) or KEYWORDS.get("." + name.rpartition(".")[2]) or ()
        node.keywords = [k for k in node.keywords if k.arg not in unseen or _acts(k.value)]
        return self._visited(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = [argument for argument in node.exc.args if not _is_text(argument)]
        return self._visited(node)

    def visit_Assert(self, node: ast.Assert) -> ast.AST:
        node.msg = None
        return self._visited(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        if self._scopes[-1] == "class":  # a field: dataclasses and pydantic read its annotation
            return self._visited(node)
        if node.value is None:
            return None
        return self._visited(ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node))

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.AST:
        return self._visited(node, scope="class")

    def _function(self, node: Function) -> ast.AST:
        if all(_last_name(decorator) in _READS_NO_ANNOTATIONS for decorator in node.decorator_list):
            node.returns = None
            for argument in _arguments(node.args):
                argument.annotation = None
        self._visited(node, scope="function")
        _drop_texts_of_errors(node)
        return node

    def _visited(self, node: ast.AST, scope: str | None = None) -> ast.AST:
        self._scopes.append(scope or self._scopes[-1])
        self.generic_visit(node)
        self._scopes.pop()
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        _tidy(node)
        return node


def _tidy(node: ast.AST) -> None:
    """A block holds `pass` where it holds nothing else, and only there."""
    if not isinstance(node, (ast.stmt, ast.excepthandler, ast.match_case)):
        return
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if isinstance(block, list):
            block[:] = [inner for inner in block if not isinstance(inner, ast.Pass)]
            if not block and field == "body":
                block.append(ast.Pass())


def _drop_texts_of_errors(function: Function) -> None:
    """Remove local variables that hold only text and, now that texts of errors are gone, are used nowhere."""
    while names := _unused_texts(walk(function)):
        _WithoutVariables(names).visit(function)


def _unused_texts(nodes: list[ast.AST]) -> set[str]:
    stores = Counter[str]()  # how often a variable is given a text
    for node in nodes:
        if isinstance(node, (ast.Assign, ast.AugAssign)) and _is_text(node.value) and not _acts(node.value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if len(targets) == 1 and isinstance(targets[0], ast.Name):
                stores[targets[0].id] += 1
    if not stores:
        return set()
    told = {id(n) for r in nodes if isinstance(r, ast.Raise) and isinstance(r.exc, ast.Call) for n in r.exc.args}
    used = set[str]()
    for node in nodes:
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            stores[node.id] -= 1
        elif isinstance(node, ast.Name) and id(node) not in told:
            used.add(node.id)
        elif isinstance(node, ast.arg):
            used.add(node.arg)
        elif isinstance(node, (ast.Global, ast.Nonlocal)):
            used.update(node.names)
        elif isinstance(node, ast.ClassDef):  # what looks like its variables are attributes
            used.update(n.id for n in walk(node) if isinstance(n, ast.Name))
    if used & {"eval", "exec", "locals", "vars"}:
        return set()
    return {name for name, n in stores.items() if n == 0 and name not in used}


class _WithoutVariables(Transformer):
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        _tidy(node)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
        return None if getattr(node.targets[0], "id", None) in self.names else node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST | None:
        return None if getattr(node.target, "id", None) in self.names else node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc.args = [argument for argument in node.exc.args if getattr(argument, "id", None) not in self.names]
        return node


def _is_text(node: ast.expr) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str)
    if isinstance(node, ast.BinOp):
        if isinstance(node.op, ast.Mod):
            return _is_text(node.left)
        return isinstance(node.op, ast.Add) and (_is_text(node.left) or _is_text(node.right))
    if isinstance(node, ast.IfExp):
        return _is_text(node.body) and _is_text(node.orelse)
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute):
            return function.attr in _OF_TEXT and _is_text(function.value)
        return isinstance(function, ast.Name) and function.id in ("repr", "str")
    return isinstance(node, ast.JoinedStr)


def _acts(node: ast.expr) -> bool:
    """Whether evaluating it may do something besides: see `LOOKS`."""
    for inner in walk(node):
        if isinstance(inner, (ast.NamedExpr, ast.Await, ast.Yield, ast.YieldFrom)):
            return True
        if isinstance(inner, ast.comprehension) and isinstance(inner.iter, ast.Name):
            return True
        if isinstance(inner, ast.Call):
            name, of_text = _last_name(inner.func), isinstance(inner.func, ast.Attribute)
            known = LOOKS | LOOKS_AT_VALUES | (_OF_TEXT if of_text else set())
            takes = name in LOOKS_AT_VALUES and any(isinstance(a, (ast.Name, ast.Starred)) for a in inner.args)
            if name not in known or takes or any(k.arg in ("inplace", "out") for k in inner.keywords):
                return True
    return False


def _last_name(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    others = [a for a in (arguments.vararg, arguments.kwarg) if a]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *others]


def _bound_in_functions(statement: ast.stmt) -> set[str]:
    """Names that a function or class gives a meaning of its own, imports aside."""
    defines = isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    names = set[str]()
    for node in walk(statement):
        if isinstance(node, ast.arg):
            names.add(node.arg)
        elif defines and isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
