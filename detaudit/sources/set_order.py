"""The order of sets, and `hash()`: by the hash seed for strings, by address for objects.

Every loop over a set, and everything else that asks a set for an iterator, is seen where CPython keeps the
function for it. What does not depend on the order (`sorted(names)`) is told by the source at that position.
"""

from __future__ import annotations

import ast
import builtins
import functools
import itertools
import linecache
import sys
from collections.abc import Iterable
from types import CodeType, FrameType
from typing import Any

from xxhash import xxh3_64_intdigest

from detaudit.axes import hash_seed
from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.ordering import (
    hashed_by_address,
    lasting_text,
    naming_order,
    put_in_order,
    stable_text,
    unsortable_kind,
)
from detaudit.sources.patching import replace_iteration
from detaudit.sources.source import Perturbation, Source, Suspicion
from detaudit.sources.taps import Taps

_address = id  # the builtin, which is watched for the program
BY_SEED = hash_seed.AXIS.name
BY_ADDRESS = "addresses"
REVERSED = "reversed"
"""The amount of a change under which sets that are ordered by address are taken from their end."""
OTHER_SEED = "2718281828"
"""A hash seed that no program has by itself."""
HANDING_ON = frozenset({"_weakrefset", "weakref", "collections", "_collections_abc", "heapq", "statistics"})
"""Modules of Python's library that take over the order of the set that the program gave them."""
ORDERLESS = frozenset({"sorted", "min", "max", "any", "all", "len", "set", "frozenset"})
"""Functions whose result does not depend on the order of what they are given."""
MOST = 2_000
"""The most elements of a set that are noted."""


def _tap(taps: Taps) -> None:
    watch = _SetWatch(taps)
    for kind in (set, frozenset):
        replace_iteration(kind, watch.iterating)
    taps.function(builtins, "hash", watch.hashed)
    taps.method(set, "pop", watch.popped)
    # It reads the table of a set directly.
    taps.class_method(dict, "fromkeys", watch.made_keys)
    taps.when_imported("torch.nn.modules.module", taps.numbering.watch_modules)


class _SetWatch:
    """Sees sets being iterated over."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._numbering = taps.numbering
        self._busy = False
        self._orderless: dict[tuple[CodeType, int], bool] = {}

    def iterating(self, original: Any) -> Any:
        """Make what is called in its place."""
        taken = functools.partial(self._taken, original)

        def iterate(items: Any) -> Any:
            if self._busy or len(items) < 2:  # noqa: PLR2004 - one element has one order
                return original(items)
            # The compiler asks too, when no Python code runs yet; then there is no frame.
            frame = sys._getframe().f_back
            if frame is None or not self._concerns(frame, items) or self._is_orderless(frame):
                return original(items)
            order = taken(items)
            return original(items) if order is None else iter(order)

        return iterate

    def made_keys(self, original: Any, kind: type, items: Any, *value: Any) -> Any:
        """Note the order in which a dictionary takes the elements of a set for its keys."""
        several = isinstance(items, set | frozenset) and len(items) > 1
        if self._busy or not several or not self._concerns(_caller(), items):
            return original(kind, items, *value)
        order = self._taken(_in_table, items)
        return original(kind, items if order is None else order, *value)

    def _concerns(self, frame: FrameType | None, items: Any) -> bool:
        """Say whether the program sees the order: a frame works for the program, or got the set from it."""
        while frame is not None and frame.f_globals.get("__name__") in HANDING_ON:
            frame = frame.f_back
        lines = self._taps.lines
        return lines.asked_by_program(frame) or lines.given_by_program(frame, items)

    def _taken(self, original: Any, items: Any) -> list[Any] | None:
        """Note the order of a set; give another one if the source is held or perturbed here."""
        self._busy = True
        try:
            return self._seen(original, items)
        except Exception:  # noqa: BLE001 - an object that cannot be described is left alone
            return None
        finally:
            self._busy = False

    def _seen(self, original: Any, items: Any) -> list[Any] | None:
        taps = self._taps
        elements = list(itertools.islice(original(items), MOST))
        source = BY_ADDRESS if any(map(hashed_by_address, elements)) else BY_SEED
        in_order = put_in_order(elements, self._numbering)
        held = taps.holds(source, taps.lines.here()) and len(items) <= MOST
        order = None
        if held:
            order = [item for _, item in in_order]
        elif source == BY_ADDRESS and taps.perturbation_of(source) == REVERSED:
            order = elements = list(original(items))[::-1]
        names = {_address(item): text for text, item in in_order}
        texts = [names.get(_address(item), "") for item in order or elements][:MOST]
        taps.note(source, "set", texts, _orders(elements))
        return order

    def hashed(self, original: Any, item: Any) -> int:
        """Note a hash that the program asks for."""
        taps, value = self._taps, original(item)
        by_address = hashed_by_address(item)
        if not by_address and isinstance(item, int | float | complex):
            return int(value)
        source, caller = BY_ADDRESS if by_address else BY_SEED, sys._getframe(3)
        is_own = taps.lines.is_program(caller)
        # A library makes keys of an address, which others compare with the true one.
        if not is_own and (by_address or not taps.lines.asked_by_program(caller)):
            return int(value)
        # For one that answers for its own hash, what compares equal must hash equal.
        answers = source == BY_SEED and (_asks_for_itself() or not is_own)
        if not answers and taps.holds(source, taps.lines.here()):
            # What an object holds may change, and its hash may not.
            value = (
                xxh3_64_intdigest(lasting_text(item, self._numbering).encode("utf-8", "backslashreplace"))
                >> 2
            )
        taps.note(source, "hash", value, _orders([item]))
        return int(value)

    def popped(self, original: Any, items: Any) -> Any:
        """Note which element a set gives."""
        taps = self._taps
        if len(items) < 2 or not self._concerns(_caller(), items):  # noqa: PLR2004 - one element has one order
            return original(items)
        source = BY_ADDRESS if any(map(hashed_by_address, items)) else BY_SEED
        if len(items) <= MOST and taps.holds(source, taps.lines.here()):
            item = put_in_order(list(items), self._numbering)[0][1]
            items.discard(item)
        else:
            item = original(items)
        taps.note(source, "set.pop", stable_text(item, self._numbering), _orders([item]))
        return item

    def _is_orderless(self, frame: FrameType) -> bool:
        """Say whether the code that asks for the iterator gives equal results for every order."""
        key = (frame.f_code, frame.f_lasti)
        known = self._orderless.get(key)
        if known is None:
            known = self._orderless[key] = _ignores_order(_call(frame))
        return known


def _asks_for_itself() -> bool:
    """Say whether the method `__hash__` of an object calls `hash`."""
    return sys._getframe(4).f_code.co_name == "__hash__"


def _caller() -> FrameType | None:
    """Find the frame that called the tapped method: the frame behind the tap's own two frames."""
    return sys._getframe(3)


def _in_table(items: Any) -> Any:
    return iter(items)


def _orders(items: Iterable[Any]) -> Fact:
    """Note that items were ordered, and the kind of items if they cannot be sorted."""
    return Fact(Act.ORDERS, about=unsortable_kind(items))


def _ignores_order(call: ast.Call | None) -> bool:
    """Say whether the result of a call does not depend on the order of its arguments' elements.

    With a `key`, elements may compare as equal, and then the order decides all the same.
    """
    if call is None or not isinstance(call.func, ast.Name):
        return False
    return call.func.id in ORDERLESS and not any(keyword.arg == "key" for keyword in call.keywords)


def _call(frame: FrameType) -> ast.Call | None:
    """Find the call that a frame makes at this moment; None if there is none."""
    positions = list(frame.f_code.co_positions())
    line, end_line, column, end_column = positions[frame.f_lasti // 2]
    if line is None or end_line is None or column is None or end_column is None:
        return None
    lines = [
        linecache.getline(frame.f_code.co_filename, number, frame.f_globals).encode()
        for number in range(line, end_line + 1)
    ]
    if not lines:
        return None
    lines[-1] = lines[-1][:end_column]
    lines[0] = lines[0][column:]
    try:
        expression = ast.parse(b"(" + b"".join(lines) + b")", mode="eval").body
    except SyntaxError:
        return None
    return expression if isinstance(expression, ast.Call) else None


SOURCE = Source(
    name=BY_SEED,
    words="the hash seed of strings, and with it the order of sets",
    causes=(Cause.HASH_ORDER,),
    tap=_tap,
    suspicion=Suspicion(74, unseen=9),
    name_fault=naming_order(Cause.HASH_ORDER, "the hash of strings, which Python salts anew in each run"),
    covers="hash seed",
    held_by_line=True,
    held_by=hash_seed.variables("0"),
    perturbed_by=(Perturbation("another", "another hash seed", hash_seed.variables(OTHER_SEED)),),
)
