"""Compare the ledgers of two runs: draws and reads that differ."""

from __future__ import annotations

from collections.abc import Iterator

from detaudit.model.ledger import EntryPair, Fact, LedgerEntry
from detaudit.model.result import Divergence
from detaudit.model.trace import StreamRole
from detaudit.trace.ledger import read_ledger
from detaudit.trace.reader import TraceReader

READ_LATE = "fresh-memory"
"""A weight may be seen to differ before the first operator reads the memory that was never written."""

Key = tuple[str, str, int, str, str, Fact, str, bytes]
"""Stream, thread, step, source, operation, fact, phase, line."""


def pair_ledgers(first: TraceReader, second: TraceReader) -> list[EntryPair]:
    """Pair the entries of two runs: those of each thread in the order of the first run."""
    ours, theirs = dict(_keyed(first)), dict(_keyed(second))
    roles = {stream.label: stream.role for reader in (second, first) for stream in reader.streams}

    def pair(key: Key, one: LedgerEntry | None, other: LedgerEntry | None) -> EntryPair:
        return EntryPair(key[0], roles.get(key[0], StreamRole.MAIN), one, other)

    pairs = [pair(key, entry, theirs.get(key)) for key, entry in ours.items()]
    return pairs + [pair(key, None, entry) for key, entry in theirs.items() if key not in ours]


def before(pairs: list[EntryPair], divergence: Divergence) -> list[EntryPair]:
    """Select the entries that can have caused a divergence.

    In the thread of the divergence these are the entries before it, elsewhere all entries.
    """
    return [pair for pair in pairs if _can_cause(pair, divergence)]


def _keyed(reader: TraceReader) -> Iterator[tuple[Key, LedgerEntry]]:
    labels = {stream.id: stream.label for stream in reader.streams}
    for entry in read_ledger(reader):
        label = labels.get(entry.stream, "main")
        what = (entry.source, entry.operation, entry.fact, entry.phase, entry.site_key)
        yield (label, entry.thread, entry.step, *what), entry


def _can_cause(pair: EntryPair, divergence: Divergence) -> bool:
    entry = pair.entry
    if pair.stream != divergence.stream or not entry.in_main_thread:
        return True
    if entry.step != divergence.step or entry.source == READ_LATE:
        return entry.step < divergence.step + (entry.source == READ_LATE)
    event = divergence.first if pair.first is not None else divergence.second
    # What an operator drew is noted right behind the operator itself.
    return event is None or entry.sequence <= event.sequence + 1
