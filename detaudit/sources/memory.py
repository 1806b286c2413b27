"""Memory that is read before it is written.

Held by glibc, which fills every block that it hands out if it is told to (mallopt(3), M_PERTURB); blocks that
a thread keeps for itself are handed out unfilled, so there must be none. Which `torch.empty` it was is seen
where all operators are: in `detaudit.record.operators`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry
from detaudit.model.result import Divergence
from detaudit.model.trace import Kind, Phase
from detaudit.sources.observation import ChangeSeen, Naming, Observation
from detaudit.sources.source import Perturbation, Situation, Source, Suspicion, always
from detaudit.sources.taps import Asked, Taps

NAME = "fresh-memory"
READ, FRESH = Fact(Act.READS_FRESH_MEMORY), Fact(Act.GETS_FRESH_MEMORY)
LARGE, MIDDLING = 1, 180
"""glibc fills with the complements: 0xfe, float32 of -1.7e38, and 0x4b, 1.3e7. It cannot fill with 0xff."""
FILL = 165
"""glibc fills with the complement of this byte: 0x5a."""


def environment(fill: int) -> dict[str, str]:
    """Make the variables with which glibc fills fresh memory with the complement of a byte."""
    return {"MALLOC_PERTURB_": str(fill), "GLIBC_TUNABLES": "glibc.malloc.tcache_count=0"}


def _tap(taps: Taps) -> None:
    taps.when_imported("numpy", lambda module: _tap_numpy(taps, module))


def _tap_numpy(taps: Taps, module: object) -> None:
    for name in ("empty", "empty_like"):
        taps.function(module, name, _noting(taps, f"numpy.{name}"), asked_by=Asked.PROGRAM)


def _noting(taps: Taps, operation: str) -> Any:
    def read(original: Any, *args: Any, **kwargs: Any) -> Any:
        value = original(*args, **kwargs)
        _fill(value, taps.perturbation_of(NAME))
        taps.note(NAME, operation, None, FRESH)
        return value

    return read


def _fill(array: Any, amount: str | None) -> None:
    """Fill an array that is to be filled by the program: numpy hands small blocks out again by itself."""
    if amount is not None and array.dtype.kind in "fc":
        array.fill(float("nan") if amount == "large" else float(0x4B4B4B))


def _adjust(pairs: list[EntryPair], _situation: Situation) -> float:
    return 50 if any(pair.entry.act is Act.READS_FRESH_MEMORY for pair in pairs) else 0


def _by_place(divergence: Divergence) -> float:
    place = divergence.event.place
    initial = place.kind in {Kind.WEIGHT, Kind.BUFFER} and place.phase is Phase.INIT
    return 30 if initial else 0


def _name(seen: Observation) -> Naming:
    read = [entry for entry in seen.entries if entry.act is Act.READS_FRESH_MEMORY]
    entry = seen.telling(read) or seen.telling()
    if entry is None:
        return seen.name_bare(Cause.UNINITIALIZED_MEMORY)
    words = f"memory from {entry.operation} is read before it is written"
    fix = NUMPY_FIX if entry.operation.startswith("numpy.") else None
    return seen.name_at(Cause.UNINITIALIZED_MEMORY, entry, words, fix)


def _name_change(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    pairs = [EntryPair(pair.stream, pair.role, None, pair.entry) for pair in seen.closer] or list(seen.pairs)
    seen = replace(seen, pairs=tuple(pairs))
    read = seen.last(lambda entry: entry.act is Act.READS_FRESH_MEMORY)
    return seen.cause, read or seen.last(lambda entry: entry.source == NAME)


NUMPY_FIX = "initialise it: use np.zeros instead of np.empty, or read only the part that was written"

SOURCE = Source(
    name=NAME,
    words="the content of fresh memory",
    causes=(Cause.UNINITIALIZED_MEMORY,),
    tap=_tap,
    suspicion=Suspicion(45, unseen=7, by_chance=True, concerns=always, adjust=_adjust, by_place=_by_place),
    name_fault=_name,
    covers="content of fresh memory",
    shows_in_operators=True,
    name_change=_name_change,
    held_by=environment(FILL),
    perturbed_by=(
        Perturbation("large", "fresh memory filled with huge numbers, or NaN", environment(LARGE)),
        Perturbation("middling", "fresh memory filled with numbers of some millions", environment(MIDDLING)),
    ),
)
