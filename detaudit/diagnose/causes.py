"""From a guilty source to the cause's label, the line, and the words: what the ledger says about it."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass

from detaudit.compare.ledgers import EntryPair
from detaudit.diagnose.decisions import deciding_line, uncalled_seed
from detaudit.diagnose.search import Fault
from detaudit.diagnose.suspects import GENERATORS, seeds_that_differ, unseeded
from detaudit.model.result import DivergenceKind
from detaudit.model.trace import LedgerEntry, Phase, Site
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


def name_fault(fault: Fault, whole: tuple[EntryPair, ...] = ()) -> Naming:
    """Give a fault its cause and its line; `whole` is the ledger of runs that went on to their end."""
    if fault.source in UNSEEDED:
        return _generator(fault, whole)
    return _NAMERS[fault.source](fault)


def _generator(fault: Fault, whole: tuple[EntryPair, ...]) -> Naming:
    entries = [pair.entry for pair in fault.pairs if unseeded(pair.entry)]
    entry = _telling(fault, entries)
    if entry is None:
        return _bare(fault, UNSEEDED[fault.source])
    if _in_worker(fault, entry):
        words = f"{entry.operation} in a DataLoader worker: its generator gets another seed in each run"
        return _at(fault, "worker-seeding", entry, words)
    if _library(entry) and fault.source != torch_random.NAME:
        words = f"a library draws through {entry.operation} from a generator that was given no seed"
        return _at(fault, "unseeded-library", entry, words)
    if "not seeded" in entry.subject:
        return _global(fault, entry, whole)
    words = f"{entry.operation} makes a generator without a seed: the system gives it another one in each run"
    return _at(fault, UNSEEDED[fault.source], entry, words)


def _global(fault: Fault, entry: LedgerEntry, whole: tuple[EntryPair, ...]) -> Naming:
    whose = {"python": "Python's", "numpy": "numpy's", "torch": "torch's"}[fault.source.split("-")[0]]
    drawn = f"{entry.operation} draws from {whose} global generator"
    here, later = _seeds(fault.all_pairs, fault.source), _seeds(whole, fault.source)
    late = [one for one in here if not _earlier(one, entry)]
    late += [one for one in later if one.step > entry.step]
    seed = next((one for one in late if one.site is not None and not _of_worker_start(one)), None)
    if seed is not None and seed.site is not None:
        words = f"{drawn} before it is seeded, which happens on line {seed.site.line}"
        return _at(fault, "seed-order", entry, words)
    cause = UNSEEDED[fault.source]
    if entry.site is not None and not here and not later:
        line = uncalled_seed(entry.site.file, SEEDING[fault.source], set())
        if line is not None:
            words = f"{drawn}, which is not seeded: line {line} would do that and is not executed"
            site = Site(entry.site.file, line, "", linecache.getline(entry.site.file, line).strip())
            return Naming(cause, site, entry.operation, words, (entry.site,))
    return _at(fault, cause, entry, f"{drawn}, which nothing has seeded")


def _seeds(pairs: tuple[EntryPair, ...], source: str) -> list[LedgerEntry]:
    """Where a global generator is given a seed."""
    entries = (pair.entry for pair in pairs)
    return [one for one in entries if one.source == source and one.subject == "global, seed"]


def _earlier(one: LedgerEntry, other: LedgerEntry) -> bool:
    return one.stream == other.stream and (one.step, one.sequence) < (other.step, other.sequence)


def _from_outside(fault: Fault) -> Naming:
    """Entropy, the clock, facts of the host: where they give a seed, the seed is the fault."""
    seeded = [pair.entry for pair in seeds_that_differ(fault.all_pairs)]
    read = {pair.entry.site_key for pair in fault.pairs}
    seed = next((entry for entry in seeded if entry.site_key in read), None)
    if seed is None:
        seed = next((entry for entry in seeded if not _of_worker_start(entry)), None)
    if seed is not None and fault.source != host.NAME and _seeds_at_once(fault, seed):
        return _seeded_from_outside(fault, seed)
    return {clock.NAME: _clock, entropy.NAME: _entropy, host.NAME: _host}[fault.source](fault)


def _seeds_at_once(fault: Fault, seed: LedgerEntry) -> bool:
    """Whether what was read became the seed itself, and not a number that something else went by."""
    return any(
        pair.entry.site is not None and seed.site is not None and pair.entry.site.file == seed.site.file
        for pair in fault.pairs
    )


def _of_worker_start(entry: LedgerEntry) -> bool:
    return entry.site is None or "process.py" in entry.site.through


def _seeded_from_outside(fault: Fault, seed: LedgerEntry) -> Naming:
    words = f"{seed.operation} is given another number in each run ({seed.shown}): it comes from {_origin(fault)}"
    cause = "worker-seeding" if _in_worker(fault, seed) else UNSEEDED[seed.source]
    return _at(fault, cause, seed, words)


def _origin(fault: Fault) -> str:
    return {clock.NAME: "the clock", entropy.NAME: "the system's entropy", host.NAME: "the process"}[fault.source]


def _entropy(fault: Fault) -> Naming:
    entry = _telling(fault)
    if entry is None:
        return _bare(fault, "os-entropy")
    cause = "unseeded-library" if _library(entry) else "os-entropy"
    return _at(fault, cause, entry, f"{entry.operation} gives other bytes in each run, and they reach the numbers")


def _host(fault: Fault) -> Naming:
    entry = _telling(fault)
    if entry is None:
        return _bare(fault, "env-dependence")
    words = f"{entry.operation} gives another value in each run ({entry.shown}), and it reaches the numbers"
    if not _in_worker(fault, entry):
        return _at(fault, "env-dependence", entry, words)
    seeds = any(_in_worker(fault, pair.entry) for pair in seeds_that_differ(fault.all_pairs))
    shards = any("iterable" in pair.entry.subject for pair in fault.all_pairs)
    return _at(fault, "worker-order" if shards or not seeds else "worker-seeding", entry, words)


def _clock(fault: Fault) -> Naming:
    reads = sorted((pair.entry for pair in fault.pairs), key=_order)
    drift = _drifting(fault)
    reached = [pair.entry.site for pair in drift if pair.entry.site is not None]
    first = fault.comparison.first
    if first is not None and first.event.site is not None:
        reached.append(first.event.site)
    direct = [entry for entry in reads if entry.site is not None and not _library(entry)]
    site = deciding_line((one.site for one in direct or reads if one.site is not None), reached)
    entry = next((one for one in reversed(reads) if one.site == site), None)
    symbol = None if entry is None else entry.operation
    others = tuple(dict.fromkeys(one for one in reached if one != site))
    if drift:
        words = f"by the clock, a line draws another number of times: {drawn_more(drift[0])}"
        return Naming("rng-drift", site, symbol, words, others)
    return Naming("wall-clock", site, symbol, f"{symbol or 'the clock'} decides something that reaches the numbers")


def _drifting(fault: Fault) -> list[EntryPair]:
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
    return f"in step {entry.step} run {run} drew {more} numbers more ({entry.operation}, {entry.phase}{where})"


def _plain(cause: str, words: str) -> Callable[[Fault], Naming]:
    def name(fault: Fault) -> Naming:
        entry = _telling(fault)
        return _bare(fault, cause) if entry is None else _at(fault, cause, entry, words.format(entry=entry))

    return name


def _completion(fault: Fault) -> Naming:
    entry = _telling(fault, [p.entry for p in fault.pairs if p.entry.subject != "queue"])
    if entry is None:
        return _bare(fault, "completion-order")
    if "in_order" in entry.operation:
        return _at(fault, "worker-order", entry, "batches are handed out as workers finish them")
    return _at(fault, "completion-order", entry, f"{entry.operation} gives results as they are finished")


def _threads(fault: Fault) -> Naming:
    drawing = _threads_that_draw(fault)
    if drawing is not None:
        words = f"several threads draw from one global generator ({drawing.operation}), in an order that is not fixed"
        return _at(fault, "rng-drift", drawing, words)
    drift = _drifting(fault)
    if drift:
        words = f"how far other threads are decides how often a line draws: {drawn_more(drift[0])}"
        return _at(fault, "rng-drift", drift[0].entry, words)
    queue = _telling(fault, [p.entry for p in fault.all_pairs if p.entry.subject == "queue"])
    first = fault.comparison.first
    in_main = first is not None and "/" not in first.stream
    if queue is not None and in_main:
        return _at(fault, "completion-order", queue, f"{queue.operation} takes what is ready first")
    entry = _telling(fault)
    words = "threads or processes work on shared data in an order that is not fixed"
    if first is not None and first.event.site is not None and "step(" in first.event.site.code and not in_main:
        others = () if entry is None or entry.site is None else (entry.site,)
        symbol = None if entry is None else entry.operation
        return Naming("thread-race", first.event.site, symbol, words, others)
    return _bare(fault, "thread-race") if entry is None else _at(fault, "thread-race", entry, words)


def _threads_that_draw(fault: Fault) -> LedgerEntry | None:
    draws = [p.entry for p in fault.all_pairs if p.entry.source in GENERATORS and p.entry.subject == "global"]
    by_side = [entry for entry in draws if entry.thread != "MainThread"]
    shared = {(entry.source, entry.stream) for entry in draws if entry.thread == "MainThread"}
    for entry in by_side:
        if (entry.source, entry.stream) in shared or len({one.thread for one in by_side}) > 1:
            return entry
    return None


def _workers(fault: Fault) -> Naming:
    shared = _telling(fault, [p.entry for p in fault.all_pairs if p.entry.subject == loader_workers.SHARED])
    if shared is not None:
        words = f"DataLoader workers use one {shared.operation}, in an order that is not fixed"
        return _at(fault, "thread-race", shared, words)
    entry = _telling(fault)
    words = "which DataLoader worker gives which sample, or in which state, depends on timing"
    return _bare(fault, "worker-order") if entry is None else _at(fault, "worker-order", entry, words)


def _kernel(fault: Fault) -> Naming:
    finding = fault.closer.finding
    words = f"{finding.symbol or 'an operator'} gives other bits for the same inputs"
    return Naming("nondeterministic-op", finding.site, finding.symbol, words, finding.other_sites)


def _memory(fault: Fault) -> Naming:
    read = [pair.entry for pair in fault.pairs if pair.entry.subject == memory.READ]
    entry = _telling(fault, read) or _telling(fault)
    if entry is None:
        return _bare(fault, "uninitialized-memory")
    return _at(fault, "uninitialized-memory", entry, f"memory from {entry.operation} is read before it is written")


_NAMERS: dict[str, Callable[[Fault], Naming]] = {
    entropy.NAME: _from_outside,
    clock.NAME: _from_outside,
    host.NAME: _from_outside,
    files.NAME: _plain("fs-order", "{entry.operation} gives an order, or times, that are not the same in each run"),
    set_order.BY_SEED: _plain(
        "hash-order", "{entry.operation}: its result follows the hash of strings, which Python salts anew in each run"
    ),
    set_order.BY_ADDRESS: _plain("address-order", "{entry.operation}: an order that follows addresses in memory"),
    completion.NAME: _completion,
    threads.NAME: _threads,
    side_draws.NAME: _plain(
        "rng-drift", "{entry.operation} draws from the global generator in a thread: when is a matter of timing"
    ),
    loader_workers.NAME: _workers,
    kernels.NAME: _kernel,
    kernels.ONE_THREAD: _kernel,
    memory.NAME: _memory,
    leftovers.NAME: _plain("cached-state", "a file that an earlier run left is picked up: {entry.shown}"),
}
assert addresses.NAME in _NAMERS  # noqa: S101 - one name for what two files tap


def _telling(fault: Fault, entries: list[LedgerEntry] | None = None) -> LedgerEntry | None:
    """The entry to name: the last one before the runs part, or the first in the same function that is like it."""
    candidates = [pair.entry for pair in fault.pairs] if entries is None else entries
    candidates = sorted((one for one in candidates if one.site is not None), key=_order)
    if not candidates:
        return None
    last = candidates[-1]
    same = (one for one in candidates if _function(one) == _function(last) and one.subject == last.subject)
    return next(same, last)


def _function(entry: LedgerEntry) -> tuple[str, str]:
    return ("", "") if entry.site is None else (entry.site.file, entry.site.function)


def _order(entry: LedgerEntry) -> tuple[int, int]:
    return entry.step, entry.sequence


def _library(entry: LedgerEntry) -> bool:
    through = "" if entry.site is None else entry.site.through
    return "site-packages" in through and not any(part in through for part in OWN_LIBRARIES)


def _in_worker(fault: Fault, entry: LedgerEntry) -> bool:
    labels = {pair.stream for pair in fault.all_pairs if pair.entry is entry}
    return any(label.startswith("loader worker") for label in labels)


def _at(fault: Fault, cause: str, entry: LedgerEntry, words: str) -> Naming:
    sites = dict.fromkeys(pair.entry.site for pair in fault.pairs if pair.entry.site is not None)
    others = tuple(site for site in sites if site != entry.site)
    return Naming(cause, entry.site, entry.operation, words, others[:20])


def _bare(fault: Fault, cause: str) -> Naming:
    finding = fault.closer.finding
    return Naming(cause, finding.site, finding.symbol, finding.message, finding.other_sites)
