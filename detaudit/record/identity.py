"""Map and collect objects by identity: without keeping the objects alive, and without their hash."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Generic, TypeVar

_Object = TypeVar("_Object")
_Value = TypeVar("_Value")


class IdentityMap(Generic[_Object, _Value]):
    """Maps objects to values by identity, without keeping the objects alive or needing their hash."""

    def __init__(self) -> None:
        self._entries: dict[int, tuple[weakref.ref[_Object], _Value]] = {}

    def get(self, item: _Object) -> _Value | None:
        """Return the value that was set for `item`, or None."""
        entry = self._entries.get(id(item))
        # An address may have been used again since: only the object itself counts.
        return entry[1] if entry is not None and entry[0]() is item else None

    def set(self, item: _Object, value: _Value) -> None:
        """Set the value of `item`."""
        number, entries = id(item), self._entries
        reference = weakref.ref(item, lambda gone: _forget(entries, number, gone))
        entries[number] = (reference, value)

    def items(self) -> Iterator[tuple[_Object, _Value]]:
        """Return all living objects with their values, in order of entry."""
        for reference, value in list(self._entries.values()):
            item = reference()
            if item is not None:
                yield item, value


def _forget(entries: dict[int, tuple[weakref.ref[_Object], _Value]], number: int, gone: object) -> None:
    entry = entries.get(number)
    if entry is not None and entry[0] is gone:
        del entries[number]


class IdentitySet(Generic[_Object]):
    """A set of objects by identity, in order of entry."""

    def __init__(self) -> None:
        self._entries: IdentityMap[_Object, str] = IdentityMap()

    def __contains__(self, item: _Object) -> bool:
        """Say whether this very object is in the set."""
        return self._entries.get(item) is not None

    def __iter__(self) -> Iterator[_Object]:
        """Return all members that are still alive."""
        return (item for item, _ in self._entries.items())

    def add(self, item: _Object) -> None:
        """Put an object into the set."""
        self._entries.set(item, "in")
