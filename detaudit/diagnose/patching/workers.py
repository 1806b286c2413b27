"""Fixes of `worker-seeding`: what a loader's workers seed themselves from."""

from __future__ import annotations

import ast

from detaudit.diagnose.patching.imports import Head, ImportedNames
from detaudit.diagnose.patching.seeds import CONSTRUCTORS, Seeds
from detaudit.diagnose.patching.source import Edit, SourceFile, add_argument, keyword

_MODULES = ("torch", "numpy.random", "random")


def fix_worker_seeds(source: SourceFile, _cause: str, line: int, symbol: str | None) -> list[Edit] | None:
    """Seed from the seed that torch has in each worker: on the line, or by a function for the loader."""
    names = ImportedNames(source)
    loader = _loader_of(source, names, line)
    if loader is None or not _is_inside(loader, line):
        edits = _seeded_line(source, names, line, symbol)
        if edits:
            return edits
    return None if loader is None else _seeded_loader(source, names, loader)


def _seeded_line(source: SourceFile, names: ImportedNames, line: int, symbol: str | None) -> list[Edit]:
    """Seed what the line makes or seeds in a worker."""
    head = Head(source, names)
    torch = head.module("torch")
    inside = [one for one in source.all(ast.FunctionDef) if one.lineno <= line <= (one.end_lineno or 0)]
    initial = any(_is_worker_init(source, one.name) for one in inside)
    # Once for a worker, its seed will do; more often, another number is needed each time, which torch draws.
    seed = f"{torch.name}.initial_seed() % 2**32" if initial else f"{torch.name}.randint(2**31, ()).item()"
    for module in CONSTRUCTORS:
        edits = Seeds(source, names, module, seed).here(line, symbol)
        if edits:
            return edits + (head.add([], [torch.statement]) if torch.statement else [])
    return []


def _is_worker_init(source: SourceFile, name: str) -> bool:
    given = [keyword(call, "worker_init_fn") for call in source.all(ast.Call)]
    values = [one.value for one in given if one]
    return any(isinstance(value, ast.Name | ast.Attribute) and ast.unparse(value) == name for value in values)


def _loader_of(source: SourceFile, names: ImportedNames, line: int) -> ast.Call | None:
    """Find the loader that a line makes, or the only loader in the file that has workers."""
    loaders = [call for call in source.all(ast.Call) if (names.full(call.func) or "").endswith(".DataLoader")]
    here = [call for call in loaders if _is_inside(call, line)]
    parallel = [call for call in loaders if keyword(call, "num_workers") or keyword(call, "worker_init_fn")]
    chosen = here or parallel
    return chosen[0] if len(chosen) == 1 else None


def _is_inside(call: ast.Call, line: int) -> bool:
    return call.lineno <= line <= (call.end_lineno or 0)


def _seeded_loader(source: SourceFile, names: ImportedNames, loader: ast.Call) -> list[Edit] | None:
    """Give a loader a function that seeds its workers, and a generator of its own to draw their seeds."""
    head = Head(source, names)
    torch, numpy, random = (head.module(module) for module in _MODULES)
    name = names.unused("seed_worker")
    given = keyword(loader, "worker_init_fn")
    arguments = [] if given else [f"worker_init_fn={name}"]
    if not keyword(loader, "generator"):
        arguments.append(f"generator={torch.name}.Generator().manual_seed(0)")
    added = add_argument(source, loader, ", ".join(arguments)) if arguments else []
    if added is None:
        return None
    function = [
        f"def {name}(worker_id):",
        f"    seed = {torch.name}.initial_seed() % 2**32",
        f"    {numpy.name}.seed(seed)",
        f"    {random.name}.seed(seed)",
    ]
    replaced = [source.replace(given.value, name)] if given else []
    return [*replaced, *added, *head.add(function, [one.statement for one in (torch, numpy, random)], gap=2)]
