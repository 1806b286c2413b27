"""Read the cause and the line of a difference off what a deliberate change of a source showed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from detaudit.model.cause import Cause
from detaudit.model.ledger import EntryPair, LedgerEntry
from detaudit.model.result import Divergence


@dataclass(frozen=True, slots=True)
class ChangeSeen:
    """A run under a change, held against a run without it."""

    source: str
    """Name of the source that was changed."""
    cause: Cause
    """The most usual cause of that source."""
    divergence: Divergence | None
    """The first difference between the two runs."""
    pairs: tuple[EntryPair, ...]
    """The entries of the two ledgers before that difference."""
    closer: tuple[EntryPair, ...] = ()
    """The ledger of a further run under the change that recorded every operator, if one was made."""

    def last(self, concerns: Callable[[LedgerEntry], bool]) -> LedgerEntry | None:
        """Find the last entry, of those concerned, that differs before the runs part."""
        entries = [
            pair.entry
            for pair in self.pairs
            if pair.differs and pair.entry.site is not None and concerns(pair.entry)
        ]
        return max(entries, key=lambda entry: entry.position, default=None)


ChangeNamer = Callable[[ChangeSeen], tuple[Cause, LedgerEntry | None]]
"""Gives the cause, and the entry of the ledger that has the line."""


def name_last(seen: ChangeSeen) -> tuple[Cause, LedgerEntry | None]:
    """Name the last entry of the source that differs."""
    return seen.cause, seen.last(lambda entry: entry.source == seen.source)
