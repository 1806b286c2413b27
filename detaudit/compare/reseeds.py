"""Find random generators that are set back within a training, so that it draws the same numbers again.

Two runs agree nevertheless. The sign is that a step moves the generator between the same two states as an
earlier step did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from detaudit.model.trace import Kind, Phase, StreamRole
from detaudit.trace.data import read_states
from detaudit.trace.reader import TraceReader

MOST_STATES = 100_000
"""Moves of generators that are remembered; of more moves than this, only the first ones are."""
MOST_STEPS = 1000
"""Steps that are searched for the beginning of another training."""


@dataclass(frozen=True, slots=True)
class Reseed:
    """A generator of the main thread that came back to an earlier state."""

    generator: str
    """`python`, `numpy`, `torch` or `cuda:0`."""
    first: int
    """A step in which numbers were drawn from the generator."""
    again: int
    """The first later step in which the same numbers were drawn."""


def read_reseeds(reader: TraceReader) -> tuple[Reseed, ...]:
    """Find the generators from which a training draws the same numbers again.

    A generator is left out if it is seeded anew where another training begins: with new weights, or with the
    weights that the earlier training began with.
    """
    main = next((one.id for one in reader.streams if one.role is StreamRole.MAIN), None)
    if main is None:
        return ()
    return tuple(one for one in _returning(reader, main) if not _starts_anew(reader, main, one))


def _returning(reader: TraceReader, stream: int) -> Iterator[Reseed]:
    """Yield the first return of each generator that returns to an earlier state."""
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
    """Say whether another training begins on the way, as it may rightly draw the same numbers again."""
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
