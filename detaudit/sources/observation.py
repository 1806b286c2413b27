"""Observe a fault whose source is known, or a deliberate change, and name it: what all sources share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry, Whose
from detaudit.model.result import Comparison, Divergence, DivergenceKind, Finding
from detaudit.model.trace import Phase, Site, StreamRole

MOST_OTHERS = 20
NEW_SEED = "the seed itself is new in each run"
CONSTANT_SEED = "give a constant seed, or one that is passed in as an argument, and print it"
OWN_LIBRARIES = ("/numpy/", "/torch/", "/random.py", "/tempfile.py", "/uuid.py", "/secrets.py")
"""Code between the user's line and a generator that belongs to the generator itself."""


def on_line(site: Site, beside: Site | None) -> str:
    """Name a line, with its file where that is not the one of the line that is named already."""
    if beside is not None and beside.file == site.file:
        return f"on line {site.line}"
    return f"on line {site.line} of {os.path.basename(site.file)}"


@dataclass(frozen=True, slots=True)
class Naming:
    """The name of a fault, its place, and its remedy."""

    cause: Cause
    site: Site | None
    symbol: str | None
    message: str
    others: tuple[Site, ...] = ()
    fix: str | None = None
    """A change for this very line; None: the general fix of the cause."""
    seed: Site | None = None
    """The line that gives a seed which is new in each run, where that is the fault."""

    @property
    def advice(self) -> str:
        """The change to make."""
        return self.fix or self.cause.fix


@dataclass(frozen=True, slots=True)
class Observation:
    """A fault: the source that was proved guilty, and all that the traces have about it."""

    finding: Finding
    """The difference that it explains, looked at closely; its cause is not in it."""
    comparison: Comparison
    pairs: tuple[EntryPair, ...]
    """The entries of the source in the two ledgers before the runs part."""
    all_pairs: tuple[EntryPair, ...]
    """The whole ledgers of the same two runs."""
    whole: tuple[EntryPair, ...] = ()
    """The ledger of two runs that went on to their end, with the fault held fixed."""

    @property
    def entries(self) -> list[LedgerEntry]:
        """The source's entries, without those of the other run."""
        return [pair.entry for pair in self.pairs]

    def telling(self, entries: Iterable[LedgerEntry] | None = None) -> LedgerEntry | None:
        """Find the entry to name: the last before the runs part, or the first like it in its function."""
        found = self.entries if entries is None else entries
        candidates = sorted((one for one in found if one.site is not None), key=lambda one: one.position)
        if not candidates:
            return None
        last = candidates[-1]
        same = (one for one in candidates if _place(one) == _place(last))
        return next(same, last)

    def in_worker(self, entry: LedgerEntry) -> bool:
        """Say whether an entry is of a DataLoader worker."""
        return any(pair.in_loader_worker for pair in self.all_pairs if pair.entry is entry)

    def in_other_process(self, entry: LedgerEntry) -> bool:
        """Say whether an entry is of a process that never seeds itself, and that is no DataLoader worker."""
        pair = next((one for one in self.all_pairs if one.entry is entry), None)
        if pair is None or pair.role is not StreamRole.PROCESS:
            return False
        own = (one.entry for one in self.all_pairs if one.stream == pair.stream)
        return not any(one.act is Act.SEEDS and one.draws_or_seeds_globally for one in own)

    def rank_of(self, entry: LedgerEntry) -> str:
        """Name the rank of a distributed training that an entry is of: `rank 1`; "" where there are none."""
        stream = next((pair.stream for pair in self.all_pairs if pair.entry is entry), "")
        return stream.partition("/")[0] if stream.startswith("rank ") else ""

    def other_seeds(self) -> list[LedgerEntry]:
        """List the calls that seeded a generator with another seed in each run, the earliest first.

        A line that seeds more often in one run gives no other seed by that.
        """
        pairs = (pair for pair in self.all_pairs if pair.is_other_seed and not pair.count_differs)
        return sorted((pair.entry for pair in pairs), key=lambda entry: entry.position)

    def drifting(self) -> list[EntryPair]:
        """List the draws from a seeded global generator that one run makes more often before they part."""
        first = self.comparison.first
        if first is None:
            return []
        if first.kind is DivergenceKind.STRUCTURE and first.event.place.phase is not Phase.EVAL:
            # One of the runs goes on: that it draws more is a consequence.
            return []
        return [pair for pair in self.all_pairs if _drifts(pair) and pair.entry.step <= first.step]

    def name_at(self, cause: Cause, entry: LedgerEntry, words: str, fix: str | None = None) -> Naming:
        """Name the fault at the line of an entry."""
        sites = dict.fromkeys(pair.entry.site for pair in self.pairs if pair.entry.site is not None)
        others = tuple(site for site in sites if site != entry.site)
        return Naming(cause, entry.site, entry.operation, words, others[:MOST_OTHERS], fix)

    def name_bare(self, cause: Cause) -> Naming:
        """Name a fault of which the ledger has nothing: at a seed that differs, or where the runs part."""
        finding = self.finding
        seed = next((one for one in self.other_seeds() if not of_worker_start(one)), None)
        if seed is not None:
            words = f"{seed.operation} is given another number in each run ({seed.shown}): {NEW_SEED}"
            others = () if finding.site is None else (finding.site,)
            return Naming(cause, seed.site, seed.operation, words, others, CONSTANT_SEED)
        return Naming(cause, finding.site, finding.symbol, finding.message, finding.other_sites)


def naming(cause: Cause, words: str, fixes: dict[str, str] | None = None) -> Callable[[Observation], Naming]:
    """Make a namer that takes the telling entry; `words` may use `{entry.operation}` and the like.

    `fixes` has a change for some operations.
    """

    def name(seen: Observation) -> Naming:
        entry = seen.telling()
        if entry is None:
            return seen.name_bare(cause)
        return seen.name_at(cause, entry, words.format(entry=entry), (fixes or {}).get(entry.operation))

    return name


def of_worker_start(entry: LedgerEntry) -> bool:
    """Say whether torch itself seeds a worker as it starts."""
    return entry.site is None or "process.py" in entry.site.through


def by_library(entry: LedgerEntry) -> bool:
    """Say whether a library asks on behalf of the user's line."""
    through = "" if entry.site is None else entry.site.through
    return "site-packages" in through and not any(part in through for part in OWN_LIBRARIES)


def drawn_more(pair: EntryPair) -> str:
    """Say which run drew how many numbers more: `in step 3 run 2 drew 64 numbers more (...)`."""
    ours = 0 if pair.first is None else pair.first.amount
    theirs = 0 if pair.second is None else pair.second.amount
    run, more = ("2", theirs - ours) if theirs > ours else ("1", ours - theirs)
    entry = pair.entry
    where = "" if entry.site is None else f", {os.path.basename(entry.site.file)}:{entry.site.line}"
    numbers = "number" if more == 1 else "numbers"
    return (
        f"in step {entry.step} run {run} drew {more} {numbers} more ({entry.operation}, {entry.phase}{where})"
    )


def _place(entry: LedgerEntry) -> tuple[str, str, Fact]:
    file, function = ("", "") if entry.site is None else (entry.site.file, entry.site.function)
    return file, function, entry.fact


def _drifts(pair: EntryPair) -> bool:
    fact = pair.entry.fact
    return fact.act is Act.DRAWS and fact.whose is Whose.GLOBAL and pair.count_differs


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
