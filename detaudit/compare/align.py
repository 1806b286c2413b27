"""Put two traces side by side: threads by label, steps by number, the events of a step by identity.

An event's identity is its place and how often that place came before in the step. Where one run has a place
more often than the other, counting would shift every occurrence behind the extra one; there, occurrences with
equal digests are matched first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import inf

from detaudit.model.trace import Event, Place
from detaudit.trace.data import read_identities
from detaudit.trace.layout import KEY_BYTES, StepHead
from detaudit.trace.reader import TraceReader

Match = tuple[int | None, int | None]
"""Position in the first run's step and in the second's; None where that run lacks the event."""

MATCHING_LIMIT = 4_000_000
"""Occurrences in the first run times those in the second, above which a best match takes too long."""

Heads = tuple[StepHead | None, StepHead | None]


@dataclass(frozen=True, slots=True)
class EventPair:
    """An event in both runs, or in the only run that has it."""

    first: Event | None
    second: Event | None

    @property
    def event(self) -> Event:
        """The event of whichever run has it."""
        event = self.first or self.second
        if event is None:
            raise ValueError("a pair has an event in at least one run")
        return event

    @property
    def missing(self) -> bool:
        """True if only one run has the event."""
        return self.first is None or self.second is None

    @property
    def inputs_agree(self) -> bool:
        """True if both runs have the event and the same went in, or nothing did."""
        return self.first is not None and self.second is not None and self.first.inputs == self.second.inputs

    @property
    def outputs_agree(self) -> bool:
        """True if both runs have the event and the same came out."""
        return (
            self.first is not None and self.second is not None and self.first.outputs == self.second.outputs
        )

    @property
    def agrees(self) -> bool:
        """True if both runs have the event with the same digests."""
        if self.first is None or self.second is None:
            return False
        return self.first.inputs == self.second.inputs and self.first.outputs == self.second.outputs


def align(first: Sequence[Event], second: Sequence[Event], *, second_leads: bool = False) -> list[EventPair]:
    """Match the events of one step, in the order of the first run.

    An event of only one run stands where its neighbours that both runs have put it. Where both runs have
    events of their own in one gap, those of the first run come first, or of the second if `second_leads`.
    """
    matches = _match(first, second)
    partners = {there: here for here, there in matches if here is not None and there is not None}
    gaps = _gaps(len(second), partners, second_leads=second_leads)

    def position(match: Match) -> tuple[float, int, int]:
        here, there = match
        if here is not None:
            return here, 0, 0
        return (*gaps[there or 0], there or 0)

    ordered = sorted(matches, key=position)
    return [EventPair(_at(first, here), _at(second, there)) for here, there in ordered]


def _at(events: Sequence[Event], index: int | None) -> Event | None:
    return None if index is None else events[index]


def _match(first: Sequence[Event], second: Sequence[Event]) -> list[Match]:
    ours, theirs = _by_place(first), _by_place(second)
    matches: list[Match] = []
    for place, here in ours.items():
        there = theirs.pop(place, [])
        if len(here) == len(there):
            matches.extend(zip(here, there, strict=True))
        else:
            matches.extend(_match_shifted(first, here, second, there))
    matches.extend((None, index) for rest in theirs.values() for index in rest)
    return matches


def _by_place(events: Sequence[Event]) -> dict[Place, list[int]]:
    positions: defaultdict[Place, list[int]] = defaultdict(list)
    for index, event in enumerate(events):
        positions[event.place].append(index)
    return dict(positions)


def _match_shifted(
    first: Sequence[Event], here: list[int], second: Sequence[Event], there: list[int]
) -> list[Match]:
    """Match the occurrences of a place that one run has more often."""
    ours = [(first[index].inputs, first[index].outputs) for index in here]
    theirs = [(second[index].inputs, second[index].outputs) for index in there]
    matches: list[Match] = []
    for here_from, here_to, there_from, there_to in _blocks(ours, theirs):
        both = min(here_to - here_from, there_to - there_from)
        matches.extend(
            zip(here[here_from : here_from + both], there[there_from : there_from + both], strict=True)
        )
        matches.extend((index, None) for index in here[here_from + both : here_to])
        matches.extend((None, index) for index in there[there_from + both : there_to])
    return matches


def _blocks(
    ours: list[tuple[bytes | None, bytes | None]], theirs: list[tuple[bytes | None, bytes | None]]
) -> list[tuple[int, int, int, int]]:
    """Cut two sequences into stretches that belong together; every index is in exactly one."""
    if len(ours) * len(theirs) > MATCHING_LIMIT:
        return [(0, len(ours), 0, len(theirs))]
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    return [(i, j, k, m) for _, i, j, k, m in matcher.get_opcodes()]


def _gaps(count: int, partners: dict[int, int], *, second_leads: bool) -> list[tuple[float, int]]:
    """Say where in the first run's order each event of the second run would stand.

    Right behind the last event before it that both runs have if `second_leads`, else right before the next.
    """
    places: list[tuple[float, int]] = [(0, 0)] * count
    last: float = -1 if second_leads else inf
    for index in range(count) if second_leads else reversed(range(count)):
        last = partners.get(index, last)
        places[index] = (last, 1 if second_leads else -1)
    return places


@dataclass(frozen=True, slots=True)
class ThreadPair:
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

    def heads(self, thread: ThreadPair) -> Iterator[Heads]:
        """Yield the steps of a thread in both runs, side by side, in order."""
        ours = iter(()) if thread.first is None else self.first.heads(thread.first)
        theirs = iter(()) if thread.second is None else self.second.heads(thread.second)
        return _side_by_side(ours, theirs)

    def heads_at(self, thread: ThreadPair, steps: Collection[int]) -> Iterator[Heads]:
        """Yield the steps of a thread that have the given numbers."""
        for step in sorted(steps):
            ours = None if thread.first is None else self.first.head(thread.first, step)
            theirs = None if thread.second is None else self.second.head(thread.second, step)
            if ours is not None or theirs is not None:
                yield ours, theirs

    def pairs(self, thread: ThreadPair, heads: Heads) -> list[EventPair]:
        """Match the events of one step."""
        ours, theirs = heads
        first = self._events(self.first, thread.first, ours)
        second = self._events(self.second, thread.second, theirs)
        return align(first, second, second_leads=is_complete(theirs) and not is_complete(ours))

    def differing(self, thread: ThreadPair, index: int) -> set[Place] | None:
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
