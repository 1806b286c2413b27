"""Addresses of objects: `id()`, texts with an address, and sets of objects (which `set_order` sees)."""

from __future__ import annotations

import builtins
import sys
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.ordering import naming_order, unsortable_kind
from detaudit.sources.set_order import BY_ADDRESS, REVERSED
from detaudit.sources.source import Perturbation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = BY_ADDRESS
DISTANCE = 64
"""Bytes between two held addresses: as if objects lay side by side in the order in which they are first
asked."""

HIGHEST = 1 << 62
"""The number from which addresses are subtracted to reverse their order."""

PADDING = 5_003
"""Bytes by which the environment, and with it the stack, grows when addresses are made to vary."""


def _tap(taps: Taps) -> None:
    def read(original: Any, item: object) -> int:
        value = int(original(item))
        if _keeps_copies():
            return value
        if taps.holds(NAME, taps.lines.here()):
            value = DISTANCE * taps.numbering.number(item)
        elif taps.perturbation_of(NAME) == REVERSED:
            value = HIGHEST - value
        taps.note(NAME, "id", value, Fact(Act.ORDERS, about=unsortable_kind([item])))
        return value

    # Libraries rely on the true ones: compilers read memory by them.
    taps.function(builtins, "id", read, asked_by=Asked.OWN_CODE)
    # Classes that are made from now on take theirs from here.
    taps.method(object, "__repr__", _text(taps), asked_by=Asked.PROGRAM)


def _text(taps: Taps) -> Any:
    """Note the address that the text of an object without a `__repr__` of its own has in it."""

    def read(original: Any, item: object) -> str:
        text, address = str(original(item)), f"{id(item):x}"
        if address not in text:
            return text
        if taps.holds(NAME, taps.lines.here()):
            text = text.replace(address, f"{DISTANCE * taps.numbering.number(item):x}")
        taps.note(NAME, "repr", text, Fact(Act.ORDERS))
        return text

    return read


def _keeps_copies() -> bool:
    """Say whether Python's own library is to find a copy again, by the true address of what was copied."""
    return sys._getframe(4).f_code.co_name == "__deepcopy__"


SOURCE = Source(
    name=NAME,
    words="addresses of objects in memory",
    causes=(Cause.ADDRESS_ORDER,),
    tap=_tap,
    suspicion=Suspicion(66, unseen=6, by_chance=True),
    held_by_line=True,
    name_fault=naming_order(
        Cause.ADDRESS_ORDER, "the addresses of objects in memory, which differ in each run"
    ),
    perturbed_by=(
        Perturbation(
            "moved",
            "objects at other addresses (another allocator, a longer environment)",
            {"PYTHONMALLOC": "malloc", "UNUSED_PADDING": "x" * PADDING},
        ),
        Perturbation(REVERSED, "addresses that the program asks for, and sets of objects, in reverse order"),
    ),
)
