"""Decide when a source is suspected of a difference, and how strongly."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from detaudit.model.ledger import EntryPair
from detaudit.model.result import Divergence

CERTAIN = 100
"""The score of an operator that makes other bits from the same inputs."""


@dataclass(frozen=True, slots=True)
class Situation:
    """The facts that are known when suspects are ranked."""

    divergence: Divergence
    """The first place at which the two runs part."""
    pairs: tuple[EntryPair, ...]
    """The entries of the ledgers before the divergence, and in other threads near it."""
    picked_up: frozenset[str]
    """Files that an earlier run of the audit left and a later one asks for."""

    def seeds_another(self, pairs: list[EntryPair]) -> bool:
        """Say whether a line of these entries also seeds a generator with a seed that differs in each run."""
        lines = {pair.entry.site_key for pair in self.pairs if pair.is_other_seed}
        return any(pair.entry.site_key in lines for pair in pairs)


Concern = Callable[[EntryPair, Situation], bool]
"""Says whether an entry speaks against a source."""

Adjustment = Callable[[list[EntryPair], Situation], float]
"""Gives what the entries against a source, and the place of the divergence, add to its score."""


def differs(pair: EntryPair, _situation: Situation) -> bool:
    """Accept an entry that gave the two runs something else."""
    return pair.differs


def always(_pair: EntryPair, _situation: Situation) -> bool:
    """Accept every entry: what it notes can differ without being seen."""
    return True


@dataclass(frozen=True, slots=True)
class Suspicion:
    """The score of a source: how likely the source is guilty, to rank it among others."""

    weight: float = 0
    """The score of a source whose entries differ before the runs part."""
    unseen: float = 0
    """The score of a source without entries in the ledger; 0: the source is then not suspected."""
    by_chance: bool = False
    """Whether the source, unseen, makes two runs under equal conditions differ from time to time."""
    concerns: Concern = differs
    """Selects the source's own entries that speak against it."""
    concerns_others: Concern | None = None
    """Selects the entries of other sources that speak against this one; asked first."""
    adjust: Adjustment | None = None
    by_place: Callable[[Divergence], float] | None = None
    """The score that the place of the divergence alone gives; 0: none."""

    def is_concerned(self, source: str, pair: EntryPair, situation: Situation) -> bool:
        """Say whether an entry speaks against the source of this name."""
        if pair.entry.source == source:
            return self.concerns(pair, situation)
        return self.concerns_others is not None and self.concerns_others(pair, situation)

    def score(self, pairs: list[EntryPair], situation: Situation) -> float:
        """Rate the source by its entries; without any, by the place of the divergence, or as unseen."""
        by_ledger = 0.0
        if pairs:
            by_ledger = self.weight + (0 if self.adjust is None else self.adjust(pairs, situation))
        by_place = 0.0 if self.by_place is None else self.by_place(situation.divergence)
        return max(by_ledger, by_place) if pairs or by_place else self.unseen
