"""The head of a file: its imports, up to where it may begin to draw, and what is added there."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from detaudit.diagnose.patching.names import Names, imported
from detaudit.diagnose.patching.source import Edit, Source

_SETUP = frozenset(
    (
        *("argparse", "collections", "importlib", "json", "logging", "matplotlib", "os", "pathlib"),
        *("platform", "sys", "typing", "warnings"),
    )
)
"""Libraries that programs call between their imports, and that draw nothing."""
_USUAL = {"numpy": "np"}
"""The names under which everyone imports them."""


@dataclass(frozen=True, slots=True)
class Module:
    """How to refer to a module at the head of a file."""

    name: str
    statement: str | None
    """The import that is missing for it."""


class Head:
    """The first statements of a file."""

    def __init__(self, source: Source, names: Names) -> None:
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
