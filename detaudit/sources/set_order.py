"""The order of sets, and `hash()`: by the hash seed for strings, by address for objects.

Every loop over a set, and everything else that asks a set for an iterator, is seen where CPython keeps the
function for it. What does not depend on the order (`sorted(names)`) is told by the source at that position.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
from types import CodeType, FrameType
from typing import Any

from xxhash import xxh3_64_intdigest

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.observation import naming
from detaudit.sources.ordering import hashed_by_address, stable_text
from detaudit.sources.patching import replace_iteration
from detaudit.sources.source import Source, Variation
from detaudit.sources.suspicion import Suspicion
from detaudit.sources.taps import Asked, Taps

_ORDERS = Fact(Act.ORDERS)
BY_SEED = "hash-seed"
BY_ADDRESS = "addresses"
REVERSED = "reversed"
"""The amount of a change under which sets that are ordered by address are taken from their end."""
OTHER_SEED = "2718281828"
"""A hash seed that no program has by itself."""
ORDERLESS = frozenset({"sorted", "min", "max", "any", "all", "len", "set", "frozenset"})
"""Functions whose result does not depend on the order of what they are given."""
MOST = 2_000
"""Of larger sets, only so many elements are noted."""


def _tap(taps: Taps) -> None:
    watch = _Watch(taps)
    for kind in (set, frozenset):
        replace_iteration(kind, watch.iterating)
    taps.function(builtins, "hash", watch.hashed, asked_by=Asked.PROGRAM)
    taps.method(set, "pop", watch.popped, asked_by=Asked.PROGRAM)


class _Watch:
    """Sees sets being iterated over."""

    def __init__(self, taps: Taps) -> None:
        self._taps = taps
        self._busy = False
        self._orderless: dict[tuple[CodeType, int], bool] = {}

    def iterating(self, original: Any) -> Any:  # noqa: ANN401 - what the type calls for an iterator
        """Make what is called in its place."""

        def iterate(items: Any) -> Any:  # noqa: ANN401 - a set in, an iterator out
            if self._busy or len(items) < 2:  # noqa: PLR2004 - one element has one order
                return original(items)
            # The compiler asks too, when no Python code runs yet; then there is no frame.
            frame = sys._getframe().f_back
            if frame is None or not self._taps.lines.asked_by_program(frame) or self._is_orderless(frame):
                return original(items)
            self._busy = True
            try:
                order = self._seen(original, items)
            except Exception:  # noqa: BLE001 - an object that cannot be described is left alone
                order = None
            finally:
                self._busy = False
            return original(items) if order is None else iter(order)

        return iterate

    def _seen(self, original: Any, items: Any) -> list[Any] | None:  # noqa: ANN401 - see above
        """Note the order of a set; give another one if the source is held here."""
        taps = self._taps
        elements = [item for item, _ in zip(original(items), range(MOST), strict=False)]
        source = BY_ADDRESS if any(hashed_by_address(item) for item in elements) else BY_SEED
        texts = [stable_text(item) for item in elements]
        site = taps.lines.here()
        order = None
        if taps.holds(source, site) and len(items) <= MOST:
            order = [item for _, item in sorted(zip(texts, elements, strict=True), key=lambda pair: pair[0])]
            texts.sort()
        elif source == BY_ADDRESS and taps.varied(source) == REVERSED:
            order = list(original(items))[::-1]
            texts.reverse()
        taps.note(source, "set", texts, _ORDERS)
        return order

    def hashed(self, original: Any, item: Any) -> int:  # noqa: ANN401 - as the builtin
        """Note a hash that the program asks for."""
        taps, value = self._taps, original(item)
        by_address = hashed_by_address(item)
        if not by_address and isinstance(item, int | float | complex):
            return int(value)
        source = BY_ADDRESS if by_address else BY_SEED
        if taps.holds(source, taps.lines.here()):
            value = xxh3_64_intdigest(stable_text(item).encode("utf-8", "backslashreplace")) >> 2
        taps.note(source, "hash", value, _ORDERS)
        return int(value)

    def popped(self, original: Any, items: Any) -> Any:  # noqa: ANN401 - as the method
        """Note which element a set gives."""
        taps = self._taps
        site = taps.lines.here()
        if not items:
            return original(items)
        by_address = any(hashed_by_address(item) for item in items)
        source = BY_ADDRESS if by_address else BY_SEED
        if taps.holds(source, site):
            item = min(items, key=stable_text)
            items.discard(item)
        else:
            item = original(items)
        taps.note(source, "set.pop", stable_text(item), _ORDERS)
        return item

    def _is_orderless(self, frame: FrameType) -> bool:
        """Whether what asks for the iterator gives the same for every order."""
        key = (frame.f_code, frame.f_lasti)
        known = self._orderless.get(key)
        if known is None:
            known = self._orderless[key] = _ignores_order(_call(frame))
        return known


def _ignores_order(call: ast.Call | None) -> bool:
    """Whether the result of a call does not depend on the order of what it is given.

    By a `key`, elements may come out equal, and then the order decides all the same.
    """
    if call is None or not isinstance(call.func, ast.Name):
        return False
    return call.func.id in ORDERLESS and not any(keyword.arg == "key" for keyword in call.keywords)


def _call(frame: FrameType) -> ast.Call | None:
    """The call that a frame makes at this very moment, if it is one."""
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
    name_fault=naming(
        Cause.HASH_ORDER,
        "{entry.operation}: its result follows the hash of strings, which Python salts anew in each run",
        {
            "hash": "use a hash that is not salted, as zlib.crc32(text.encode())",
            "set": "sort what is iterated over here: sorted(...)",
        },
    ),
    covers="hash seed",
    held_by_line=True,
    held_by={"PYTHONHASHSEED": "0"},
    varied_by=(Variation("another", "another hash seed", {"PYTHONHASHSEED": OTHER_SEED}),),
)
