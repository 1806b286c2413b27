"""The imports of a file: what its names stand for, and what can be added at its head."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detaudit.diagnose.patching.source import Edit, SourceFile

_SETUP = frozenset(
    (
        *("argparse", "collections", "importlib", "json", "logging", "matplotlib", "os", "pathlib"),
        *("platform", "sys", "typing", "warnings"),
    )
)
"""Libraries that programs call between their imports, and that draw nothing."""
_USUAL = {"numpy": "np"}
"""The short names under which programs usually import libraries."""


@dataclass(frozen=True, slots=True)
class Module:
    """How to refer to a module at the head of a file."""

    name: str
    statement: str | None
    """The import statement that the file lacks; None if the module is imported already."""


class Head:
    """The first statements of a file."""

    def __init__(self, source: SourceFile, names: ImportedNames) -> None:
        self._source = source
        self._names = names
        body = source.tree.body
        last = 0 if ast.get_docstring(source.tree, clean=False) is None else 1
        for number, statement in enumerate(body, start=1):
            if self._may_draw(statement):
                break
            if any(isinstance(node, ast.Import | ast.ImportFrom) for node in _outside_functions(statement)):
                last = number
        self._statements = body[:last]
        self._next = body[last] if last < len(body) else None

    def module(self, full: str) -> Module:
        """How to refer to a module there: by the import that the file has, or by one to be added."""
        bound = imported(node for one in self._statements for node in _outside_functions(one))
        for name, value in bound.items():
            if value == full:
                return Module(name, None)
            if full.startswith(f"{value}."):
                return Module(name + full.removeprefix(value), None)
        root, dot, rest = full.partition(".")
        usual = _USUAL.get(root, root)
        name = self._names.unused(usual)
        statement = f"import {root}" if name == root else f"import {root} as {name}"
        return Module(name + dot + rest, statement)

    def add(self, statements: Sequence[str], imports: Sequence[str | None], gap: int = 1) -> list[Edit]:
        """Add imports at the end of the head, and statements after a gap of some lines."""
        source, needed = self._source, [one for one in dict.fromkeys(imports) if one]
        lines = [*needed, *[""] * (gap if statements else 0), *statements]
        newline = source.newline
        if not self._statements:
            place = 0 if self._next is None else source.line_start(source.start(_first(self._next)))
            return [Edit(place, place, newline.join([*lines, *[""] * (gap + 1)]))]
        end = source.end(self._statements[-1])
        if self._next is not None and source.start(self._next) < source.line_end(end):
            return [Edit(end, end, "".join(f"; {line}" for line in lines if line))]
        if isinstance(self._statements[-1], ast.Expr):
            # A docstring alone, which a blank line follows.
            lines = ["", *lines]
        end = source.line_end(end)
        following = source.next_line(end)
        is_tight = bool(source.text[following : source.line_end(following)].strip())
        return [Edit(end, end, newline + newline.join(lines) + newline * (gap if is_tight else 0))]

    def has(self, statement: str) -> bool:
        """Whether a statement stands right after the head already."""
        return self._next is not None and ast.unparse(self._next) == statement

    def _may_draw(self, statement: ast.stmt) -> bool:
        return any(
            isinstance(node, ast.Call)
            and self._names.builtin(node.func) is None
            and (self._names.full(node.func) or "?").split(".")[0] not in _SETUP
            for node in _outside_functions(statement)
        )


def _outside_functions(statement: ast.AST) -> list[ast.AST]:
    """List the parts of a statement that run when it does, as far as can be seen; no class or function."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
        return []
    parts = [part for child in ast.iter_child_nodes(statement) for part in _outside_functions(child)]
    return [statement, *parts]


def _first(statement: ast.stmt) -> ast.stmt | ast.expr:
    """Return where a statement starts; its decorators count as part of the statement."""
    decorators: list[ast.expr] = getattr(statement, "decorator_list", [])
    return decorators[0] if decorators else statement


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


class ImportedNames:
    """The names of one file."""

    def __init__(self, source: SourceFile) -> None:
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


def values_of(source: SourceFile, target: ast.expr) -> list[ast.expr]:
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
