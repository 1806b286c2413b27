"""Find random numbers that two workers of a loader draw alike, or that a worker draws in two passes.

Two fetches draw the same numbers if the generator's state before them is the same, its state after them is
the same, and the two states differ.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence

from detaudit.compare.passes import LOOKED_AT, Pass
from detaudit.model.data import DataFault, Fetch, Occurrence
from detaudit.trace.data import read_fetches, read_worker_processes
from detaudit.trace.reader import TraceReader

Draw = tuple[int, bytes, bytes]
"""Position of a fetch among those of its worker, state before it, state after it."""

Draws = Mapping[str, frozenset[Draw]]
"""The draws of one worker in one pass, by the name of the generator."""


class WorkerDraws:
    """Finds the stream of each worker of each pass; passes must be asked for in order."""

    def __init__(self, reader: TraceReader) -> None:
        self._reader = reader
        # A process number may come up again in a long run: the streams are in order of start.
        self._waiting: defaultdict[int, deque[int]] = defaultdict(deque)
        self._current: dict[int, int] = {}
        for stream, process in read_worker_processes(reader):
            self._waiting[process].append(stream)

    def of(self, one: Pass) -> dict[int, Draws]:
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


def draws_of(fetches: Sequence[Fetch], *, iterable: bool) -> Draws:
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


def repeated_by_workers(one: Pass, drawn: Mapping[int, Draws]) -> Iterator[Occurrence]:
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
    later: Pass, earlier: Mapping[int, Draws], drawn: Mapping[int, Draws]
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
