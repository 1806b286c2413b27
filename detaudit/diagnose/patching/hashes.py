"""Fixes of `hash-order`: iteration over sets, and `hash()` of texts."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from detaudit.diagnose.patching.imports import Head, ImportedNames, same_target, values_of
from detaudit.diagnose.patching.source import Edit, SourceFile

_ORDERLESS = frozenset(
    ("sorted", "len", "set", "frozenset", "sum", "min", "max", "any", "all", "isinstance", "bool", "print")
)
"""Functions for which the order of a set makes no difference, as far as sets of texts go."""
_MAKE_SETS = frozenset(("set", "frozenset"))
_SET_METHODS = frozenset(("union", "intersection", "difference", "symmetric_difference"))
_SET_TYPES = frozenset(("set", "frozenset", "Set", "FrozenSet", "AbstractSet", "MutableSet"))
_PASS_ON = frozenset(("enumerate", "list", "tuple", "iter", "reversed"))
"""Functions that iterate over their first argument, in its order."""


def fix_hash_order(source: SourceFile, _cause: str, line: int, _symbol: str | None) -> list[Edit] | None:
    """Sort the set that the line iterates over, or replace the `hash()` that it calls."""
    names = ImportedNames(source)
    hashes = [
        call for call in source.calls_at(line) if names.builtin(call.func) == "hash" and len(call.args) == 1
    ]
    if hashes:
        return _checksums(source, names, hashes)
    if names.is_bound("sorted"):
        return None
    everywhere = list(dict.fromkeys(_iterated(source, names)))
    iterated = [node for node in everywhere if node.lineno <= line <= (node.end_lineno or 0)]
    sets = [node for node in iterated if _is_set(source, names, node)]
    # The line is known to be guilty: what it iterates over is a set, even if its name does not say so.
    plain = [node for node in iterated if isinstance(node, ast.Name | ast.Attribute)]
    chosen = sets or (plain if len(plain) == 1 else []) or _elsewhere(source, names, line, everywhere)
    edits = [edit for node in chosen for edit in _sorted(source, names, node)]
    return list(dict.fromkeys(edits)) or None


def _checksums(source: SourceFile, names: ImportedNames, calls: list[ast.Call]) -> list[Edit]:
    head = Head(source, names)
    module = head.module("zlib")
    edits = head.add([], [module.statement]) if module.statement else []
    for call in calls:
        argument = call.args[0]
        before = Edit(source.start(call), source.start(argument), f"{module.name}.crc32(repr(")
        after = Edit(source.end(argument), source.end(call), ").encode())")
        edits += [before, after]
    return edits


def _iterated(source: SourceFile, names: ImportedNames) -> Iterator[ast.expr]:
    """Yield all expressions that a file iterates over in their own order."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.For | ast.comprehension) and not _makes_set(source, node):
            yield _passed_on(names, node.iter)
        elif isinstance(node, ast.Starred) and isinstance(node.ctx, ast.Load):
            yield node.value
        elif isinstance(node, ast.Call) and names.builtin(node.func) not in _ORDERLESS:
            yield from (
                part for part in node.args if not isinstance(part, ast.Starred) and _passes(node, names, part)
            )


def _makes_set(source: SourceFile, node: ast.AST) -> bool:
    return isinstance(source.parent(node), ast.SetComp)


def _passed_on(names: ImportedNames, node: ast.expr) -> ast.expr:
    """Return what is iterated over in the end: `names` in `enumerate(names)`."""
    while isinstance(node, ast.Call) and names.builtin(node.func) in _PASS_ON and node.args:
        node = node.args[0]
    return node


def _passes(call: ast.Call, names: ImportedNames, part: ast.expr) -> bool:
    """Say whether a call surely iterates over an argument, or is given a set that is made on the spot."""
    if names.builtin(call.func) in _PASS_ON:
        return part is call.args[0]
    return isinstance(part, ast.Set | ast.SetComp | ast.Call)


def _is_set(source: SourceFile, names: ImportedNames, node: ast.expr, *, follow: bool = True) -> bool:
    """Say whether an expression is a set, by its form or by the values assigned to its name."""
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Sub | ast.BitXor):
        return any(_is_set(source, names, side, follow=follow) for side in (node.left, node.right))
    if isinstance(node, ast.Call):
        is_method = isinstance(node.func, ast.Attribute) and node.func.attr in _SET_METHODS
        return is_method or names.builtin(node.func) in _MAKE_SETS
    if not follow or not isinstance(node, ast.Name | ast.Attribute):
        return False
    values = [_is_set(source, names, value, follow=False) for value in values_of(source, node)]
    return any(values) or any(same_target(node, one) for one in _annotated(source))


def _annotated(source: SourceFile) -> Iterator[ast.expr]:
    """Yield the names and attributes that a file says are sets."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.AnnAssign) and _names_set(node.annotation):
            yield node.target
        elif isinstance(node, ast.arg) and node.annotation and _names_set(node.annotation):
            yield ast.Name(node.arg)


def _names_set(annotation: ast.expr) -> bool:
    kind = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    name = kind.attr if isinstance(kind, ast.Attribute) else kind.id if isinstance(kind, ast.Name) else ""
    return name in _SET_TYPES


def _elsewhere(
    source: SourceFile, names: ImportedNames, line: int, iterated: list[ast.expr]
) -> list[ast.expr]:
    """Where a set is iterated over that the line assigns to a name."""
    targets = [
        target
        for statement in source.all(ast.Assign)
        if statement.lineno <= line <= (statement.end_lineno or 0) and _is_set(source, names, statement.value)
        for target in statement.targets
    ]
    return [node for node in iterated if any(same_target(node, one) for one in targets)]


def _sorted(source: SourceFile, names: ImportedNames, node: ast.expr) -> list[Edit]:
    above = source.parent(node)
    if isinstance(above, ast.Call) and names.builtin(above.func) == "list" and above.args == [node]:
        return [] if above.keywords else [source.replace(above.func, "sorted")]
    return source.wrap(node, "sorted(", ")")
