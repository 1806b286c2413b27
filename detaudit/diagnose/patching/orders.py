"""Fixes of `completion-order`, `worker-order` and `fs-order`: results and files in an order of their own."""

from __future__ import annotations

import ast

from detaudit.diagnose.patching.imports import ImportedNames, values_of
from detaudit.diagnose.patching.source import Edit, SourceFile, drop_keyword, keyword

_AS_COMPLETED = ("concurrent.futures.as_completed", "asyncio.as_completed")
_UNORDERED = "imap_unordered"

_FUNCTIONS = frozenset(("os.listdir", "os.scandir", "glob.glob", "glob.iglob", "glob.glob0", "glob.glob1"))
_METHODS = frozenset(("iterdir", "glob", "rglob"))
"""Methods of `pathlib.Path` that list a folder."""
_SORTING = frozenset(("sorted", "min", "max"))
_BY_FILE = frozenset(
    (
        *("getmtime", "getctime", "getatime", "getsize", "stat", "lstat", "inode"),
        *("st_mtime", "st_mtime_ns", "st_ctime", "st_ctime_ns", "st_atime", "st_size", "st_ino"),
    )
)
"""Names of file properties that a sort key may read, and that differ between copies of a file."""
_BY_NAME = "lambda entry: entry.name"
_WALK_PARTS = 3
"""`os.walk` gives the folder, the folders in it, and the files in it."""


def fix_delivery(source: SourceFile, _cause: str, line: int, _symbol: str | None) -> list[Edit] | None:
    """Take results in the order in which the work was handed out."""
    names = ImportedNames(source)
    edits: list[Edit] = []
    for call in source.calls_at(line):
        if names.full(call.func) in _AS_COMPLETED:
            edits += _in_given_order(source, names, call) or []
        elif isinstance(call.func, ast.Attribute) and call.func.attr == _UNORDERED:
            end = source.end(call.func)
            edits.append(Edit(end - len(_UNORDERED), end, "imap"))
    return edits or _in_order_loaders(source, line)


def _in_given_order(source: SourceFile, names: ImportedNames, call: ast.Call) -> list[Edit] | None:
    """Iterate over the futures themselves; where they are a set, over a list in its place."""
    if not call.args or isinstance(source.parent(call), ast.AsyncFor):
        return None
    futures, user = call.args[0], source.parent(call)
    walks = isinstance(user, ast.For | ast.comprehension)
    takes = isinstance(user, ast.Call) and names.builtin(user.func) != "next"
    # Elsewhere it may be taken from one by one, which a list cannot be.
    before, after = ("", "") if walks or takes else ("iter(", ")")
    edits = [
        Edit(source.start(call), source.start(futures), before),
        Edit(source.end(futures), source.end(call), after),
    ]
    for value in [futures, *values_of(source, futures)]:
        if isinstance(value, ast.Set | ast.SetComp):
            start, end = source.start(value), source.end(value)
            edits += [Edit(start, start + 1, "["), Edit(end - 1, end, "]")]
        elif isinstance(value, ast.Call) and names.builtin(value.func) in ("set", "frozenset"):
            # Futures are hashed by their addresses: no order either.
            return None
    return edits


def _in_order_loaders(source: SourceFile, line: int) -> list[Edit] | None:
    """Drop `in_order=False` from the loader that the line makes, or from the only one that has it."""
    loaders = [
        (call, one)
        for call in source.all(ast.Call)
        if (one := keyword(call, "in_order"))
        and isinstance(one.value, ast.Constant)
        and one.value.value is False
    ]
    here = [pair for pair in loaders if pair[0].lineno <= line <= (pair[0].end_lineno or 0)]
    chosen = here or loaders
    return drop_keyword(source, *chosen[0]) if len(chosen) == 1 else None


def fix_listing(source: SourceFile, _cause: str, line: int, _symbol: str | None) -> list[Edit] | None:
    """Sort by name what the line lists, or sorts by something else."""
    names = ImportedNames(source)
    if names.is_bound("sorted"):
        return None
    edits: list[Edit] = []
    for call in source.calls_at(line):
        if _sorts(names, call):
            edits += _by_name(source, names, call)
        elif _lists(names, call):
            edits += _sorted_listing(source, names, call)
        elif names.full(call.func) == "os.walk":
            edits += _sorted_walk(source, call)
    return list(dict.fromkeys(edits)) or None


def _sorts(names: ImportedNames, call: ast.Call) -> bool:
    is_method = isinstance(call.func, ast.Attribute) and call.func.attr == "sort"
    return is_method or names.builtin(call.func) in _SORTING


def _lists(names: ImportedNames, call: ast.Call) -> bool:
    name = names.full(call.func)
    if name is not None:
        return name in _FUNCTIONS
    return isinstance(call.func, ast.Attribute) and call.func.attr in _METHODS


def _by_name(source: SourceFile, names: ImportedNames, call: ast.Call) -> list[Edit]:
    """Have a sort that goes by times, sizes or numbers of files go by their names."""
    key = keyword(call, "key")
    if key is None or not any(_name(node) in _BY_FILE for node in ast.walk(key.value)):
        return []
    sorted_here = [call.func.value] if isinstance(call.func, ast.Attribute) else call.args
    if any(_gives_entries(source, names, one) for one in sorted_here) or "DirEntry" in ast.unparse(key.value):
        # They have no order of their own.
        return [source.replace(key.value, _BY_NAME)]
    return drop_keyword(source, call, key)


def _name(node: ast.AST) -> str | None:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _gives_entries(source: SourceFile, names: ImportedNames, node: ast.expr) -> bool:
    """Whether an expression, or what a name stands for, is what `os.scandir` gives."""
    values = [node, *values_of(source, node)]
    calls = [value for value in values if isinstance(value, ast.Call)]
    return any(names.full(call.func) == "os.scandir" for call in calls)


def _sorted_listing(source: SourceFile, names: ImportedNames, call: ast.Call) -> list[Edit]:
    above = source.parent(call)
    if isinstance(above, ast.withitem):
        # The block needs what `scandir` gives, to close it.
        return []
    user = names.builtin(above.func) if isinstance(above, ast.Call) else None
    if user in _SORTING:
        return []
    key = f", key={_BY_NAME}" if names.full(call.func) == "os.scandir" else ""
    if user == "list" and isinstance(above, ast.Call) and not key:
        return [source.replace(above.func, "sorted")]
    if user == "next":
        return source.wrap(call, "iter(sorted(", f"{key}))")
    return source.wrap(call, "sorted(", f"{key})")


def _sorted_walk(source: SourceFile, call: ast.Call) -> list[Edit]:
    """Sort folders and files in place at the start of the loop: so `os.walk` descends in that order too."""
    loop = source.parent(call)
    if not isinstance(loop, ast.For) or not isinstance(loop.target, ast.Tuple):
        return []
    parts = [part.id for part in loop.target.elts if isinstance(part, ast.Name)]
    first = source.start(loop.body[0])
    indent = source.text[source.line_start(first) : first]
    if len(parts) != _WALK_PARTS or parts[1] == parts[2] or indent.strip():
        return []
    lines = [f"{part}.sort(){source.newline}{indent}" for part in parts[1:]]
    return [Edit(first, first, "".join(lines))]
