"""Fixes of `completion-order` and `worker-order`: results as they are finished, instead of in their order."""

from __future__ import annotations

import ast

from detaudit.diagnose.patching.imports import Names, values_of
from detaudit.diagnose.patching.source import Edit, Source, drop_keyword, keyword

_AS_COMPLETED = ("concurrent.futures.as_completed", "asyncio.as_completed")
_UNORDERED = "imap_unordered"


def fix_delivery(source: Source, _cause: str, line: int, _symbol: str | None) -> list[Edit] | None:
    """Take results in the order in which the work was handed out."""
    names = Names(source)
    edits: list[Edit] = []
    for call in source.calls_at(line):
        if names.full(call.func) in _AS_COMPLETED:
            edits += _in_given_order(source, names, call) or []
        elif isinstance(call.func, ast.Attribute) and call.func.attr == _UNORDERED:
            end = source.end(call.func)
            edits.append(Edit(end - len(_UNORDERED), end, "imap"))
    return edits or _in_order_loaders(source, line)


def _in_given_order(source: Source, names: Names, call: ast.Call) -> list[Edit] | None:
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


def _in_order_loaders(source: Source, line: int) -> list[Edit] | None:
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
