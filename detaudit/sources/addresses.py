"""Addresses of objects: `id()`, and the order of sets of objects (which `set_order` sees)."""

from __future__ import annotations

import builtins
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.observation import naming
from detaudit.sources.set_order import BY_ADDRESS, REVERSED
from detaudit.sources.source import Source, Variation
from detaudit.sources.suspicion import Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = BY_ADDRESS
DISTANCE = 64
"""Bytes between two addresses that are held: as if objects lay side by side in the order of first asking."""

HIGHEST = 1 << 62
"""Addresses are held against this to reverse their order."""

PADDING = 5_003
"""Bytes by which the environment, and with it the stack, grows when addresses are made to vary."""


def _tap(taps: Taps) -> None:
    kept: list[object] = []
    """Objects whose address is held stay alive, so that no other one gets the same."""
    known: dict[int, int] = {}

    def read(original: Any, item: object) -> int:  # noqa: ANN401 - as the builtin
        value = int(original(item))
        if taps.holds(NAME, taps.lines.here()):
            if value not in known:
                known[value] = DISTANCE * (len(kept) + 1)
                kept.append(item)
            value = known[value]
        elif taps.varied(NAME) == REVERSED:
            value = HIGHEST - value
        taps.note(NAME, "id", value, Fact(Act.ORDERS))
        return value

    taps.function(builtins, "id", read, asked_by=Asked.PROGRAM)


SOURCE = Source(
    name=NAME,
    words="addresses of objects in memory",
    causes=(Cause.ADDRESS_ORDER,),
    tap=_tap,
    suspicion=Suspicion(66, unseen=6, by_chance=True),
    held_by_line=True,
    name_fault=naming(
        Cause.ADDRESS_ORDER,
        "{entry.operation}: an order that follows addresses in memory",
        {"id": "order by something that stays, never by id()"},
    ),
    varied_by=(
        Variation(
            "moved",
            "objects at other addresses (another allocator, a longer environment)",
            {"PYTHONMALLOC": "malloc", "UNUSED_PADDING": "x" * PADDING},
        ),
        Variation(REVERSED, "addresses that the program asks for, and sets of objects, in reverse order"),
    ),
)
