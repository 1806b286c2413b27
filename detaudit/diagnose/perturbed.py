"""From a change that changes the numbers to a finding: cause, line and words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from detaudit.compare.ledgers import EntryPair, before, pair_ledgers
from detaudit.compare.result import finding_from
from detaudit.diagnose.decisions import deciding_line
from detaudit.model.result import Comparison, Finding
from detaudit.model.trace import LedgerEntry
from detaudit.sources import (
    clock,
    completion,
    files,
    host,
    leftovers,
    loader_workers,
    memory,
    surroundings,
    threads,
)
from detaudit.sources.fixes import fix_for
from detaudit.sources.source import Source, Variation
from detaudit.trace.reader import TraceReader

LOCAL_TIME = frozenset(
    {
        "time.localtime",
        "time.ctime",
        "time.asctime",
        "time.strftime",
        "datetime.now",
        "datetime.today",
        "date.today",
    }
)
"""Readings of the clock that the time zone changes."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change under which the numbers were not the same."""

    source: Source
    variation: Variation
    comparison: Comparison
    """Run 1 and the run under the change."""
    watched: TraceReader
    """A run without a change that has a ledger."""
    reader: TraceReader
    plain: int
    """Plain runs that are equal."""
    closer: TraceReader | None = None
    """A run under the change with operators, if one was made."""


def name_change(change: Change, *, followed: bool) -> Finding:
    """The fault; `followed` says whether a second run under the same change differed too."""
    differs = 1 + followed
    finding = finding_from(change.comparison, differs=differs, pairs=2)
    cause, entry = _told(change)
    site = entry.site if entry is not None else finding.site
    symbol = entry.operation if entry is not None else finding.symbol
    others = () if finding.site in {None, site} else (finding.site,)
    evidence: dict[str, object] = {
        "perturbed": change.source.name,
        "amount": change.variation.words,
        "different_pairs": differs,
        "pairs": 2,
        "equal_plain_runs": change.plain,
    }
    return replace(
        finding,
        id=cause,
        cause=cause,
        confirmed=followed,
        evidence=(evidence,),
        site=site,
        other_sites=tuple(dict.fromkeys(one for one in (*others, *finding.other_sites) if one is not None)),
        symbol=symbol,
        message=f"{_words(change)}: {finding.message}",
        fix=fix_for(cause, symbol),
    )


def _words(change: Change) -> str:
    step = change.comparison.first.step if change.comparison.first is not None else 0
    changed = f"with {change.variation.words}, the run differs from step {step} on"
    return f"{change.plain} plain runs are equal; {changed}"


def _told(change: Change) -> tuple[str, LedgerEntry | None]:
    """The cause's label, and the entry of the ledger with the line."""
    first = change.comparison.first
    pairs = pair_ledgers(change.watched, change.reader)
    pairs = pairs if first is None else before(pairs, first)
    teller = _TELLERS.get(change.source.name, _plain)
    return teller(change, pairs)


def _plain(change: Change, pairs: list[EntryPair]) -> tuple[str, LedgerEntry | None]:
    named = {change.source.name: lambda _entry: True}
    return change.source.causes[0], _last(pairs, named)


def _clock(change: Change, pairs: list[EntryPair]) -> tuple[str, LedgerEntry | None]:
    reads = [pair.entry for pair in pairs if pair.entry.source == clock.NAME and pair.entry.site is not None]
    first = change.comparison.first
    reached = [first.event.site] if first is not None and first.event.site is not None else []
    site = deciding_line((entry.site for entry in reads if entry.site is not None), reached)
    return change.source.causes[0], next((entry for entry in reads if entry.site == site), None)


def _schedule(change: Change, pairs: list[EntryPair]) -> tuple[str, LedgerEntry | None]:
    finished = _last(pairs, {completion.NAME: lambda _entry: True})
    if finished is not None:
        return "completion-order", finished
    sources = {threads.NAME, loader_workers.NAME}
    started = (pair.entry for pair in pairs if pair.entry.source in sources and pair.entry.site is not None)
    return change.source.causes[0], next(started, None)


def _memory(change: Change, pairs: list[EntryPair]) -> tuple[str, LedgerEntry | None]:
    if change.closer is not None:
        pairs = [
            EntryPair(pair.stream, None, pair.second) for pair in pair_ledgers(change.closer, change.closer)
        ]
    read = _last(pairs, {memory.NAME: lambda entry: entry.subject == memory.READ})
    return change.source.causes[0], read or _last(pairs, {memory.NAME: lambda _entry: True})


def _folder(change: Change, pairs: list[EntryPair]) -> tuple[str, LedgerEntry | None]:
    named = {
        host.NAME: lambda entry: entry.operation == "os.getcwd",
        files.NAME: lambda entry: entry.subject.startswith("/"),
        leftovers.NAME: lambda _entry: True,
    }
    return change.source.causes[0], _last(pairs, named)


def _zone(change: Change, pairs: list[EntryPair]) -> tuple[str, LedgerEntry | None]:
    named = {clock.NAME: lambda entry: entry.operation in LOCAL_TIME}
    return change.source.causes[0], _last(pairs, named)


def _last(pairs: list[EntryPair], named: dict[str, Callable[[LedgerEntry], bool]]) -> LedgerEntry | None:
    """The last entry, of those named, that differs before the runs part."""
    entries = [
        pair.entry
        for pair in pairs
        if pair.differs
        and pair.entry.site is not None
        and pair.entry.source in named
        and named[pair.entry.source](pair.entry)
    ]
    return max(entries, key=lambda entry: (entry.step, entry.sequence), default=None)


_TELLERS: dict[str, Callable[[Change, list[EntryPair]], tuple[str, LedgerEntry | None]]] = {
    clock.NAME: _clock,
    threads.NAME: _schedule,
    memory.NAME: _memory,
    surroundings.FOLDER: _folder,
    surroundings.LOCALE: _zone,
}
