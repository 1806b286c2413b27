"""The order in which parallel work is finished: as_completed, imap_unordered, wait, `in_order=False`."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from detaudit.model.cause import Cause
from detaudit.model.ledger import Act, EntryPair, Fact, LedgerEntry
from detaudit.sources.observation import Naming, Observation
from detaudit.sources.polls import QUEUE, note_answer
from detaudit.sources.source import Situation, Source, Suspicion
from detaudit.sources.taps import Asked, Taps

NAME = "completion-order"
_TAKES = Fact(Act.TAKES_RESULT)
NUMBER = "_detaudit_number"
"""Attribute of a future: its number among all futures of the process, in the order of submission."""


def _tap(taps: Taps) -> None:
    taps.when_imported("concurrent.futures._base", lambda module: _tap_futures(taps, module))
    taps.when_imported("multiprocessing.pool", lambda module: _tap_pool(taps, module))
    taps.when_imported("asyncio.tasks", lambda module: _tap_asyncio(taps, module))
    taps.when_imported("torch.utils.data.dataloader", lambda module: _tap_loader(taps, module))
    taps.when_imported("queue", lambda module: _tap_queue(taps, module.Queue, "queue.Queue.get"))
    taps.when_imported("multiprocessing.queues", lambda module: _tap_process_queues(taps, module))


def _tap_process_queues(taps: Taps, module: Any) -> None:
    for kind in (module.Queue, module.SimpleQueue):
        _tap_queue(taps, kind, f"multiprocessing.{kind.__name__}.get")


def _tap_futures(taps: Taps, module: Any) -> None:
    numbers = itertools.count()
    begin = module.Future.__init__

    def number(future: Any, *args: Any, **kwargs: Any) -> None:
        begin(future, *args, **kwargs)
        setattr(future, NUMBER, next(numbers))

    module.Future.__init__ = number
    taps.function(module, "as_completed", _as_completed(taps), asked_by=Asked.PROGRAM, calls_program=True)
    taps.function(module, "wait", _wait(taps), asked_by=Asked.PROGRAM, calls_program=True)


def _as_completed(taps: Taps) -> Any:
    def read(original: Any, fs: Any, timeout: Any = None) -> Iterator[Any]:
        futures = list(fs)
        site = taps.lines.here()
        held = taps.holds(NAME, site)
        order = _ArrivalOrder(taps, "concurrent.futures.as_completed", site)
        if not held:
            return order.watched(original(futures, timeout), _number)
        return order.watched(_in_order(sorted(futures, key=_number), timeout), _number)

    return read


def _in_order(futures: list[Any], timeout: float | None) -> Iterator[Any]:
    for future in futures:
        # Waits, and leaves an error in the future for whoever asks for its result.
        future.exception(timeout) if not future.cancelled() else None
        yield future


def _number(future: Any) -> int:
    return int(getattr(future, NUMBER, 0))


class _ArrivalOrder:
    """Notes the order in which results come, at the line that asked for them."""

    def __init__(self, taps: Taps, operation: str, site: bytes) -> None:
        self._taps = taps
        self._operation = operation
        self._site = site

    def watched(self, results: Iterator[Any], number: Any) -> Iterator[Any]:
        """Hand the results on."""
        for result in results:
            self.note(number(result))
            yield result

    def note(self, position: object) -> None:
        """Note one result by its place in the order of submission."""
        self._taps.ledger.note(
            NAME,
            self._operation,
            self._site,
            repr(position).encode(),
            _TAKES,
            shown=f"number {position}",
        )


def _wait(taps: Taps) -> Any:
    def read(original: Any, fs: Any, timeout: Any = None, return_when: str = "ALL_COMPLETED") -> Any:
        futures = list(fs)
        site = taps.lines.here()
        if taps.holds(NAME, site):
            return_when, timeout = "ALL_COMPLETED", None
        result = original(futures, timeout, return_when)
        done = sorted(result.done, key=_number)
        if taps.holds(NAME, site):
            result = type(result)(_InOrder(done), result.not_done)
        if return_when != "ALL_COMPLETED" or taps.holds(NAME, site):
            order = [_number(future) for future in done]
            taps.note(NAME, "concurrent.futures.wait", order, _TAKES)
        return result

    return read


class _InOrder(set[Any]):
    """A set that gives its elements in the order in which it got them."""

    def __init__(self, items: list[Any]) -> None:
        super().__init__(items)
        self._items = items

    def __iter__(self) -> Iterator[Any]:
        return (item for item in self._items if item in self)


def _tap_pool(taps: Taps, module: Any) -> None:
    def read(original: Any, pool: Any, func: Any, iterable: Any, chunksize: int = 1) -> Any:
        site = taps.lines.here()
        order = _ArrivalOrder(taps, "multiprocessing.Pool.imap_unordered", site)
        if taps.holds(NAME, site):
            return order.watched(pool.imap(func, iterable, chunksize), lambda _: 0)
        results = original(pool, func, iterable, chunksize)
        _number_results(results, order)
        return results

    taps.method(module.Pool, "imap_unordered", read, asked_by=Asked.PROGRAM, calls_program=True)


def _number_results(results: Any, order: _ArrivalOrder) -> None:
    """Note the number of each result as it comes in, in the pool's own thread."""
    inner = getattr(results, "_set", None)
    if inner is None:
        return

    def arrived(number: int, item: Any) -> None:
        order.note(number)
        inner(number, item)

    results._set = arrived  # the pool calls it with the number that the result has lost later


def _tap_asyncio(taps: Taps, module: Any) -> None:
    def completed(original: Any, fs: Any, **kwargs: Any) -> Any:
        site = taps.lines.here()
        futures = [module.ensure_future(one) for one in fs]
        numbers = {future: number for number, future in enumerate(futures)}
        order = _ArrivalOrder(taps, "asyncio.as_completed", site)
        if taps.holds(NAME, site):
            return order.watched(iter(futures), numbers.get)
        for future in futures:
            future.add_done_callback(lambda done: order.note(numbers[done]))
        return original(futures, **kwargs)

    def waited(original: Any, fs: Any, **kwargs: Any) -> Any:
        site = taps.lines.here()
        tasks = list(fs)
        held = taps.holds(NAME, site)
        if held:
            kwargs = {}
        if not held and kwargs.get("return_when", "ALL_COMPLETED") == "ALL_COMPLETED":
            return original(tasks, **kwargs)
        return _waited(taps, original, tasks, kwargs, held=held)

    taps.function(module, "as_completed", completed, asked_by=Asked.PROGRAM, calls_program=True)
    taps.function(module, "wait", waited, asked_by=Asked.PROGRAM, calls_program=True)


async def _waited(taps: Taps, original: Any, tasks: list[Any], kwargs: Any, *, held: bool) -> Any:
    done, pending = await original(tasks, **kwargs)
    finished = [task for task in tasks if task in done]
    taps.note(NAME, "asyncio.wait", [tasks.index(task) for task in finished], _TAKES)
    return (_InOrder(finished) if held else done), pending


def _tap_loader(taps: Taps, module: ModuleType) -> None:
    def begin(original: Any, loader: Any, *args: Any, **kwargs: Any) -> None:
        site = taps.lines.here()
        if kwargs.get("in_order") is False:
            taps.note(NAME, "DataLoader(in_order=False)", None, Fact(Act.DELIVERS_UNORDERED))
            kwargs["in_order"] = taps.holds(NAME, site)
        original(loader, *args, **kwargs)

    taps.method(module.DataLoader, "__init__", begin, asked_by=Asked.PROGRAM, calls_program=True)


def _tap_queue(taps: Taps, kind: Any, operation: str) -> None:
    # It is imported already: it defines queues, or uses their errors.
    queues = sys.modules["queue"]

    def read(original: Any, queue: Any, *args: Any, **kwargs: Any) -> Any:
        # Only told where it happens: in which order others put is not the queue's to hold.
        waits = (not args or args[0] is True) and not args[1:] and kwargs.keys() <= {"block"}
        waits = waits and kwargs.get("block", True) is True
        try:
            value = original(queue, *args, **kwargs)
        except queues.Empty:
            note_answer(taps, operation, QUEUE, there=False)
            raise
        if not waits:
            note_answer(taps, operation, QUEUE, there=True)
        taps.note(NAME, operation, type(value).__name__, Fact(Act.TAKES_FROM_QUEUE))
        return value

    taps.method(kind, "get", read, asked_by=Asked.PROGRAM, calls_program=True)


def queue_line(seen: Observation) -> LedgerEntry | None:
    """Find where results are taken from a queue: in the main thread, if that takes any."""
    taken = [pair.entry for pair in seen.all_pairs if pair.entry.act is Act.TAKES_FROM_QUEUE]
    return seen.telling([entry for entry in taken if entry.in_main_thread] or taken)


def name_queue(seen: Observation, entry: LedgerEntry) -> Naming:
    """Name the line that takes results from a queue."""
    return seen.name_at(
        Cause.COMPLETION_ORDER, entry, f"{entry.operation} takes the result that is ready first", QUEUE_FIX
    )


def _name(seen: Observation) -> Naming:
    entry = seen.telling(one for one in seen.entries if one.act is not Act.TAKES_FROM_QUEUE)
    if entry is None:
        queue = queue_line(seen)
        return seen.name_bare(Cause.COMPLETION_ORDER) if queue is None else name_queue(seen, queue)
    if entry.act is Act.DELIVERS_UNORDERED:
        words = "batches are handed out as workers finish them"
        return seen.name_at(Cause.WORKER_ORDER, entry, words, IN_ORDER_FIX)
    return seen.name_at(Cause.COMPLETION_ORDER, entry, f"{entry.operation} {AS_FINISHED}")


def _concerns(pair: EntryPair, _situation: Situation) -> bool:
    return pair.differs or pair.entry.act is Act.DELIVERS_UNORDERED


AS_FINISHED = "gives results in the order in which they are finished"
QUEUE_FIX = "give each item its number, and sort the results by these numbers before they are used"
IN_ORDER_FIX = "leave in_order=False out: batches then come in the order of the sampler"

SOURCE = Source(
    name=NAME,
    words="the order in which parallel work is handed over",
    causes=(Cause.COMPLETION_ORDER, Cause.WORKER_ORDER),
    tap=_tap,
    suspicion=Suspicion(75, concerns=_concerns),
    name_fault=_name,
    may_escape=True,
)
