"""Random numbers drawn by the workers of a loader: by two of them alike, or by one of them again.

A state that is the same before and after a fetch, and moved between, is the same numbers drawn.
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
"""What one worker drew in one pass, by generator."""


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
        """What each worker drew in a pass."""
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
    """The draws of one worker in one pass that would be wrong in another.

    What is drawn in the first fetch only can be a preparation that all workers share on purpose (an order
    from which each takes its part), so it counts only if the same generator goes on, or if there is no
    further fetch of a data set that has no such beginning.
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
    """Generators from which workers of one pass drew the same numbers."""
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
    """Generators from which a worker drew the same numbers as its like in the pass before."""
    sharing: defaultdict[str, list[int]] = defaultdict(list)
    for worker in sorted(earlier.keys() & drawn.keys()):
        for name in earlier[worker].keys() & drawn[worker].keys():
            if earlier[worker][name] & drawn[worker][name]:
                sharing[name].append(worker)
    for name, workers in sorted(sharing.items()):
        yield Occurrence(DataFault.EPOCHS_REPEAT_RANDOMNESS, later.facts.iteration, tuple(workers), name)
