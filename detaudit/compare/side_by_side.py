"""Put two traces side by side: their threads by label, their steps by number, their events by identity."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from detaudit.compare.align import Pair, align
from detaudit.model.trace import Event, Place
from detaudit.trace.data import read_identities
from detaudit.trace.heads import StepHead
from detaudit.trace.layout import KEY_BYTES
from detaudit.trace.reader import TraceReader

Heads = tuple[StepHead | None, StepHead | None]


@dataclass(frozen=True, slots=True)
class Thread:
    """The stream of one label in both traces; None where a trace has no such stream."""

    label: str
    process: str
    first: int | None
    second: int | None

    @property
    def is_side(self) -> bool:
        """True for a thread beside its process's main one."""
        return self.label != self.process


@dataclass(frozen=True, slots=True)
class Traces:
    """The two traces that are compared."""

    first: TraceReader
    second: TraceReader

    def heads(self, thread: Thread) -> Iterator[Heads]:
        """Yield the steps of a thread in both runs, side by side, in order."""
        ours = iter(()) if thread.first is None else self.first.heads(thread.first)
        theirs = iter(()) if thread.second is None else self.second.heads(thread.second)
        return _side_by_side(ours, theirs)

    def heads_at(self, thread: Thread, steps: Collection[int]) -> Iterator[Heads]:
        """Yield the steps of a thread that have the given numbers."""
        for step in sorted(steps):
            ours = None if thread.first is None else self.first.head(thread.first, step)
            theirs = None if thread.second is None else self.second.head(thread.second, step)
            if ours is not None or theirs is not None:
                yield ours, theirs

    def pairs(self, thread: Thread, heads: Heads) -> list[Pair]:
        """Match the events of one step."""
        ours, theirs = heads
        first = self._events(self.first, thread.first, ours)
        second = self._events(self.second, thread.second, theirs)
        return align(first, second, second_leads=is_complete(theirs) and not is_complete(ours))

    def differing(self, thread: Thread, index: int) -> set[Place] | None:
        """Return the places whose events differ in a step of both runs; None if the runs lack common places.

        Quick, because no event is made.
        """
        if thread.first is None or thread.second is None:
            return None
        ours, theirs = (
            read_identities(reader, stream, index)
            for reader, stream in ((self.first, thread.first), (self.second, thread.second))
        )
        if len(ours) != len(theirs):
            return None
        pairs = [
            (one[:KEY_BYTES], other[:KEY_BYTES])
            for one, other in zip(ours, theirs, strict=True)
            if one != other
        ]
        if any(one != other or one not in self.first.places for one, other in pairs):
            return None
        return {self.first.places[key] for key, _ in pairs}

    @staticmethod
    def _events(reader: TraceReader, stream: int | None, head: StepHead | None) -> tuple[Event, ...]:
        return () if stream is None or head is None else reader.step(stream, head.index).events


def index_of(heads: Heads) -> int:
    """Return the number of a step that at least one run has."""
    head = heads[0] or heads[1]
    if head is None:
        raise ValueError("at least one run has the step")
    return head.index


def is_complete(head: StepHead | None) -> bool:
    """Say whether the run has the step and completed it."""
    return head is not None and head.complete


def _side_by_side(ours: Iterator[StepHead], theirs: Iterator[StepHead]) -> Iterator[Heads]:
    """Merge two sequences of steps by their index."""
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left.index < right.index):
            yield left, None
            left = next(ours, None)
        elif left is None or right.index < left.index:
            yield None, right
            right = next(theirs, None)
        else:
            yield left, right
            left, right = next(ours, None), next(theirs, None)
