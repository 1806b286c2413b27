"""Record batches: which batch each DataLoader hands out, in which order, from which samples and worker."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from detaudit.digest.algorithm import combine
from detaudit.digest.value import split_digest
from detaudit.model.data import LoaderIteration
from detaudit.model.trace import Batch, Kind, Phase
from detaudit.record.identity import IdentityMap
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.record.sampling import Lengths, sampling_of
from detaudit.torch_private.loaders import (
    DELIVERED,
    ITERATOR_MADE,
    RECEIVED,
    SAMPLED,
    STARTED_OVER,
    batches_taken,
    is_iterable,
    keeps_order,
    worker_count,
    worker_processes,
)


@dataclass(slots=True)
class _Iteration:
    """One pass over a loader."""

    facts: LoaderIteration
    stream: int
    """Number of the stream that began the pass."""
    delivered: int = 0
    worker: int | None = None
    samples: list[object] = field(default_factory=list)
    """Samples that the sampler gave and no batch has used yet; samplers run ahead of the workers."""
    forgotten: int = 0
    """Number of entries that were dropped from the front of `samples`."""

    def take_samples(self, position: int) -> object:
        """Return the sampler's entry number `position`, or None; drop it and all entries before it."""
        index = position - self.forgotten
        if not 0 <= index < len(self.samples):
            return None
        entry = self.samples[index]
        del self.samples[: index + 1]
        self.forgotten = position + 1
        return entry


class Loaders:
    """Watches torch's DataLoader from within the main process."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._iterations: IdentityMap[Any, _Iteration] = IdentityMap()
        self._loaders: IdentityMap[Any, list[int]] = IdentityMap()
        self._lengths = Lengths(recorder)
        self._early: dict[int, list[object]] = {}
        """Samples drawn by iterators that are still being made, by the iterator's address."""
        self._count = 0
        self._watch_start()
        self._watch_sampling()
        self._watch_workers()
        self._watch_delivery()

    def _watch_start(self) -> None:
        started = observing(self._recorder, self._started)
        make_iterator, reset = ITERATOR_MADE.current, STARTED_OVER.current

        @functools.wraps(make_iterator)
        def making(loader: Any) -> Any:
            iterator = make_iterator(loader)
            started(loader, iterator)
            return iterator

        @functools.wraps(reset)
        def resetting(iterator: Any, loader: Any, first_iter: bool = False) -> None:  # noqa: FBT001, FBT002 - torch's own signature
            if not first_iter:
                started(loader, iterator)
            reset(iterator, loader, first_iter)

        # The one place where all iteration starts, and the one where persistent workers start over.
        self._recorder.scope.replace(*ITERATOR_MADE, making)
        self._recorder.scope.replace(*STARTED_OVER, resetting)

    def _started(self, loader: Any, iterator: Any) -> None:
        counters = self._loaders.get(loader)
        if counters is None:
            self._count += 1
            counters = [self._count, 0]
            self._loaders.set(loader, counters)
        counters[1] += 1
        facts = self._facts(iterator, loader, (counters[0], counters[1] - 1))
        iteration = _Iteration(facts, self._recorder.stream().number)
        # With workers, the sampler ran ahead while the iterator was made.
        iteration.samples = self._early.pop(id(iterator), [])
        self._iterations.set(iterator, iteration)
        self._recorder.batch_writer().set_iteration(iteration.stream, facts)

    def _facts(self, iterator: Any, loader: Any, number: tuple[int, int]) -> LoaderIteration:
        sampling, before = sampling_of(iterator, self._lengths), self._iterations.get(iterator)
        iterable = is_iterable(iterator)
        return LoaderIteration(
            *number,
            dataset=type(loader.dataset).__name__,
            # The sampler of such a loader is a stand-in of torch's.
            sampler="" if iterable else sampling.sampler,
            shuffles=sampling.shuffles,
            covers=sampling.covers,
            iterable=iterable,
            droppable=sampling.droppable,
            length=sampling.length,
            workers=worker_count(iterator),
            processes=tuple(worker.pid or 0 for worker in worker_processes(iterator)),
            round=0 if before is None else before.facts.round + 1,
            exhausted=False,
        )

    def _ended(self, iterator: Any) -> None:
        iteration = self._iterations.get(iterator)
        if iteration is None:
            return
        # Without workers, the sampler asks for the length when the first batch is wanted.
        length = sampling_of(iterator, self._lengths).length
        iteration.facts = replace(iteration.facts, length=length, exhausted=True)
        self._recorder.batch_writer().set_iteration(iteration.stream, iteration.facts)

    def _watch_sampling(self) -> None:
        next_index, sampled = SAMPLED.current, observing(self._recorder, self._sampled)

        @functools.wraps(next_index)
        def sampling(iterator: Any) -> Any:
            index = next_index(iterator)
            sampled(iterator, index)
            return index

        # Every sampler passes here.
        self._recorder.scope.replace(*SAMPLED, sampling)

    def _sampled(self, iterator: Any, index: object) -> None:
        iteration = self._iterations.get(iterator)
        if iteration is None:
            self._early.setdefault(id(iterator), []).append(index)
        else:
            iteration.samples.append(index)

    def _watch_workers(self) -> None:
        process_data = RECEIVED.current
        received = observing(self._recorder, self._received)

        @functools.wraps(process_data)
        def processing(iterator: Any, data: Any, worker: int) -> Any:
            received(iterator, worker)
            return process_data(iterator, data, worker)

        # The one place that knows the worker.
        self._recorder.scope.replace(*RECEIVED, processing)

    def _received(self, iterator: Any, worker: int) -> None:
        iteration = self._iterations.get(iterator)
        if iteration is not None:
            iteration.worker = worker

    def _watch_delivery(self) -> None:
        advance, delivered = DELIVERED.current, observing(self._recorder, self._delivered)
        ended = observing(self._recorder, self._ended)

        @functools.wraps(advance)
        def advancing(iterator: Any) -> Any:
            try:
                data = advance(iterator)
            except StopIteration:
                ended(iterator)
                raise
            delivered(iterator, data)
            return data

        # Every batch passes here.
        self._recorder.scope.replace(*DELIVERED, advancing)

    def _delivered(self, iterator: Any, data: object) -> None:
        iteration = self._iterations.get(iterator)
        if iteration is None:
            return
        recorder, stream = self._recorder, self._recorder.stream()
        numbers, text = split_digest(data)
        name, site = f"{iteration.facts.dataset} (loader {iteration.facts.loader})", recorder.sites.here()
        key = recorder.key(Phase.DATA, Kind.BATCH, "", None, name)
        sequence = recorder.add(stream, key, numbers, site=site)
        recorder.sketch(numbers, data)
        if text is not None:
            recorder.add(stream, recorder.key(Phase.DATA, Kind.BATCH_TEXT, "", None, name), text, site=site)
        batch = Batch(
            sequence,
            iteration.facts.loader,
            iteration.facts.iteration,
            iteration.delivered,
            iteration.worker,
            _indices(self._samples(iterator, iteration)),
            stream.step,
            numbers if text is None else combine("batch", (numbers, text)),
        )
        recorder.batch_writer().add_batch(stream.number, batch)
        iteration.delivered += 1

    def _samples(self, iterator: Any, iteration: _Iteration) -> object:
        if iteration.worker is None:
            return iteration.take_samples(iteration.delivered)
        if not keeps_order(iterator):
            # Delivered as they come: which entry this was is known to torch's local variables only.
            return None
        return iteration.take_samples(batches_taken(iterator) - 1)


def _indices(samples: object) -> tuple[int, ...] | None:
    if isinstance(samples, int):
        return (samples,)
    if isinstance(samples, list | tuple):
        numbers = list(_flat(samples))
        if numbers and all(isinstance(number, int) for number in numbers):
            return tuple(int(number) for number in numbers)
    return None


def _flat(items: list[Any] | tuple[Any, ...]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list | tuple):
            yield from _flat(item)
        else:
            yield item.item() if hasattr(item, "item") and getattr(item, "ndim", 1) == 0 else item
