"""Find where a task of a pool draws from a generator of its process, from the source code.

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
from detaudit.sources.side_changes import Function, function_at

_MODULES = ("random.", "np.random.", "numpy.random.")
_OF_TORCH = frozenset(
    {"rand", "randn", "randint", "randperm", "normal", "bernoulli", "multinomial", "poisson"}
)
_MAKERS = frozenset({"default_rng", "RandomState", "Random", "Generator", "PCG64", "Philox", "SystemRandom"})
_SEEDERS = frozenset({"seed", "setstate", "set_state", "getstate", "get_state", "SeedSequence"})
_DEEPEST = 4
"""So many calls deep functions of the same file are looked into."""


def drawing_line(beginning: Site) -> Site | None:
    """Find where the function that begins at a line draws, or a function of the same file that it calls."""
    tree, function = parsed(beginning.file), function_at(beginning)
    if tree is None or function is None:
        return None
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, Function)}
    generators = set(_shared_generators(tree))
    found = _first(function, functions, generators, frozenset())
    if found is None:
        return None
    line, name = found
    text = linecache.getline(beginning.file, line).strip()
    return replace(beginning, line=line, function=name, code=text, through="")


def _first(
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
            found = _first(called, functions, generators, seen | {name})
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
