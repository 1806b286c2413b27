"""Find random generators that are set back within a training, and name the line that does it.

Two runs agree nevertheless. The sign is that a step moves the generator between the same two states as an
earlier step did.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from detaudit.diagnose.case import Case
from detaudit.model.ledger import Act, LedgerEntry
from detaudit.model.result import Notice
from detaudit.model.trace import Kind, Level, Phase, StreamRole
from detaudit.sources import numpy_random, python_random, torch_random
from detaudit.trace.data import read_ledger, read_states
from detaudit.trace.reader import TraceReader

SOURCES = {"python": python_random.NAME, "numpy": numpy_random.NAME}
"""The source under which the ledger lists the seeds of a generator; seeds of all other generators are
torch's."""
NAMES = {"python": "Python's", "numpy": "numpy's"}

MOST_STATES = 100_000
"""Moves of generators that are remembered; of more moves than this, only the first ones are."""
MOST_STEPS = 1000
"""Steps that are searched for the beginning of another training."""


def reseed_notices(case: Case, first: TraceReader, *, named: bool) -> list[Notice]:
    """Make one notice for each generator from which a training draws the same numbers again.

    `named`: whether the program is run once more for the line that sets it back.
    """
    reseeds = read_reseeds(first)
    if not reseeds:
        return []
    entries = _ledger(case, max(one.again for one in reseeds)) if named else []
    return [Notice("draws-repeat", _told(one, _seeding(one, entries))) for one in reseeds]


def _ledger(case: Case, last: int) -> list[LedgerEntry]:
    case.progress.note("a generator comes back to an earlier state; running again to see which line seeds it")
    (outcome,) = case.run_again("reseeded", runs=1, level=Level.LAYER, window=(0, last + 1), ledger=True)
    if outcome.trace is None or not outcome.finished:
        return []
    with TraceReader(outcome.trace) as reader:
        return list(read_ledger(reader))


def _seeding(reseed: Reseed, entries: list[LedgerEntry]) -> LedgerEntry | None:
    """Find the line that gives the generator the same seed several times; None if no line does."""
    source = SOURCES.get(reseed.generator, torch_random.NAME)
    seeds = [
        one
        for one in entries
        if one.source == source and one.act is Act.SEEDS and one.draws_or_seeds_globally
    ]
    times: Counter[tuple[bytes, str]] = Counter()
    for one in seeds:
        times[one.site_key, one.shown] += one.count
    repeated = (one for one in reversed(seeds) if times[one.site_key, one.shown] > 1 and one.site is not None)
    return next(repeated, None)


def _told(reseed: Reseed, seeding: LedgerEntry | None) -> str:
    whose = NAMES.get(reseed.generator, "torch's" if reseed.generator == "torch" else reseed.generator)
    by = "something sets it back (a seed, or an earlier state)"
    if seeding is not None and seeding.site is not None:
        where = f"{seeding.site.file}:{seeding.site.line}"
        by = f"{where} seeds it with {seeding.shown} again ({seeding.site.code})"
    return (
        f"the training draws the same numbers from {whose} global generator again: step "
        f"{reseed.again} draws those of step {reseed.first}; {by}. Let that line use a generator of its own, "
        "or put the state back after it"
    )


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
