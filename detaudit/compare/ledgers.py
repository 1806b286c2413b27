"""The ledgers of two runs held against each other: draws and reads that differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from detaudit.model.result import Divergence
from detaudit.model.trace import LedgerEntry
from detaudit.trace.ledger import read_ledger
from detaudit.trace.reader import TraceReader

READ_LATE = "fresh-memory"
"""A weight may be seen to differ before the first operator reads the memory that was never written."""

Key = tuple[str, str, int, str, str, str, str, bytes]
"""Stream, thread, step, source, operation, subject, phase, line."""


@dataclass(frozen=True, slots=True)
class EntryPair:
    """What one line did in one step, in both runs; None where a run has no such entry."""

    stream: str
    first: LedgerEntry | None
    second: LedgerEntry | None

    @property
    def entry(self) -> LedgerEntry:
        """The entry of whichever run has it."""
        entry = self.first or self.second
        if entry is None:
            raise ValueError("a pair has an entry in at least one run")
        return entry

    @property
    def differs(self) -> bool:
        """Whether the line got other values in the two runs, or asked another number of times."""
        if self.first is None or self.second is None:
            return True
        return self.first.digest != self.second.digest

    @property
    def count_differs(self) -> bool:
        """Whether the line asked, or drew, more often in one run."""
        if self.first is None or self.second is None:
            return True
        return (self.first.count, self.first.amount) != (self.second.count, self.second.amount)


def pair_ledgers(first: TraceReader, second: TraceReader) -> list[EntryPair]:
    """Pair the entries of two runs: those of each thread in the order of the first run."""
    ours, theirs = dict(_keyed(first)), dict(_keyed(second))
    pairs = [EntryPair(key[0], entry, theirs.get(key)) for key, entry in ours.items()]
    alone = [EntryPair(key[0], None, entry) for key, entry in theirs.items() if key not in ours]
    return pairs + alone


def before(pairs: list[EntryPair], divergence: Divergence) -> list[EntryPair]:
    """The entries that can have caused a divergence: in its thread those before it, elsewhere all near it."""
    return [pair for pair in pairs if _can_cause(pair, divergence)]


def _keyed(reader: TraceReader) -> Iterator[tuple[Key, LedgerEntry]]:
    labels = {stream.id: stream.label for stream in reader.streams}
    for entry in read_ledger(reader):
        label = labels.get(entry.stream, "main")
        what = (entry.source, entry.operation, entry.subject, entry.phase, entry.site_key)
        yield (label, entry.thread, entry.step, *what), entry


def _can_cause(pair: EntryPair, divergence: Divergence) -> bool:
    entry = pair.entry
    if pair.stream != divergence.stream or entry.thread != "MainThread":
        return True
    if entry.step != divergence.step or entry.source == READ_LATE:
        return entry.step < divergence.step + (entry.source == READ_LATE)
    event = divergence.first if pair.first is not None else divergence.second
    # What an operator drew is noted right behind the operator itself.
    return event is None or entry.sequence <= event.sequence + 1
