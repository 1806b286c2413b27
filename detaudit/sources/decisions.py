"""Find the line that decides by the clock, among all lines that read it, from the source code alone."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Iterable, Iterator
from functools import lru_cache

from detaudit.model.trace import Site


def deciding_line(sites: Iterable[Site], reached: Iterable[Site]) -> Site | None:
    """Find the site whose reading is compared with something; of several, prefer one that leads to `reached`.

    Where no reading is compared on its own line, the site whose variable is compared is given; else the last.
    """
    lines = {(site.file, site.line) for site in reached}
    ranked = [(_rank(site, lines), number, site) for number, site in enumerate(sites)]
    return max(ranked, key=lambda entry: entry[:2])[2] if ranked else None


def _rank(site: Site, reached: set[tuple[str, int]]) -> int:
    tree = parsed(site.file)
    if tree is None:
        return 0
    rank = 0
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare | ast.IfExp) and _spans(node, site.line):
            rank = max(rank, 2)
        if isinstance(node, ast.If | ast.While) and _spans(node.test, site.line):
            leads = any(file == site.file and _inside(node.body, line) for file, line in reached)
            rank = max(rank, 4 if leads else 3)
    return rank or _compared_later(tree, site.line)


def _compared_later(tree: ast.Module, line: int) -> int:
    """1 if the line gives a value to a name that something is compared with."""
    given = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _spans(node, line)
        for target in node.targets
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    compared = {
        name.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare)
        for name in ast.walk(node)
        if isinstance(name, ast.Name)
    }
    return 1 if given & compared else 0


def uncalled_seed(file: str, names: Iterable[str], executed: set[int]) -> int | None:
    """Find the first line that would seed a generator (by one of these names) and that was not executed."""
    tree = parsed(file)
    if tree is None:
        return None
    lines = (node.lineno for node in _calls(tree) if ast.unparse(node.func) in names)
    return next((line for line in sorted(lines) if line not in executed), None)


def only_call(file: str, function: str) -> int | None:
    """Find the line of the only call of a function or method of this name; None unless there is just one."""
    tree = parsed(file)
    if tree is None:
        return None
    lines = [
        node.func.end_lineno or node.lineno
        for node in _calls(tree)
        if ast.unparse(node.func).rpartition(".")[2] == function
    ]
    return lines[0] if len(lines) == 1 else None


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _spans(node: ast.AST, line: int) -> bool:
    first, last = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    return bool(first <= line <= (last or first))


def _inside(body: list[ast.stmt], line: int) -> bool:
    return any(_spans(statement, line) for statement in body)


@lru_cache(maxsize=64)
def parsed(file: str) -> ast.Module | None:
    """Parse a source file; None if the file cannot be read."""
    try:
        return ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return None
