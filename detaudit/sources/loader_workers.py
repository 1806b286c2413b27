"""Several DataLoader workers: which one is ahead, and what they share."""

from __future__ import annotations

from typing import Any

from detaudit.sources.source import Source
from detaudit.sources.taps import Taps
from detaudit.sources.threads import NAME as SCHEDULE
from detaudit.sources.threads import jitter

NAME = "loader-workers"
SHARED = "shared memory"


def _tap(taps: Taps) -> None:
    taps.when_imported("torch.utils.data.dataloader", lambda module: _tap_loader(taps, module))
    if taps.varied(SCHEDULE) is not None:
        taps.when_imported("torch.utils.data._utils.fetch", lambda module: _delay_fetches(taps, module))
    taps.when_imported("multiprocessing.sharedctypes", lambda module: _tap_shared(taps, module))


def _delay_fetches(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    """Let each batch be fetched a moment later; only where there are workers does that change their order."""

    def fetch(original: Any, fetcher: Any, indices: Any) -> Any:  # noqa: ANN401 - as the method
        jitter(taps)
        return original(fetcher, indices)

    for kind in (module._MapDatasetFetcher, module._IterableDatasetFetcher):
        taps.method(kind, "fetch", fetch, calls_program=True)


def _tap_shared(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    def handed_out(original: Any, shared: Any, *args: Any) -> Any:  # noqa: ANN401 - as the method
        taps.note(NAME, f"multiprocessing.{type(shared).__name__}", None, subject=SHARED)
        return original(shared, *args)

    for kind in (module.SynchronizedBase, module.Synchronized, module.SynchronizedArray):
        for name in ("get_obj", "__getitem__", "__setitem__"):
            if name in vars(kind):
                taps.method(kind, name, handed_out)
    value = module.Synchronized.value
    reading, writing = taps.tapped(value.fget, handed_out), taps.tapped(value.fset, handed_out)
    module.Synchronized.value = property(reading, writing)


def _tap_loader(taps: Taps, module: Any) -> None:  # noqa: ANN401 - a module
    def begin(original: Any, iterator: Any, loader: Any) -> None:  # noqa: ANN401 - as the method
        site = taps.lines.here()
        kind = "iterable" if isinstance(loader.dataset, module.IterableDataset) else "map-style"
        taps.note(NAME, "DataLoader", loader.num_workers, subject=f"workers, {kind} dataset")
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

    taps.method(module._MultiProcessingDataLoaderIter, "__init__", begin, calls_program=True)


SOURCE = Source(
    name=NAME,
    words="the number of DataLoader workers (one)",
    causes=("worker-order", "thread-race"),
    tap=_tap,
)
