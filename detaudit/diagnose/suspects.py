"""Decide which source to try first: compare the ledgers of two runs that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detaudit.model.ledger import EntryPair, Fact, LedgerEntry
from detaudit.model.result import Comparison, Divergence
from detaudit.model.trace import StreamRole
from detaudit.sources.catalogue import SOURCES
from detaudit.sources.source import CERTAIN, Situation, Source
from detaudit.trace.data import read_ledger
from detaudit.trace.reader import TraceReader

LATEST = 4
"""Bonus to the score of the source that was at work last before the runs part."""

READ_LATE = "fresh-memory"
"""A weight may be seen to differ before the first operator reads the memory that was never written."""

EntryKey = tuple[str, str, int, str, str, Fact, str, bytes]
"""Stream, thread, step, source, operation, fact, phase, line."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A source, why it is suspected, and what the ledger has of it."""

    source: Source
    score: float
    pairs: tuple[EntryPair, ...]

    @property
    def was_seen(self) -> bool:
        """True if the source was seen at work: in the ledger, or by outputs that differ for equal inputs."""
        return bool(self.pairs) or self.score >= CERTAIN - 1

    @property
    def acts_by_chance(self) -> bool:
        """True if nothing was seen of the source, and runs would differ by it only from time to time."""
        suspicion = self.source.suspicion
        return not self.was_seen and suspicion is not None and suspicion.by_chance


def suspects(
    comparison: Comparison,
    pairs: list[EntryPair],
    picked_up: frozenset[str] = frozenset(),
    *,
    ordered: bool = True,
) -> list[Suspect]:
    """List all sources that may be guilty of the first divergence, the likeliest first.

    `picked_up`: files that an earlier run of the audit left.
    `ordered`: whether comparison and ledgers are of the same runs, so that before and behind mean something.
    """
    if comparison.first is None:
        return []
    earlier = before(pairs, comparison.first) if ordered else pairs
    situation = Situation(comparison.first, tuple(earlier), picked_up)
    rated = [_rated(source, situation) for source in SOURCES]
    latest = _latest(one.pairs for one in rated)
    found = [
        _with_bonus(one) if one.source.name == latest else one for one in rated if one.score > 0 or one.pairs
    ]
    return sorted(found, key=lambda one: -one.score)


def _rated(source: Source, situation: Situation) -> Suspect:
    suspicion = source.suspicion
    if suspicion is None:
        raise ValueError(f"{source.name} is never suspected")
    pairs = [pair for pair in situation.pairs if suspicion.is_concerned(source.name, pair, situation)]
    return Suspect(source, suspicion.score(pairs, situation), tuple(pairs))


def _with_bonus(suspect: Suspect) -> Suspect:
    return Suspect(suspect.source, suspect.score + LATEST, suspect.pairs)


def _latest(groups: Iterable[tuple[EntryPair, ...]]) -> str:
    """Find the source that was at work last before the runs part."""
    entries = [pair.entry for group in groups for pair in group]
    last = max(entries, key=lambda entry: entry.position, default=None)
    return "" if last is None else last.source


def pair_ledgers(first: TraceReader, second: TraceReader) -> list[EntryPair]:
    """Pair the entries of two runs: those of each thread in the order of the first run."""
    ours, theirs = dict(_keyed(first)), dict(_keyed(second))
    roles = {stream.label: stream.role for reader in (second, first) for stream in reader.streams}

    def pair(key: EntryKey, one: LedgerEntry | None, other: LedgerEntry | None) -> EntryPair:
        return EntryPair(key[0], roles.get(key[0], StreamRole.MAIN), one, other)

    pairs = [pair(key, entry, theirs.get(key)) for key, entry in ours.items()]
    return pairs + [pair(key, None, entry) for key, entry in theirs.items() if key not in ours]


def before(pairs: list[EntryPair], divergence: Divergence) -> list[EntryPair]:
    """Select the entries that can have caused a divergence.

    In the thread of the divergence these are the entries before it, elsewhere all entries.
    """
    return [pair for pair in pairs if _can_cause(pair, divergence)]


def _keyed(reader: TraceReader) -> Iterator[tuple[EntryKey, LedgerEntry]]:
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
