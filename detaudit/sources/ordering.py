"""Tell objects apart and order them in a way that is equal in every run; describe faults in an order."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from enum import Enum
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from xxhash import xxh3_64_hexdigest

from detaudit.model.cause import Cause
from detaudit.model.ledger import LedgerEntry
from detaudit.sources.numbering import Numbering
from detaudit.sources.observation import Naming, Observation, by_library

PLAIN = (str, bytes, int, float, complex, bool, type(None))
SORTABLE = (str, bytes, int, float, PurePath)
DEEPEST = 3
LARGEST = 1 << 20
"""Tensors of more bytes are told apart by shape and dtype alone."""

_COUNTER = "give each object a number of its own when it is made (itertools.count()), and use that instead of"


def hashed_by_address(item: Any, depth: int = 0) -> bool:
    """Say whether an object's hash comes from where it, or a part of it, lies in memory."""
    if depth > DEEPEST:
        return False
    if isinstance(item, tuple | frozenset):
        return any(hashed_by_address(part, depth + 1) for part in item)
    if isinstance(item, weakref.ref):
        return hashed_by_address(item(), depth)
    if isinstance(item, MethodType | BuiltinFunctionType):
        return True
    method: Any = type(item).__hash__
    if isinstance(method, FunctionType):
        return _is_made_of_address(method, item, depth)
    return method is object.__hash__


def _is_made_of_address(method: FunctionType, item: Any, depth: int) -> bool:
    """Say whether a hash that is written in Python uses an address: by `id`, the base's hash, or a part's."""
    names = method.__code__.co_names
    parts = [part for name in names if (part := _part(item, name)) is not None]
    if "id" in names or ("__hash__" in names and not parts):
        return True
    return any(hashed_by_address(part, depth + 1) for part in parts)


def _part(item: Any, name: str) -> Any:
    """Get an attribute that an object holds itself: looking at others may run code."""
    slots = (getattr(base, "__slots__", ()) for base in type(item).__mro__)
    if name in getattr(item, "__dict__", {}) or any(name in names for names in slots):
        return getattr(item, name, None)
    return None


def unsortable_kind(items: Iterable[Any]) -> str:
    """Name the type of the elements that cannot be put in order by themselves; empty if all can."""
    kinds = Counter(type(item).__qualname__ for item in map(_referred, items) if not _has_order(item))
    return "" if not kinds else kinds.most_common(1)[0][0]


def _has_order(item: Any) -> bool:
    if isinstance(item, tuple):
        return all(_has_order(part) for part in item)
    return isinstance(item, SORTABLE) and not isinstance(item, Enum)


def _referred(item: Any) -> Any:
    return item() if isinstance(item, weakref.ref) else item


def put_in_order(items: Sequence[Any], numbering: Numbering) -> list[tuple[str, Any]]:
    """Sort objects by what they hold; those that hold the same, in the order in which they were made."""
    texts = [stable_text(item, numbering) for item in items]
    often = Counter(texts)
    numbering.number_all(_referred(item) for item, text in zip(items, texts, strict=True) if often[text] > 1)
    named = [
        (f"{text}#{numbering.number(_referred(item))}" if often[text] > 1 else text, item)
        for item, text in zip(items, texts, strict=True)
    ]
    return sorted(named, key=lambda pair: _sort_key(pair[0]))


def _sort_key(text: str) -> tuple[str, int, str]:
    name, _, number = text.rpartition("#")
    return (name, int(number), "") if number.isdecimal() else (text, 0, text)


def stable_text(item: Any, numbering: Numbering, depth: int = 0) -> str:
    """Describe an object: a part of a module by its number, another by what it holds."""
    if isinstance(item, (*PLAIN, Enum)):
        return repr(item)
    number = numbering.known(item)
    if number is not None:
        return f"{type(item).__qualname__}#{number}"
    if isinstance(item, weakref.ref):
        return stable_text(item(), numbering, depth)
    return type(item).__qualname__ + ("" if depth > DEEPEST else _inside(item, numbering, depth))


def _inside(item: Any, numbering: Numbering, depth: int) -> str:
    if isinstance(item, tuple | list):
        return f"({','.join(stable_text(part, numbering, depth + 1) for part in item)})"
    if isinstance(item, set | frozenset):
        return f"{{{','.join(sorted(stable_text(part, numbering, depth + 1) for part in item))}}}"
    if isinstance(item, dict):
        pairs = ((stable_text(part, numbering, depth + 1) for part in pair) for pair in item.items())
        return f"{{{','.join(map(':'.join, pairs))}}}"
    return _attributes(item, numbering, depth)


def lasting_text(item: Any, numbering: Numbering) -> str:
    """Describe an object by what it can never lose: if its hash is its address, by its number."""
    if isinstance(item, tuple | frozenset) and hashed_by_address(item):
        parts = [lasting_text(part, numbering) for part in item]
        return f"({','.join(parts if isinstance(item, tuple) else sorted(parts))})"
    if item is not None and hashed_by_address(item):
        return f"{type(item).__qualname__}#{numbering.number(item)}"
    return stable_text(item, numbering)


def _attributes(item: Any, numbering: Numbering, depth: int) -> str:
    if hasattr(item, "data_ptr") and hasattr(item, "detach"):
        return _tensor_text(item)
    name = getattr(item, "__qualname__", None)
    if isinstance(name, str):
        return f"<{name}>"
    return stable_text(getattr(item, "__dict__", None), numbering, depth + 1)


def _tensor_text(tensor: Any) -> str:
    text = f"{tuple(tensor.shape)}{tensor.dtype}"
    if tensor.device.type != "cpu" or tensor.nbytes > LARGEST or tensor.is_sparse:
        return text
    content = tensor.detach().reshape(-1).contiguous().view(-1)
    return f"{text}{xxh3_64_hexdigest(repr(content.tolist()).encode())}"


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
        return "sort the items that are iterated over here: sorted(...)"
    if entry.operation == "set":
        return (
            f"{kind} objects cannot be sorted: keep them in a list, or use dict.fromkeys(items), which keeps "
            "the order of first appearance, instead of the set"
        )
    if entry.operation == "set.pop":
        taking = "keep them in a list, or in a dict (dict.fromkeys(items)), and take the first or the last"
        return taking if kind else f"take a certain element, such as min(items), or {taking}"
    return _fix_number(entry.operation, kind)


def _fix_number(operation: str, kind: str) -> str | None:
    if operation == "hash" and not kind:
        return "use a hash that is not salted: zlib.crc32(text.encode()), or zlib.crc32(repr(item).encode())"
    if operation == "repr":
        return "give the class a __repr__ (a dataclass has one), or use another name of the object here"
    return f"{_COUNTER} {operation}()" if operation in {"hash", "id"} else None
