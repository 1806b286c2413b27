"""Match the threads and processes beside the main one, and say whether they agree as a whole.

A pool hands its jobs to whichever thread is free, so the same events may be spread over threads differently
in two runs that agree. What must agree is the collection of events over all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator

import xxhash

from detaudit.compare.side_by_side import Thread, Traces
from detaudit.compare.significance import is_numeric
from detaudit.compare.stream_difference import StreamDifference
from detaudit.compare.walk import Walk
from detaudit.model.trace import Event, Phase, Place, Stream, StreamRole
from detaudit.trace.layout import NO_DIGEST
from detaudit.trace.reader import TraceReader

MAIN = frozenset({StreamRole.MAIN})
SIDES = frozenset({StreamRole.THREAD, StreamRole.PROCESS})
"""Loader workers are in neither: prefetching makes the length of their streams a matter of chance."""

ENTRY = 1 << 128
"""Sums are taken modulo this; one sum stands for a place's collection of digests, in whatever order."""


def match_threads(first: TraceReader, second: TraceReader, roles: Collection[StreamRole]) -> list[Thread]:
    """Match threads of both runs by their labels, in order of first appearance; equal labels are counted."""
    ours, theirs = _labelled(first, roles), _labelled(second, roles)
    return [
        Thread(
            label, (ours.get(label) or theirs[label]).process, _number(ours, label), _number(theirs, label)
        )
        for label in dict.fromkeys([*ours, *theirs])
    ]


def compare_sides(traces: Traces, shifted: set[Phase]) -> list[StreamDifference]:
    """Compare all threads and processes beside the main one."""
    threads = match_threads(traces.first, traces.second, SIDES)
    if all(_steps_agree(traces, thread) for thread in threads):
        return [Walk(traces, thread, shifted).run() for thread in threads]
    places = _disagreeing_places(traces, threads)
    return [Walk(traces, thread, shifted, places).run() for thread in threads]


def _labelled(reader: TraceReader, roles: Collection[StreamRole]) -> dict[str, Stream]:
    seen: Counter[str] = Counter()
    labelled = {}
    for stream in reader.streams:
        if stream.role in roles:
            seen[stream.label] += 1
            count = seen[stream.label]
            labelled[stream.label if count == 1 else f"{stream.label}#{count}"] = stream
    return labelled


def _number(streams: dict[str, Stream], label: str) -> int | None:
    return streams[label].id if label in streams else None


def _steps_agree(traces: Traces, thread: Thread) -> bool:
    return all(
        ours is not None
        and theirs is not None
        and (ours.digest, ours.complete) == (theirs.digest, theirs.complete)
        for ours, theirs in traces.heads(thread)
    )


def _disagreeing_places(traces: Traces, threads: list[Thread]) -> frozenset[Place]:
    ours = _collect(_events(traces.first, (thread.first for thread in threads)))
    theirs = _collect(_events(traces.second, (thread.second for thread in threads)))
    return frozenset(place for place in {*ours, *theirs} if ours.get(place) != theirs.get(place))


def _events(reader: TraceReader, streams: Iterable[int | None]) -> Iterator[Event]:
    for stream in streams:
        if stream is not None:
            for head in reader.heads(stream):
                yield from reader.step(stream, head.index).events


def _collect(events: Iterable[Event]) -> dict[Place, int]:
    """Compute a number for each place: equal for equal collections of digests, whatever their order."""
    sums: defaultdict[Place, int] = defaultdict(int)
    for event in events:
        if is_numeric(event.place.kind):
            entry = xxhash.xxh3_128_intdigest((event.inputs or NO_DIGEST) + (event.outputs or NO_DIGEST))
            sums[event.place] = (sums[event.place] + entry) % ENTRY
    return dict(sums)
