"""Audit the data side of one run: order and content of each pass over each loader, and each fault in words.

None of the faults makes a run irreproducible: a run that repeats its augmentations repeats them reliably.

Two fetches draw the same numbers if the generator's state before them is the same, its state after them is
the same, and the two states differ.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from math import log

from detaudit.compare.passes import LOOKED_AT, Pass, read_passes
from detaudit.model.data import DataAudit, DataFault, Fetch, LoaderAudit, Occurrence
from detaudit.model.result import Notice
from detaudit.trace.data import read_fetches, read_worker_processes
from detaudit.trace.reader import TraceReader

BY_CHANCE = 1e-6
"""A shuffled order that is repeated is a fault if the probability of that by chance is less than this."""

SHOWN = 5
"""At most this many epochs, workers or samples are named."""

SENTENCES = {
    DataFault.WORKERS_REPEAT_RANDOMNESS: (
        "{workers} of {loader} drew the same random numbers from {generators} in {epochs}; "
        "seed the generator in each worker from torch.initial_seed(), in worker_init_fn"
    ),
    DataFault.EPOCHS_REPEAT_RANDOMNESS: (
        "{workers} of {loader} drew the same random numbers from {generators} in {epochs} as in the epoch "
        "before; seed the generator from torch.initial_seed(), in worker_init_fn, and torch itself only once"
    ),
    DataFault.WORKERS_REPEAT_DATA: (
        "{workers} of {loader} gave the same batches in {epochs}; "
        "let each worker take a share of its own, by torch.utils.data.get_worker_info()"
    ),
    DataFault.EPOCHS_SAME_ORDER: (
        "{loader} is shuffled by {sampler}, and its samples came in the same order in {epochs} as in the "
        "epoch before; seed the generator of the order only once, or call set_epoch if the sampler has it"
    ),
    DataFault.SAMPLES_TWICE: (
        "{loader} gave {twice} more than once in {epochs}; {sampler} should give each sample once"
    ),
    DataFault.SAMPLES_MISSING: (
        "{loader} never gave {missing} in {epochs}; {sampler} should give each sample once"
    ),
}

Draw = tuple[int, bytes, bytes]
"""Position of a fetch among those of its worker, state before it, state after it."""

PassDraws = Mapping[str, frozenset[Draw]]
"""The draws of one worker in one pass, by the name of the generator."""


def audit_data(reader: TraceReader) -> DataAudit:
    """Audit all loaders of a run. Raises TraceError if the trace is damaged."""
    draws = WorkerDraws(reader)
    loaders = []
    for stream in reader.streams:
        for _, passes in groupby(read_passes(reader, stream.id), key=lambda one: one.facts.loader):
            loaders.append(_audit_loader(stream.label, list(passes), draws))
    return DataAudit(tuple(loaders))


def _audit_loader(stream: str, passes: list[Pass], draws: WorkerDraws) -> LoaderAudit:
    facts = passes[-1].facts
    faults = [*_randomness(passes, draws), *_data(passes), *_orders(passes), *_coverage(passes)]
    return LoaderAudit(
        stream=stream,
        loader=facts.loader,
        dataset=facts.dataset,
        sampler=facts.sampler,
        iterable=facts.iterable,
        workers=facts.workers,
        length=facts.length,
        epochs=tuple(one.epoch for one in passes),
        faults=tuple(faults),
    )


def _randomness(passes: list[Pass], draws: WorkerDraws) -> Iterator[Occurrence]:
    earlier = None
    for one in passes:
        drawn = draws.of(one)
        yield from repeated_by_workers(one, drawn)
        # A validation may rightly be the same each time.
        if one.epoch.trains:
            if earlier is not None and not one.anew:
                yield from repeated_by_epochs(one, earlier, drawn)
            earlier = drawn


def _data(passes: list[Pass]) -> Iterator[Occurrence]:
    for one in passes:
        if one.repeating:
            yield Occurrence(DataFault.WORKERS_REPEAT_DATA, one.facts.iteration, one.repeating)


def _orders(passes: list[Pass]) -> Iterator[Occurrence]:
    training = [one for one in passes if one.epoch.trains]
    enough = log(max(1, len(training)) / BY_CHANCE)
    for earlier, later in pairwise(training):
        alike = later.epoch.order is not None and later.epoch.order == earlier.epoch.order
        if alike and later.facts.shuffles and not later.anew and later.arrangements > enough:
            yield Occurrence(DataFault.EPOCHS_SAME_ORDER, later.facts.iteration)


def _coverage(passes: list[Pass]) -> Iterator[Occurrence]:
    for one in passes:
        facts, epoch = one.facts, one.epoch
        if not facts.covers or not facts.exhausted or epoch.samples is None:
            continue
        if epoch.twice:
            yield Occurrence(DataFault.SAMPLES_TWICE, facts.iteration)
        if facts.droppable is not None and epoch.missing_count > facts.droppable:
            yield Occurrence(DataFault.SAMPLES_MISSING, facts.iteration)


def notices(audit: DataAudit) -> tuple[Notice, ...]:
    """Return one notice for each fault of each loader."""
    found = []
    for loader in audit.loaders:
        ordered = sorted(loader.faults, key=lambda one: list(DataFault).index(one.fault))
        for fault, group in groupby(ordered, key=lambda one: one.fault):
            found.append(Notice(fault.value, _message(fault, loader, list(group))))
    return tuple(found)


def _message(fault: DataFault, loader: LoaderAudit, found: Sequence[Occurrence]) -> str:
    where = "" if loader.stream == "main" else f" in {loader.stream}"
    epoch = next(one for one in loader.epochs if one.iteration == found[0].epoch)
    return SENTENCES[fault].format(
        loader=f"{loader.dataset} (loader {loader.loader}){where}",
        sampler=loader.sampler,
        workers=_listed("worker", sorted({worker for one in found for worker in one.workers})),
        generators=" and ".join(dict.fromkeys(one.generator.removeprefix("__main__.") for one in found)),
        epochs=_listed("epoch", list(dict.fromkeys(one.epoch for one in found))),
        twice=_listed("sample", epoch.twice, epoch.twice_count),
        missing=_listed("sample", epoch.missing, epoch.missing_count),
    )


def _listed(noun: str, numbers: Sequence[int], count: int | None = None) -> str:
    """Return `worker 0`, `workers 0 and 1`, `epochs 1, 2, 3, 4, 5 and 7 more`."""
    total = len(numbers) if count is None else count
    shown = [str(number) for number in numbers[:SHOWN]]
    if total > len(shown):
        shown.append(f"{total - len(shown)} more")
    head, last = ", ".join(shown[:-1]), "".join(shown[-1:])
    return f"{noun}{'s' * (total > 1)} {head} and {last}" if head else f"{noun} {last}"


class WorkerDraws:
    """Finds the stream of each worker of each pass; passes must be asked for in order."""

    def __init__(self, reader: TraceReader) -> None:
        self._reader = reader
        # A process number may come up again in a long run: the streams are in order of start.
        self._waiting: defaultdict[int, deque[int]] = defaultdict(deque)
        self._current: dict[int, int] = {}
        for stream, process in read_worker_processes(reader):
            self._waiting[process].append(stream)

    def of(self, one: Pass) -> dict[int, PassDraws]:
        """Return the draws of each worker in a pass, by the number of the worker."""
        return {
            worker: draws_of(
                list(read_fetches(self._reader, stream, one.facts.round, LOOKED_AT)),
                iterable=one.facts.iterable,
            )
            for worker, stream in self._streams(one)
        }

    def _streams(self, one: Pass) -> Iterator[tuple[int, int]]:
        for worker, process in enumerate(one.facts.processes):
            if one.facts.round == 0:
                waiting = self._waiting[process]
                self._current[process] = waiting.popleft() if waiting else -1
            stream = self._current.get(process, -1)
            if stream >= 0:
                yield worker, stream


def draws_of(fetches: Sequence[Fetch], *, iterable: bool) -> PassDraws:
    """Return the draws of one worker in one pass that no other worker and no other pass may repeat.

    A draw in the first fetch only can be a preparation that all workers share on purpose (an order from which
    each worker takes its part). So such a draw counts only if the same generator also draws in a later fetch,
    or if the worker makes no further fetch and the data set is not iterable, so has no such preparation.
    """
    found: defaultdict[str, set[Draw]] = defaultdict(set)
    states: dict[str, bytes] = {}
    for position, fetch in enumerate(fetches):
        states.update((one.name, one.digest) for one in fetch.before)
        after = {one.name: one.digest for one in fetch.after}
        for name, digest in after.items():
            if states.get(name, digest) != digest:
                found[name].add((position, states[name], digest))
        states = after
    alone = len(fetches) == 1 and not iterable
    return {name: frozenset(moves) for name, moves in found.items() if alone or _goes_on(moves)}


def _goes_on(moves: set[Draw]) -> bool:
    return any(position > 0 for position, _, _ in moves)


def repeated_by_workers(one: Pass, drawn: Mapping[int, PassDraws]) -> Iterator[Occurrence]:
    """Yield the generators from which several workers of one pass drew the same numbers."""
    owners: defaultdict[tuple[str, Draw], list[int]] = defaultdict(list)
    for worker, draws in drawn.items():
        for name, moves in draws.items():
            for move in moves:
                owners[name, move].append(worker)
    sharing: defaultdict[str, set[int]] = defaultdict(set)
    for (name, _), workers in owners.items():
        if len(workers) > 1:
            sharing[name] |= set(workers)
    for name, found in sorted(sharing.items()):
        alike = tuple(sorted(found))
        yield Occurrence(DataFault.WORKERS_REPEAT_RANDOMNESS, one.facts.iteration, alike, name)


def repeated_by_epochs(
    later: Pass, earlier: Mapping[int, PassDraws], drawn: Mapping[int, PassDraws]
) -> Iterator[Occurrence]:
    """Yield the generators from which a worker drew the same numbers as in the pass before.

    A worker is compared with the worker of the same number in that pass.
    """
    sharing: defaultdict[str, list[int]] = defaultdict(list)
    for worker in sorted(earlier.keys() & drawn.keys()):
        for name in earlier[worker].keys() & drawn[worker].keys():
            if earlier[worker][name] & drawn[worker][name]:
                sharing[name].append(worker)
    for name, workers in sorted(sharing.items()):
        yield Occurrence(DataFault.EPOCHS_REPEAT_RANDOMNESS, later.facts.iteration, tuple(workers), name)
