"""Find from the source code what a function that runs in a thread or pool changes, and where it draws.

Operators show who changes tensors; lists, counters and settings only the source does.

Each process of a pool has a copy of the generators of the process that forked it, or has seeded its own.
Which process carries out a task is decided by timing, and with it which numbers the task draws.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterator
from dataclasses import replace

from detaudit.model.trace import Site
from detaudit.sources.decisions import parsed

_COLLECTS = frozenset({"append", "appendleft", "extend", "insert", "put", "put_nowait", "add"})
"""Methods that put something into a collection, whose order other code can see."""
_CHANGES = frozenset({"update", "pop", "popleft", "remove", "discard", "clear", "load_state_dict", "copy_"})
Function = ast.FunctionDef | ast.AsyncFunctionDef

_MODULES = ("random.", "np.random.", "numpy.random.")
_OF_TORCH = frozenset(
    {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
)
_MAKERS = frozenset({"default_rng", "RandomState", "Random", "Generator", "PCG64", "Philox", "SystemRandom"})
_SEEDERS = frozenset({"seed", "setstate", "set_state", "getstate", "get_state", "SeedSequence"})
_DEEPEST = 4
"""The most nested calls, to functions of the same file, that are followed."""


def collecting_line(beginning: Site) -> Site | None:
    """Find where the function that begins at a line puts something into a collection that is not its own."""
    return _first_change(beginning, collects=True)


def changing_line(beginning: Site) -> Site | None:
    """Find where that function changes something else that is not its own."""
    return _first_change(beginning, collects=False)


def _first_change(beginning: Site, *, collects: bool) -> Site | None:
    function = function_at(beginning)
    if function is None:
        return None
    foreign = set(_foreign_names(function))
    own = _made_names(function) - foreign
    changes = (node for node in ast.walk(function) if isinstance(node, ast.stmt | ast.Call))
    lines = [node.lineno for node in changes if _changed(node, own, foreign, collects=collects)]
    if not lines:
        return None
    text = linecache.getline(beginning.file, min(lines)).strip()
    return replace(beginning, line=min(lines), function=function.name, code=text, through="")


def function_at(site: Site) -> Function | None:
    """Find the function that begins at a line, also one with decorators above it."""
    tree = parsed(site.file)
    nodes = ast.walk(tree) if tree is not None else ()
    functions = (node for node in nodes if isinstance(node, Function))
    return next((one for one in functions if site.line in {one.lineno, _first_line(one)}), None)


def _first_line(function: Function) -> int:
    return min((one.lineno for one in function.decorator_list), default=function.lineno)


def _foreign_names(function: Function) -> Iterator[str]:
    """Name what the function declares to be another's."""
    for node in ast.walk(function):
        if isinstance(node, ast.Global | ast.Nonlocal):
            yield from node.names


def _made_names(function: Function) -> set[str]:
    """Name what the function makes itself: what it gives a name to."""
    made = (node for node in ast.walk(function) if isinstance(node, ast.Assign | ast.AnnAssign))
    return {name for node in made for name in _names_given(node)}


def _names_given(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute | ast.Subscript):
        # Another name for what was there before.
        return
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    yield from (target.id for target in targets if isinstance(target, ast.Name))


def _changed(node: ast.stmt | ast.Call, own: set[str], foreign: set[str], *, collects: bool) -> bool:
    if isinstance(node, ast.Call):
        method = node.func
        methods = _COLLECTS if collects else _CHANGES
        return isinstance(method, ast.Attribute) and method.attr in methods and _base(method.value) not in own
    if collects or not isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign):
        return False
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        return node.target.id in foreign
    return any(isinstance(one, ast.Attribute | ast.Subscript) and _base(one) not in own for one in targets)


def _base(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def drawing_line(beginning: Site) -> Site | None:
    """Find where the function that begins at a line draws, or a function of the same file that it calls."""
    tree, function = parsed(beginning.file), function_at(beginning)
    if tree is None or function is None:
        return None
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    generators = set(_shared_generators(tree))
    found = _first_draw(function, functions, generators, frozenset())
    if found is None:
        return None
    line, name = found
    text = linecache.getline(beginning.file, line).strip()
    return replace(beginning, line=line, function=name, code=text, through="")


def _first_draw(
    function: Function,
    functions: dict[str, Function],
    generators: set[str],
    seen: frozenset[str],
) -> tuple[int, str] | None:
    """Give line and function of the first draw; None where there is none, or the task seeds itself first."""
    calls = (node for node in ast.walk(function) if isinstance(node, ast.Call))
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        name = _dotted(call.func)
        if name.startswith(_MODULES) and name.rpartition(".")[2] in _SEEDERS:
            return None
        if _draws(name, generators):
            return call.lineno, function.name
        called = functions.get(name.removeprefix("self."))
        if called is not None and name not in seen and len(seen) < _DEEPEST:
            found = _first_draw(called, functions, generators, seen | {name})
            if found is not None:
                return found
    return None


def _draws(name: str, generators: set[str]) -> bool:
    base, _, method = name.rpartition(".")
    if base == "torch":
        return method in _OF_TORCH
    if f"{base}." in _MODULES:
        return method not in _MAKERS | _SEEDERS
    return base in generators and method not in _SEEDERS


def _shared_generators(tree: ast.AST) -> Iterator[str]:
    """Name the generators that are made once, when the file is loaded."""
    for node in getattr(tree, "body", ()):
        if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Call):
            continue
        if _dotted(node.value.func).rpartition(".")[2] in _MAKERS:
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _dotted(node: ast.expr) -> str:
    """Give a name with its dots; empty for anything else."""
    if isinstance(node, ast.Attribute):
        base = _dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return node.id if isinstance(node, ast.Name) else ""
