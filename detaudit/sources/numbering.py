"""Give each object a number that is equal in every run, for objects that nothing else tells apart.

Parts of modules are numbered as they are registered; others as they are first asked for, or, several at once,
in the order in which they were made.
"""

from __future__ import annotations

import gc
import itertools
import weakref
from collections.abc import Iterable
from typing import Any

_address = id  # the builtin, which is watched for the program
_REGISTRATION_HOOKS = (
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
    "register_module_buffer_registration_hook",
)
OLDEST_GENERATION = 2


class Numbering:
    """Numbers objects by identity. What can be referred to weakly is not kept alive by that."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}
        self._kept: dict[int, object] = {}
        """By address: a weak reference, or the object itself, so that its address is not used again."""
        self._following = itertools.count(1)

    def known(self, item: object) -> int | None:
        """Look up the number of an object; None if it has none yet."""
        return self._numbers.get(_address(item))

    def number(self, item: object) -> int:
        """Give the number of an object: the next number if the object has none yet."""
        number = self.known(item)
        return self._give(item) if number is None else number

    def number_all(self, items: Iterable[object]) -> None:
        """Give numbers to those that have none, in the order in which they were made."""
        new = {_address(item): item for item in items if self.known(item) is None}
        if not new:
            return
        # Python's collector keeps its objects in the order in which they were made, the oldest last.
        generations = (gc.get_objects(number) for number in range(OLDEST_GENERATION, -1, -1))
        tracked = itertools.chain.from_iterable(generations)
        in_order = [found for found in map(_address, tracked) if found in new]
        for address in (*in_order, *(one for one in new if one not in set(in_order))):
            self._give(new[address])

    def watch_modules(self, module: Any) -> None:
        """Give numbers to modules, parameters and buffers as they are registered."""
        for name in _REGISTRATION_HOOKS:
            getattr(module, name)(self._registered)

    def _registered(self, owner: object, _name: str, part: object) -> None:
        for one in (owner, part):
            if one is not None:
                self.number(one)

    def _give(self, item: object) -> int:
        address = _address(item)
        try:
            self._kept[address] = weakref.ref(item, lambda gone: self._forget(address, gone))
        except TypeError:
            self._kept[address] = item
        number = self._numbers[address] = next(self._following)
        return number

    def _forget(self, address: int, gone: object) -> None:
        if self._kept.get(address) is gone:
            del self._kept[address], self._numbers[address]
