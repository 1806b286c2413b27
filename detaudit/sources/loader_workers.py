"""Several DataLoader workers: which one is ahead, and what they share."""

from __future__ import annotations

from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact
from detaudit.model.trace import Phase
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.source import Situation, Source, Suspicion
from detaudit.sources.taps import Taps
from detaudit.sources.threads import NAME as SCHEDULE
from detaudit.sources.threads import jitter
from detaudit.torch_private.by_name import FETCHING, iterable_fetcher, map_fetcher, multiprocess_iterator

NAME = "loader-workers"
_SHARES = Fact(Act.SHARES_MEMORY)


def _tap(taps: Taps) -> None:
    taps.when_imported("torch.utils.data.dataloader", lambda module: _tap_loader(taps, module))
    if taps.perturbation_of(SCHEDULE) is not None:
        taps.when_imported(FETCHING, lambda module: _delay_fetches(taps, module))
    taps.when_imported("multiprocessing.sharedctypes", lambda module: _tap_shared(taps, module))


def _delay_fetches(taps: Taps, module: Any) -> None:
    """Let each batch be fetched a moment later; only where there are workers does that change their order."""

    def fetch(original: Any, fetcher: Any, indices: Any) -> Any:
        jitter(taps)
        return original(fetcher, indices)

    for kind in (map_fetcher(module), iterable_fetcher(module)):
        taps.method(kind, "fetch", fetch, calls_program=True)


def _tap_shared(taps: Taps, module: Any) -> None:
    def handed_out(original: Any, shared: Any, *args: Any) -> Any:
        taps.note(NAME, f"multiprocessing.{type(shared).__name__}", None, _SHARES)
        return original(shared, *args)

    for kind in (module.SynchronizedBase, module.Synchronized, module.SynchronizedArray):
        for name in ("get_obj", "__getitem__", "__setitem__"):
            if name in vars(kind):
                taps.method(kind, name, handed_out)
    value = module.Synchronized.value
    reading, writing = taps.tapped(value.fget, handed_out), taps.tapped(value.fset, handed_out)
    module.Synchronized.value = property(reading, writing)


def _tap_loader(taps: Taps, module: Any) -> None:
    def begin(original: Any, iterator: Any, loader: Any) -> None:
        site = taps.lines.here()
        act = Act.STARTS_WORKERS if loader.num_workers > 1 else Act.STARTS_ONE_WORKER
        if isinstance(loader.dataset, module.IterableDataset) and loader.num_workers > 1:
            act = Act.SHARDS_AMONG_WORKERS
        taps.note(NAME, "DataLoader", loader.num_workers, Fact(act))
        if not taps.holds(NAME, site) or loader.num_workers == 1:
            original(iterator, loader)
            return
        workers = loader.num_workers
        # DataLoader guards this attribute against nothing; the iterator reads it once, here.
        loader.num_workers = 1
        try:
            original(iterator, loader)
        finally:
            loader.num_workers = workers

    taps.method(multiprocess_iterator(module), "__init__", begin, calls_program=True)


def _concerns(pair: EntryPair, _situation: Situation) -> bool:
    return pair.entry.act is not Act.STARTS_ONE_WORKER


def _adjust(pairs: list[EntryPair], situation: Situation) -> float:
    """Suspect workers more where batches differ and no read in them does, and more if they share memory."""
    if situation.divergence.event.place.phase is not Phase.DATA:
        return 0
    return 30 if any(pair.entry.act is Act.SHARES_MEMORY for pair in pairs) else 5


def _name(seen: Observation) -> Naming:
    shared = seen.telling(pair.entry for pair in seen.all_pairs if pair.entry.act is Act.SHARES_MEMORY)
    if shared is not None:
        words = f"DataLoader workers use one {shared.operation}, in no fixed order"
        shards = any(pair.entry.act is Act.SHARDS_AMONG_WORKERS for pair in seen.all_pairs)
        return seen.name_at(Cause.WORKER_ORDER if shards else Cause.THREAD_RACE, shared, words)
    entry = seen.telling()
    words = "which DataLoader worker gives which sample, or in which state, depends on timing"
    return (
        seen.name_bare(Cause.WORKER_ORDER)
        if entry is None
        else seen.name_at(Cause.WORKER_ORDER, entry, words)
    )


SOURCE = Source(
    name=NAME,
    words="the number of DataLoader workers (one)",
    causes=(Cause.WORKER_ORDER, Cause.THREAD_RACE),
    tap=_tap,
    suspicion=Suspicion(34, concerns=_concerns, adjust=_adjust),
    name_fault=_name,
)
