"""What a fault is called and where it is: the parts that all causes share."""

from __future__ import annotations

from dataclasses import dataclass

from detaudit.compare.ledgers import EntryPair
from detaudit.diagnose.search import Fault
from detaudit.diagnose.suspects import GENERATORS
from detaudit.model.result import DivergenceKind
from detaudit.model.trace import LedgerEntry, Phase, Site

OWN_LIBRARIES = ("/numpy/", "/torch/", "/random.py", "/tempfile.py", "/uuid.py", "/secrets.py")
"""Code between the user's line and a generator that belongs to the generator itself."""


@dataclass(frozen=True, slots=True)
class Naming:
    """What a fault is called, and where it is."""

    cause: str
    site: Site | None
    symbol: str | None
    message: str
    others: tuple[Site, ...] = ()


def telling(fault: Fault, entries: list[LedgerEntry] | None = None) -> LedgerEntry | None:
    """The entry to name: the last one before the runs part, or the first like it in the same function."""
    candidates = [pair.entry for pair in fault.pairs] if entries is None else entries
    candidates = sorted((one for one in candidates if one.site is not None), key=in_order)
    if not candidates:
        return None
    last = candidates[-1]
    same = (one for one in candidates if _function(one) == _function(last) and one.subject == last.subject)
    return next(same, last)


def _function(entry: LedgerEntry) -> tuple[str, str]:
    return ("", "") if entry.site is None else (entry.site.file, entry.site.function)


def in_order(entry: LedgerEntry) -> tuple[int, int]:
    """The key by which entries of a thread stand in their order."""
    return entry.step, entry.sequence


def by_library(entry: LedgerEntry) -> bool:
    """Whether a library asks on behalf of the user's line."""
    through = "" if entry.site is None else entry.site.through
    return "site-packages" in through and not any(part in through for part in OWN_LIBRARIES)


def in_worker(fault: Fault, entry: LedgerEntry) -> bool:
    """Whether an entry is of a DataLoader worker."""
    labels = {pair.stream for pair in fault.all_pairs if pair.entry is entry}
    return any(label.startswith("loader worker") for label in labels)


def at(fault: Fault, cause: str, entry: LedgerEntry, words: str) -> Naming:
    """Name a fault at the line of an entry."""
    sites = dict.fromkeys(pair.entry.site for pair in fault.pairs if pair.entry.site is not None)
    others = tuple(site for site in sites if site != entry.site)
    return Naming(cause, entry.site, entry.operation, words, others[:20])


def bare(fault: Fault, cause: str) -> Naming:
    """Name a fault of which the ledger has nothing, at the line where the runs part."""
    finding = fault.closer.finding
    return Naming(cause, finding.site, finding.symbol, finding.message, finding.other_sites)


def drifting(fault: Fault) -> list[EntryPair]:
    """Draws from a generator that was seeded, made more often in one run before the runs part."""
    first = fault.comparison.first
    if first is None:
        return []
    place = first.event.place
    goes_on = first.kind is DivergenceKind.STRUCTURE and place.phase is not Phase.EVAL
    if goes_on:
        return []
    return [
        pair
        for pair in fault.all_pairs
        if pair.entry.source in GENERATORS
        and pair.entry.subject == "global"
        and pair.count_differs
        and pair.entry.step <= first.step
    ]


def drawn_more(pair: EntryPair) -> str:
    """`evaluation in run 2 drew 64 numbers more, train.py:88`."""
    ours = 0 if pair.first is None else pair.first.amount
    theirs = 0 if pair.second is None else pair.second.amount
    run, more = ("2", theirs - ours) if theirs > ours else ("1", ours - theirs)
    entry = pair.entry
    where = "" if entry.site is None else f", line {entry.site.line}"
    numbers = "number" if more == 1 else "numbers"
    return (
        f"in step {entry.step} run {run} drew {more} {numbers} more ({entry.operation}, {entry.phase}{where})"
    )
