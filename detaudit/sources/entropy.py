"""The system's entropy: `os.urandom`, `secrets`, `uuid`, `random.SystemRandom`, names of temporary files."""

from __future__ import annotations

import os
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, Fact
from detaudit.sources.compiled_libraries import name_draw_on
from detaudit.sources.observation import Naming, Observation, by_library
from detaudit.sources.seeds import asked_through, for_other_seed, name_new_seed
from detaudit.sources.source import Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "os-entropy"
_READS = Fact(Act.READS)
_TEMPORARY_NAME = "tempfile"
"""Names a draw of a name for a temporary file or folder."""
BETWEEN = frozenset({"random", "secrets", "uuid", "tempfile"})
"""Modules of Python's library that hand the program entropy; others use it for themselves (keys, names)."""


def _tap(taps: Taps) -> None:
    taps.function(os, "urandom", _bytes(taps, "os.urandom"))
    taps.function(os, "getrandom", _bytes(taps, "os.getrandom"))
    taps.when_imported(
        "random", lambda module: taps.function(module, "_urandom", _bytes(taps, "random.SystemRandom"))
    )
    taps.when_imported("uuid", lambda module: _tap_uuid(taps, module))
    taps.when_imported("tempfile", lambda module: _tap_names(taps, module))


def _bytes(taps: Taps, operation: str) -> Any:
    def read(original: Any, size: int, *args: Any) -> bytes:
        value = original(size, *args)
        if asked_through(BETWEEN, taps):
            value = taps.fixed_bytes(size) if taps.holds(NAME, taps.lines.here()) else value
            taps.note(NAME, operation, value, _READS)
        return bytes(value)

    return read


def _tap_uuid(taps: Taps, module: Any) -> None:
    def make(name: str) -> Any:
        def read(original: Any, *args: Any, **kwargs: Any) -> Any:
            value = original(*args, **kwargs)
            if taps.holds(NAME, taps.lines.here()):
                value = module.UUID(bytes=taps.fixed_bytes(16), version=int(name[-1]))
            taps.note(NAME, f"uuid.{name}", str(value), _READS)
            return value

        return read

    for name in ("uuid1", "uuid4"):
        taps.function(module, name, make(name), asked_by=Asked.PROGRAM)


def _tap_names(taps: Taps, module: Any) -> None:
    def read(original: Any, names: Any) -> str:
        value = str(original(names))
        if not asked_through(BETWEEN, taps):
            return value
        if taps.holds(NAME, taps.lines.here()):
            value = f"{taps.fixed_number(40):08x}"[:8]
        taps.note(NAME, _TEMPORARY_NAME, value, _READS)
        return value

    taps.method(module._RandomNameSequence, "__next__", read)


def _name(seen: Observation) -> Naming:
    """Name what the entropy does: it gives a seed, or it reaches the numbers itself."""
    return name_new_seed(seen, Cause.OS_ENTROPY, "the system's entropy") or _name_value(seen)


def _name_value(seen: Observation) -> Naming:
    entry = seen.telling()
    if entry is None:
        return seen.name_bare(Cause.OS_ENTROPY)
    # Code of numba seeds itself with the system's entropy, and no line of Python asks for that.
    compiled = name_draw_on(entry.site, seen)
    if compiled is not None:
        return compiled
    cause = Cause.UNSEEDED_LIBRARY if by_library(entry) else Cause.OS_ENTROPY
    words = f"{entry.operation} gives other bytes in each run, and they reach the numbers"
    return seen.name_at(cause, entry, words)


SOURCE = Source(
    name=NAME,
    words="the system's entropy (os.urandom, uuid, secrets)",
    causes=(Cause.OS_ENTROPY, Cause.UNSEEDED_LIBRARY, Cause.WORKER_SEEDING),
    tap=_tap,
    suspicion=Suspicion(70, adjust=for_other_seed),
    held_by_line=True,
    alike_outside=frozenset({_TEMPORARY_NAME}),
    name_fault=_name,
)
