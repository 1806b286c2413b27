"""Find what the names in a file stand for, by its imports."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable

from detaudit.diagnose.patching.source import Source


def imported(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Return what each name that some import statements bind stands for: `{"np": "numpy"}`."""
    found = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                root = alias.name.split(".")[0]
                found[alias.asname or root] = alias.name if alias.asname else root
        elif isinstance(node, ast.ImportFrom):
            # A leading dot keeps the user's own modules apart from the libraries.
            module = "." * node.level + (node.module or "")
            found.update({alias.asname or alias.name: f"{module}.{alias.name}" for alias in node.names})
    return found


class Names:
    """The names of one file."""

    def __init__(self, source: Source) -> None:
        self._imported = imported(ast.walk(source.tree))
        self._bound = {name for node in ast.walk(source.tree) for name in _binds(node)} | set(self._imported)

    def full(self, node: ast.AST) -> str | None:
        """Return the full name that an expression refers to, `numpy.random.seed`; None if not imported."""
        if isinstance(node, ast.Name):
            return self._imported.get(node.id)
        if isinstance(node, ast.Attribute):
            owner = self.full(node.value)
            return owner and f"{owner}.{node.attr}"
        return None

    def builtin(self, node: ast.AST) -> str | None:
        """Return the builtin that an expression refers to, by name; None if none, or if the file hides it."""
        if isinstance(node, ast.Name) and node.id not in self._bound and hasattr(builtins, node.id):
            return node.id
        return None

    def is_bound(self, name: str) -> bool:
        """Say whether the file gives a name a meaning of its own anywhere."""
        return name in self._bound

    def unused(self, name: str) -> str:
        """Return the name itself, or a similar name that the file does not use."""
        while self.is_bound(name):
            name += "_"
        return name

    def imports(self, *libraries: str) -> bool:
        """Say whether the file imports anything of one of these libraries."""
        return any(full.split(".")[0] in libraries for full in self._imported.values())


def _binds(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
        return [node.id]
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    return []


def values_of(source: Source, target: ast.expr) -> list[ast.expr]:
    """List the values that a file assigns to a name, or to the attribute of that name of any object."""
    key = _key(target)
    if key is None:
        return []
    pairs = [pair for node in ast.walk(source.tree) for pair in _assigned(node)]
    return [value for place, value in pairs if _key(place) == key]


def _assigned(node: ast.AST) -> list[tuple[ast.expr, ast.expr]]:
    if isinstance(node, ast.Assign):
        return [(place, node.value) for place in node.targets]
    if isinstance(node, ast.AnnAssign | ast.NamedExpr) and node.value is not None:
        return [(node.target, node.value)]
    if isinstance(node, ast.withitem) and node.optional_vars is not None:
        return [(node.optional_vars, node.context_expr)]
    return []


def _key(node: ast.expr) -> str | None:
    """Return one text for a name and an attribute of it: methods read from self what a class body binds."""
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else None


def same_target(one: ast.expr, other: ast.expr) -> bool:
    """Say whether two expressions are the same name, or attributes of the same name."""
    return _key(one) is not None and _key(one) == _key(other)
