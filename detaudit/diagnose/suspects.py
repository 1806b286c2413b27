"""Which source to try first: read off the ledgers of two runs that differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from detaudit.compare.ledgers import EntryPair, before
from detaudit.model.result import Comparison, Divergence, DivergenceKind
from detaudit.model.trace import Kind, LedgerEntry, Phase
from detaudit.sources import (
    addresses,
    clock,
    completion,
    entropy,
    files,
    host,
    kernels,
    leftovers,
    loader_workers,
    memory,
    numpy_random,
    python_random,
    set_order,
    side_draws,
    threads,
    torch_random,
)

GENERATORS = frozenset({python_random.NAME, numpy_random.NAME, torch_random.NAME})

WEIGHTS = {
    torch_random.NAME: 80,
    numpy_random.NAME: 80,
    python_random.NAME: 80,
    completion.NAME: 75,
    set_order.BY_SEED: 74,
    files.NAME: 72,
    entropy.NAME: 70,
    set_order.BY_ADDRESS: 66,
    side_draws.NAME: 79,
    leftovers.NAME: 85,
    host.NAME: 50,
    clock.NAME: 40,
    threads.NAME: 35,
    loader_workers.NAME: 34,
}
"""How likely a source is guilty that gave the two runs something else before they part."""

UNSEEN = {set_order.BY_SEED: 9, kernels.NAME: 8, memory.NAME: 7, addresses.NAME: 6, kernels.ONE_THREAD: 5}
"""Sources that can be at work without a trace in the ledger."""

BY_CHANCE = frozenset({kernels.NAME, memory.NAME, addresses.NAME})
"""Those of them that would make two runs under the same conditions differ."""

CERTAIN = 100
SEED_DIFFERS = 45
STRUCTURE = 42
LATEST = 4
"""What is added for a seed that differs, for a run that takes another course, for the last one before."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A source, why it is suspected, and what the ledger has of it."""

    source: str
    score: float
    pairs: tuple[EntryPair, ...]

    @property
    def was_seen(self) -> bool:
        """Whether it was seen at work: in the ledger, or by an operator that made equal inputs unequal."""
        return bool(self.pairs) or self.score >= CERTAIN - 1


def suspects(
    comparison: Comparison,
    pairs: list[EntryPair],
    picked_up: frozenset[str] = frozenset(),
    *,
    ordered: bool = True,
) -> list[Suspect]:
    """All sources that may be guilty of the first divergence, the likeliest first.

    `picked_up`: files that an earlier run of the audit left.
    `ordered`: whether comparison and ledgers are of the same runs, so that before and behind mean something.
    """
    divergence = comparison.first
    if divergence is None:
        return []
    earlier = before(pairs, divergence) if ordered else pairs
    found: dict[str, list[EntryPair]] = {}
    for pair in earlier:
        if pair.entry.source == files.NAME and pair.entry.subject in picked_up:
            found.setdefault(leftovers.NAME, []).append(pair)
        if (
            pair.entry.source in GENERATORS
            and pair.entry.thread != "MainThread"
            and "global" in pair.entry.subject
        ):
            found.setdefault(side_draws.NAME, []).append(pair)
        if is_suspicious(pair, picked_up):
            found.setdefault(pair.entry.source, []).append(pair)
    scores = {source: _score(source, entries, divergence, earlier) for source, entries in found.items()}
    for source, score in _by_origin(divergence):
        scores[source] = max(score, scores.get(source, 0))
    latest = _latest(found.values())
    if latest in scores:
        scores[latest] += LATEST
    for source, score in UNSEEN.items():
        scores.setdefault(source, score)
    ranked = sorted(scores.items(), key=lambda item: -item[1])
    return [Suspect(source, score, tuple(found.get(source, ()))) for source, score in ranked]


def is_suspicious(pair: EntryPair, picked_up: frozenset[str] = frozenset()) -> bool:
    """Whether an entry shows something that need not be the same in the next run."""
    entry = pair.entry
    if entry.source in GENERATORS:
        return unseeded(entry)
    if entry.source in {threads.NAME, memory.NAME}:
        return True
    if entry.source == leftovers.NAME:
        return entry.subject in picked_up and entry.operation != leftovers.WRITES
    if entry.source == loader_workers.NAME:
        return entry.subject == loader_workers.SHARED or entry.shown not in {"0", "1"}
    if entry.source == completion.NAME and entry.subject != "queue":
        return pair.differs or "in_order" in entry.operation
    return pair.differs


def unseeded(entry: LedgerEntry) -> bool:
    """Whether an entry is a draw from a generator that the program did not seed, or makes such a one."""
    return "not seeded" in entry.subject or "by the system" in entry.subject


def is_seed(entry: LedgerEntry) -> bool:
    """Whether an entry gives a generator a seed."""
    return entry.subject.endswith(", seed")


def seeds_that_differ(pairs: Iterable[EntryPair]) -> list[EntryPair]:
    """Calls that seeded a generator with something else in each run."""
    both = (pair for pair in pairs if pair.first is not None and pair.second is not None)
    return [pair for pair in both if is_seed(pair.entry) and pair.differs]


def _score(source: str, entries: list[EntryPair], divergence: Divergence, earlier: list[EntryPair]) -> float:
    score: float = WEIGHTS.get(source, 0)
    if source == memory.NAME:
        return 95 if any(pair.entry.subject == memory.READ for pair in entries) else 45
    if source in {clock.NAME, entropy.NAME, host.NAME}:
        seeds = {pair.entry.site_key for pair in seeds_that_differ(earlier)}
        if any(pair.entry.site_key in seeds for pair in entries):
            score += SEED_DIFFERS
    if source == loader_workers.NAME and divergence.event.place.phase is Phase.DATA:
        # Batches differ and no read in the workers does: more so where they share memory.
        score += 30 if any(pair.entry.subject == loader_workers.SHARED for pair in entries) else 5
    if source == clock.NAME and divergence.kind is DivergenceKind.STRUCTURE:
        score += STRUCTURE
    if source in GENERATORS and not any(pair.differs or _makes(pair) for pair in entries):
        # The draws before the runs part gave the same numbers.
        score -= 60
    return score


def _makes(pair: EntryPair) -> bool:
    return "by the system" in pair.entry.subject


def _by_origin(divergence: Divergence) -> Iterator[tuple[str, float]]:
    """What the place of the divergence itself says."""
    place = divergence.event.place
    by_value = divergence.kind is DivergenceKind.VALUE and divergence.origin
    if place.kind is Kind.OP and by_value:
        yield kernels.NAME, CERTAIN
        yield kernels.ONE_THREAD, CERTAIN - 1
    if by_value and place.phase in {Phase.FORWARD, Phase.BACKWARD} and place.kind is not Kind.INPUT:
        yield kernels.NAME, 64
        yield kernels.ONE_THREAD, 20
    if divergence.stream != "main" and not divergence.stream.startswith("loader worker"):
        yield threads.NAME, CERTAIN - 5
    if place.kind in {Kind.WEIGHT, Kind.BUFFER} and place.phase is Phase.INIT:
        yield memory.NAME, 30


def _latest(groups: Iterable[list[EntryPair]]) -> str:
    """The source that was at work last before the runs part."""
    entries = [pair.entry for group in groups for pair in group]
    last = max(entries, key=lambda entry: (entry.step, entry.sequence), default=None)
    return "" if last is None else last.source
