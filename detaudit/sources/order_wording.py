"""Describe faults that lie in an order: by hash, or by address."""

from __future__ import annotations

from collections.abc import Callable

from detaudit.model.cause import Cause
from detaudit.model.ledger import LedgerEntry
from detaudit.sources.observation import Naming, Observation, by_library

_COUNTER = (
    "give each object a number of its own when it is made (itertools.count()), and use that in the place of"
)


def naming_order(cause: Cause, followed: str) -> Callable[[Observation], Naming]:
    """Make a namer for orders and numbers that follow something new in each run, as `followed` says."""

    def name(seen: Observation) -> Naming:
        # A library has sets of its own; that of the program's line says more.
        direct = [one for one in seen.entries if not by_library(one)]
        entry = seen.telling(direct or None)
        if entry is None:
            return seen.name_bare(cause)
        kind = entry.fact.about
        what = _SUBJECTS.get(entry.operation, "{operation}").format(
            kind=f" of {kind} objects" if kind else "", operation=entry.operation
        )
        return seen.name_at(cause, entry, f"{what} follows {followed}", _fix(entry))

    return name


_SUBJECTS = {
    "set": "the order of this set{kind}",
    "set.pop": "which element this set{kind} gives up first",
    "hash": "hash()",
    "id": "id()",
    "repr": "the text of this object, which has its address in it,",
}


def _fix(entry: LedgerEntry) -> str | None:
    kind = entry.fact.about
    if entry.operation == "set" and not kind:
        return "sort what is iterated over here: sorted(...)"
    if entry.operation == "set":
        return (
            f"{kind} objects cannot be sorted: keep them in a list, or put dict.fromkeys(items), which keeps "
            "the order of first appearance, in the place of the set"
        )
    if entry.operation == "set.pop":
        taking = "keep them in a list, or in a dict (dict.fromkeys(items)), and take the first or the last"
        return taking if kind else f"take a definite one, as min(items), or {taking}"
    return _fix_number(entry.operation, kind)


def _fix_number(operation: str, kind: str) -> str | None:
    if operation == "hash" and not kind:
        return (
            "use a hash that is not salted, as zlib.crc32(text.encode()), or zlib.crc32(repr(item).encode())"
        )
    if operation == "repr":
        return "give the class a __repr__ (a dataclass has one), or use another name of the object here"
    return f"{_COUNTER} {operation}()" if operation in {"hash", "id"} else None
