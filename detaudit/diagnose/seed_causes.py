"""Causes that lie in a seed: none was given, too late, or one that is another in each run."""

from __future__ import annotations

import linecache

from detaudit.compare.ledgers import EntryPair
from detaudit.diagnose.decisions import uncalled_seed
from detaudit.diagnose.naming import Naming, at, bare, by_library, in_worker, telling
from detaudit.diagnose.search import Fault
from detaudit.diagnose.suspects import unseeded
from detaudit.model.trace import LedgerEntry, Site
from detaudit.sources import clock, entropy, host, numpy_random, python_random, torch_random

UNSEEDED = {
    python_random.NAME: "unseeded-python",
    numpy_random.NAME: "unseeded-numpy",
    torch_random.NAME: "unseeded-torch",
}
SEEDING = {
    python_random.NAME: ("random.seed",),
    numpy_random.NAME: ("np.random.seed", "numpy.random.seed"),
    torch_random.NAME: ("torch.manual_seed", "torch.random.manual_seed"),
}


def name_generator(fault: Fault, whole: tuple[EntryPair, ...]) -> Naming:
    """Name the fault of a generator that starts elsewhere in each run."""
    entries = [pair.entry for pair in fault.pairs if unseeded(pair.entry)]
    entry = telling(fault, entries)
    if entry is None:
        return bare(fault, UNSEEDED[fault.source])
    if in_worker(fault, entry):
        words = f"{entry.operation} in a DataLoader worker: its generator gets another seed in each run"
        return at(fault, "worker-seeding", entry, words)
    if by_library(entry) and fault.source != torch_random.NAME:
        words = f"a library draws through {entry.operation} from a generator that was given no seed"
        return at(fault, "unseeded-library", entry, words)
    if "not seeded" in entry.subject:
        return _global(fault, entry, whole)
    words = f"{entry.operation} makes a generator without a seed: the system gives it another one in each run"
    return at(fault, UNSEEDED[fault.source], entry, words)


def _global(fault: Fault, entry: LedgerEntry, whole: tuple[EntryPair, ...]) -> Naming:
    whose = {"python": "Python's", "numpy": "numpy's", "torch": "torch's"}[fault.source.split("-")[0]]
    drawn = f"{entry.operation} draws from {whose} global generator"
    here, later = _seeds(fault.all_pairs, fault.source), _seeds(whole, fault.source)
    late = [one for one in here if not _earlier(one, entry)]
    late += [one for one in later if one.step > entry.step]
    seed = next((one for one in late if one.site is not None and not of_worker_start(one)), None)
    if seed is not None and seed.site is not None:
        words = f"{drawn} before it is seeded, which happens on line {seed.site.line}"
        return at(fault, "seed-order", entry, words)
    cause = UNSEEDED[fault.source]
    if entry.site is not None and not here and not later:
        line = uncalled_seed(entry.site.file, SEEDING[fault.source], set())
        if line is not None:
            words = f"{drawn}, which is not seeded: line {line} would do that and is not executed"
            site = Site(entry.site.file, line, "", linecache.getline(entry.site.file, line).strip())
            return Naming(cause, site, entry.operation, words, (entry.site,))
    return at(fault, cause, entry, f"{drawn}, which nothing has seeded")


def _seeds(pairs: tuple[EntryPair, ...], source: str) -> list[LedgerEntry]:
    """Where a global generator is given a seed."""
    entries = (pair.entry for pair in pairs)
    return [one for one in entries if one.source == source and one.subject == "global, seed"]


def _earlier(one: LedgerEntry, other: LedgerEntry) -> bool:
    return one.stream == other.stream and (one.step, one.sequence) < (other.step, other.sequence)


def seeds_at_once(fault: Fault, seed: LedgerEntry) -> bool:
    """Whether what was read became the seed itself, and not a number that something else went by."""
    return any(
        pair.entry.site is not None and seed.site is not None and pair.entry.site.file == seed.site.file
        for pair in fault.pairs
    )


def of_worker_start(entry: LedgerEntry) -> bool:
    """Whether torch itself seeds a worker as it starts."""
    return entry.site is None or "process.py" in entry.site.through


def name_outside_seed(fault: Fault, seed: LedgerEntry) -> Naming:
    """Name the fault of a seed that comes from the clock, or from the system."""
    words = (
        f"{seed.operation} is given another number in each run ({seed.shown}): it comes from {_origin(fault)}"
    )
    cause = "worker-seeding" if in_worker(fault, seed) else UNSEEDED[seed.source]
    return at(fault, cause, seed, words)


def _origin(fault: Fault) -> str:
    return {clock.NAME: "the clock", entropy.NAME: "the system's entropy", host.NAME: "the process"}[
        fault.source
    ]
