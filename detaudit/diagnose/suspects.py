"""Decide which source to try first, from the ledgers of two runs that differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from detaudit.compare.ledgers import before
from detaudit.model.ledger import EntryPair
from detaudit.model.result import Comparison
from detaudit.sources.catalogue import SOURCES
from detaudit.sources.source import Source
from detaudit.sources.suspicion import CERTAIN, Situation

LATEST = 4
"""Bonus to the score of the source that was at work last before the runs part."""


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
