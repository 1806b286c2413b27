"""From a guilty source to the cause's label, the line, and the words: what the ledger says about it."""

from __future__ import annotations

from collections.abc import Callable

from detaudit.compare.ledgers import EntryPair
from detaudit.diagnose.decisions import deciding_line
from detaudit.diagnose.naming import (
    Naming,
    at,
    bare,
    by_library,
    drawn_more,
    drifting,
    in_order,
    in_worker,
    telling,
)
from detaudit.diagnose.search import Fault
from detaudit.diagnose.seed_causes import (
    UNSEEDED,
    name_generator,
    name_outside_seed,
    of_worker_start,
    seeds_at_once,
)
from detaudit.diagnose.suspects import GENERATORS, seeds_that_differ
from detaudit.model.trace import LedgerEntry
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
    set_order,
    side_draws,
    threads,
)


def name_fault(fault: Fault, whole: tuple[EntryPair, ...] = ()) -> Naming:
    """Give a fault its cause and its line; `whole` is the ledger of runs that went on to their end."""
    if fault.source in UNSEEDED:
        return name_generator(fault, whole)
    return _NAMERS[fault.source](fault)


def _from_outside(fault: Fault) -> Naming:
    """Entropy, the clock, facts of the host: where they give a seed, the seed is the fault."""
    seeded = [pair.entry for pair in seeds_that_differ(fault.all_pairs)]
    read = {pair.entry.site_key for pair in fault.pairs}
    seed = next((entry for entry in seeded if entry.site_key in read), None)
    if seed is None:
        seed = next((entry for entry in seeded if not of_worker_start(entry)), None)
    if seed is not None and fault.source != host.NAME and seeds_at_once(fault, seed):
        return name_outside_seed(fault, seed)
    return {clock.NAME: _clock, entropy.NAME: _entropy, host.NAME: _host}[fault.source](fault)


def _entropy(fault: Fault) -> Naming:
    entry = telling(fault)
    if entry is None:
        return bare(fault, "os-entropy")
    cause = "unseeded-library" if by_library(entry) else "os-entropy"
    return at(
        fault, cause, entry, f"{entry.operation} gives other bytes in each run, and they reach the numbers"
    )


def _host(fault: Fault) -> Naming:
    entry = telling(fault)
    if entry is None:
        return bare(fault, "env-dependence")
    words = f"{entry.operation} gives another value in each run ({entry.shown}), and it reaches the numbers"
    if not in_worker(fault, entry):
        return at(fault, "env-dependence", entry, words)
    seeds = any(in_worker(fault, pair.entry) for pair in seeds_that_differ(fault.all_pairs))
    shards = any("iterable" in pair.entry.subject for pair in fault.all_pairs)
    return at(fault, "worker-order" if shards or not seeds else "worker-seeding", entry, words)


def _clock(fault: Fault) -> Naming:
    reads = sorted((pair.entry for pair in fault.pairs), key=in_order)
    drift = drifting(fault)
    reached = [pair.entry.site for pair in drift if pair.entry.site is not None]
    first = fault.comparison.first
    if first is not None and first.event.site is not None:
        reached.append(first.event.site)
    direct = [entry for entry in reads if entry.site is not None and not by_library(entry)]
    site = deciding_line((one.site for one in direct or reads if one.site is not None), reached)
    entry = next((one for one in reversed(reads) if one.site == site), None)
    symbol = None if entry is None else entry.operation
    others = tuple(dict.fromkeys(one for one in reached if one != site))
    if drift:
        words = f"by the clock, a line draws another number of times: {drawn_more(drift[0])}"
        return Naming("rng-drift", site, symbol, words, others)
    return Naming(
        "wall-clock", site, symbol, f"{symbol or 'the clock'} decides something that reaches the numbers"
    )


def _plain(cause: str, words: str) -> Callable[[Fault], Naming]:
    def name(fault: Fault) -> Naming:
        entry = telling(fault)
        return bare(fault, cause) if entry is None else at(fault, cause, entry, words.format(entry=entry))

    return name


def _completion(fault: Fault) -> Naming:
    entry = telling(fault, [p.entry for p in fault.pairs if p.entry.subject != "queue"])
    entry = entry or _queue(fault)
    if entry is None:
        return bare(fault, "completion-order")
    if entry.subject == "queue":
        return at(fault, "completion-order", entry, f"{entry.operation} takes what is ready first")
    if "in_order" in entry.operation:
        return at(fault, "worker-order", entry, "batches are handed out as workers finish them")
    return at(fault, "completion-order", entry, f"{entry.operation} gives results as they are finished")


def _queue(fault: Fault) -> LedgerEntry | None:
    """Where results are taken from a queue: in the main thread, if that takes any."""
    taken = [pair.entry for pair in fault.all_pairs if pair.entry.subject == "queue"]
    return telling(fault, [entry for entry in taken if entry.thread == "MainThread"] or taken)


def _threads(fault: Fault) -> Naming:
    drawing = _threads_that_draw(fault)
    if drawing is not None:
        words = f"several threads draw from one generator ({drawing.operation}), in no fixed order"
        return at(fault, "rng-drift", drawing, words)
    drift = drifting(fault)
    if drift:
        words = f"how far other threads are decides how often a line draws: {drawn_more(drift[0])}"
        return at(fault, "rng-drift", drift[0].entry, words)
    queue = _queue(fault)
    first = fault.comparison.first
    in_main = first is not None and "/" not in first.stream
    if queue is not None and in_main:
        return at(fault, "completion-order", queue, f"{queue.operation} takes what is ready first")
    entry = telling(fault)
    words = "threads or processes work on shared data in no fixed order"
    if (
        first is not None
        and first.event.site is not None
        and "step(" in first.event.site.code
        and not in_main
    ):
        others = () if entry is None or entry.site is None else (entry.site,)
        symbol = None if entry is None else entry.operation
        return Naming("thread-race", first.event.site, symbol, words, others)
    return bare(fault, "thread-race") if entry is None else at(fault, "thread-race", entry, words)


def _threads_that_draw(fault: Fault) -> LedgerEntry | None:
    draws = [p.entry for p in fault.all_pairs if p.entry.source in GENERATORS and p.entry.subject == "global"]
    by_side = [entry for entry in draws if entry.thread != "MainThread"]
    shared = {(entry.source, entry.stream) for entry in draws if entry.thread == "MainThread"}
    for entry in by_side:
        if (entry.source, entry.stream) in shared or len({one.thread for one in by_side}) > 1:
            return entry
    return None


def _workers(fault: Fault) -> Naming:
    shared = telling(fault, [p.entry for p in fault.all_pairs if p.entry.subject == loader_workers.SHARED])
    if shared is not None:
        words = f"DataLoader workers use one {shared.operation}, in no fixed order"
        shards = any("iterable" in pair.entry.subject for pair in fault.all_pairs)
        return at(fault, "worker-order" if shards else "thread-race", shared, words)
    entry = telling(fault)
    words = "which DataLoader worker gives which sample, or in which state, depends on timing"
    return bare(fault, "worker-order") if entry is None else at(fault, "worker-order", entry, words)


def _kernel(fault: Fault) -> Naming:
    finding = fault.closer.finding
    words = f"{finding.symbol or 'an operator'} gives other bits for the same inputs"
    return Naming("nondeterministic-op", finding.site, finding.symbol, words, finding.other_sites)


def _memory(fault: Fault) -> Naming:
    read = [pair.entry for pair in fault.pairs if pair.entry.subject == memory.READ]
    entry = telling(fault, read) or telling(fault)
    if entry is None:
        return bare(fault, "uninitialized-memory")
    return at(
        fault, "uninitialized-memory", entry, f"memory from {entry.operation} is read before it is written"
    )


def _leftovers(fault: Fault) -> Naming:
    # Whether a file is there is asked for before it is read; the line that reads it is the one to name.
    read = [pair.entry for pair in fault.pairs if pair.entry.operation == leftovers.READS]
    entry = telling(fault, read) or telling(fault)
    if entry is None:
        return bare(fault, "cached-state")
    return at(fault, "cached-state", entry, f"a file that an earlier run left is picked up: {entry.shown}")


_NAMERS: dict[str, Callable[[Fault], Naming]] = {
    entropy.NAME: _from_outside,
    clock.NAME: _from_outside,
    host.NAME: _from_outside,
    files.NAME: _plain(
        "fs-order", "{entry.operation} gives an order, or times, that are not the same in each run"
    ),
    set_order.BY_SEED: _plain(
        "hash-order",
        "{entry.operation}: its result follows the hash of strings, which Python salts anew in each run",
    ),
    set_order.BY_ADDRESS: _plain(
        "address-order", "{entry.operation}: an order that follows addresses in memory"
    ),
    completion.NAME: _completion,
    threads.NAME: _threads,
    side_draws.NAME: _plain(
        "rng-drift",
        "{entry.operation} draws from the global generator in a thread: when is a matter of timing",
    ),
    loader_workers.NAME: _workers,
    kernels.NAME: _kernel,
    kernels.ONE_THREAD: _kernel,
    memory.NAME: _memory,
    leftovers.NAME: _leftovers,
}
assert addresses.NAME in _NAMERS  # noqa: S101 - one name for what two files tap
