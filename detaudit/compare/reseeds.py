"""A random generator that is set back within a training: the same numbers are drawn again and again.

Two runs agree all the same. What shows it is a state after a step, reached from the same state as before.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from detaudit.model.trace import Kind, Phase, StreamRole
from detaudit.trace.data import read_states
from detaudit.trace.reader import TraceReader

MOST_STATES = 100_000
"""Moves of a generator that are remembered: more of them than this, and the first ones decide."""
MOST_STEPS = 1000
"""Steps that are searched for the beginning of another training."""


@dataclass(frozen=True, slots=True)
class Reseed:
    """A generator of the main thread that came back to an earlier state."""

    generator: str
    """`python`, `numpy`, `torch` or `cuda:0`."""
    first: int
    """A step in which numbers were drawn from it."""
    again: int
    """The first later one in which the same numbers were."""


def read_reseeds(reader: TraceReader) -> tuple[Reseed, ...]:
    """The generators from which a training draws the same numbers again.

    A generator that is seeded anew where another training begins is none: with new weights, or with those
    that it began with.
    """
    main = next((one.id for one in reader.streams if one.role is StreamRole.MAIN), None)
    if main is None:
        return ()
    return tuple(one for one in _returning(reader, main) if not _starts_anew(reader, main, one))


def _returning(reader: TraceReader, stream: int) -> Iterator[Reseed]:
    """The first return of each generator that returns."""
    last: dict[str, str] = {}
    moves: dict[tuple[str, str, str], int] = {}
    found: set[str] = set()
    texts = ""
    for head in reader.heads(stream):
        if head.states == texts or not head.complete:
            continue
        texts = head.states
        for state in read_states(reader, texts):
            name, digest = state.name, state.digest.hex()
            before = last.get(name, digest)
            last[name] = digest
            if before == digest or name in found:
                continue
            first = moves.get((name, before, digest))
            if first is not None:
                found.add(name)
                yield Reseed(name, first, head.index)
            elif len(moves) < MOST_STATES:
                moves[name, before, digest] = head.index


def _starts_anew(reader: TraceReader, stream: int, reseed: Reseed) -> bool:
    """Whether another training begins on the way: each may rightly draw what the one before has drawn."""
    begins = reseed.again - reseed.first
    if _losses(reader, stream, begins) & _losses(reader, stream, 0):
        return True
    if _losses(reader, stream, reseed.again) & _losses(reader, stream, reseed.first):
        return True
    return any(
        event.place.kind is Kind.WEIGHT and event.place.phase is Phase.INIT
        for step in islice(range(reseed.again, max(begins, reseed.first), -1), MOST_STEPS)
        for event in reader.step(stream, step).events
    )


def _losses(reader: TraceReader, stream: int, step: int) -> set[bytes]:
    events = reader.step(stream, step).events
    return {event.outputs for event in events if event.place.kind is Kind.LOSS and event.outputs is not None}
