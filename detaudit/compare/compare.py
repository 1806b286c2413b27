"""Compare two traces, first step to result; also the threads and processes beside the main one.

Walk the main thread, then the others; decide whether any difference reaches a number; if so, name where the
runs first part, what else starts behind it and how far it reaches.

A pool hands its jobs to whichever thread is free, so the same events may be spread over threads differently
in two runs that agree. What must agree is the collection of events over all of them.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain, islice

import xxhash

from detaudit.compare.align import ThreadPair, Traces, index_of
from detaudit.compare.first import StreamDifference, choose_stream, raced_weight
from detaudit.compare.ranks import as_ranges, rank_of
from detaudit.compare.reach import affected, further_origins
from detaudit.compare.scope import scope_of
from detaudit.compare.significance import is_numeric
from detaudit.compare.walk import MOST, ThreadWalk
from detaudit.errors import TraceError
from detaudit.model.result import Affected, Comparison, Divergence, GeneratorDifference
from detaudit.model.trace import Event, Phase, Place, Stream, StreamRole
from detaudit.trace.data import read_states
from detaudit.trace.layout import NO_DIGEST, StepHead
from detaudit.trace.reader import TraceReader

MAIN = frozenset({StreamRole.MAIN, StreamRole.RANK})
SIDES = frozenset({StreamRole.THREAD, StreamRole.PROCESS})
"""Streams beside the main one. Loader workers are not compared: the length of their streams depends on
prefetching, and so on chance."""

ENTRY = 1 << 128
"""The modulus of sums of digests; one sum stands for all digests of a place, in any order."""


def compare(
    first: TraceReader, second: TraceReader, names: tuple[str, str] = ("1", "2"), *, closely: bool = True
) -> Comparison:
    """Compare two runs; `names` are what the result calls them.

    If not `closely`, say where they part, and neither what else begins behind that nor how far it reaches.

    Raises TraceError if the traces hold digests that mean different things.
    """
    _check_comparable(first, second)
    traces = Traces(first, second)
    shifted: set[Phase] = set()
    mains = [ThreadWalk(traces, thread, shifted).run() for thread in match_threads(first, second, MAIN)]
    main = _leading(mains)
    sides = [*(found for found in mains if found is not main), *compare_sides(traces, shifted)]
    everything = [main, *sides]
    core = any(found.core for found in everything)
    equal = all(found.candidate(core=core) is None for found in everything)
    chosen = None if equal else choose_stream(main, sides, core=core)
    origin = None if chosen is None else raced_weight(chosen, sides) or chosen.candidate(core=core)
    threads = match_threads(first, second, MAIN | SIDES)
    steps = main.steps or max((side.steps for side in sides), default=0)
    reaches = [found.reach for found in everything if found.reach is not None]
    return Comparison(
        runs=names,
        level=first.info.level,
        steps=steps,
        events=sum(found.events for found in everything),
        equal=equal,
        first=origin,
        others=()
        if chosen is None or origin is None or not closely
        else _others(traces, chosen, everything, origin, core=core),
        harmless=tuple(islice(_harmless(everything, equal=equal), MOST)),
        generators=compare_generators(traces, threads) if closely else (),
        affected=None
        if chosen is None or origin is None or not closely
        else replace(_affected(traces, main, chosen, origin), ranks=_differing_ranks(mains, core=core)),
        scope=scope_of(reaches, first, core=core, steps=steps),
    )


def _leading(mains: list[StreamDifference]) -> StreamDifference:
    """Choose the thread whose steps are the program's: the main one or, if that only starts ranks, theirs."""
    training = next((found for found in mains if found.steps), None)
    if training is not None:
        return training
    return mains[0] if mains else StreamDifference(ThreadPair("main", "main", None, None))


def _differing_ranks(mains: Iterable[StreamDifference], *, core: bool) -> str:
    differing = (found.process for found in mains if found.candidate(core=core) is not None)
    return as_ranges(number for process in differing if (number := rank_of(process)) is not None)


def _check_comparable(first: TraceReader, second: TraceReader) -> None:
    ours, theirs = first.info, second.info
    for what, one, other in (("digest", ours.digest, theirs.digest), ("level", ours.level, theirs.level)):
        if one != other:
            message = (
                f"the traces cannot be compared: {first.path} has {what} {one}, {second.path} has {other}"
            )
            hint = (
                "record both with the same detaudit version"
                if what == "digest"
                else "record both with one --level"
            )
            raise TraceError("trace-not-comparable", message, hint)


def _others(
    traces: Traces,
    chosen: StreamDifference,
    everything: list[StreamDifference],
    origin: Divergence,
    *,
    core: bool,
) -> tuple[Divergence, ...]:
    """List further origins in the same thread, then the divergences of other threads."""
    elsewhere = (found.candidate(core=core) for found in everything if found is not chosen)
    further = further_origins(traces, chosen.thread, origin)
    return tuple(islice(chain(further, filter(None, elsewhere)), MOST))


def _harmless(everything: Iterable[StreamDifference], *, equal: bool) -> Iterable[Divergence]:
    for found in everything:
        yield from found.texts.values()
        if equal:
            yield from found.doubtful.values()


def _affected(
    traces: Traces, main: StreamDifference, chosen: StreamDifference, origin: Divergence
) -> Affected:
    """Count what the difference reached by the last step that both runs completed."""
    steps: defaultdict[ThreadPair, set[int]] = defaultdict(set)
    steps[chosen.thread].add(origin.step)
    for found in (main, chosen):
        if found.last_step is not None:
            steps[found.thread].add(found.last_step)
    return affected(traces, steps, origin.step)


def match_threads(first: TraceReader, second: TraceReader, roles: Collection[StreamRole]) -> list[ThreadPair]:
    """Match threads of both runs by their labels, in order of first appearance; equal labels are counted."""
    ours, theirs = _labelled(first, roles), _labelled(second, roles)
    threads = [
        ThreadPair(
            label, (ours.get(label) or theirs[label]).process, _number(ours, label), _number(theirs, label)
        )
        for label in dict.fromkeys([*ours, *theirs])
    ]
    # Ranks start in any order.
    return sorted(threads, key=lambda thread: -1 if (rank := rank_of(thread.process)) is None else rank)


def compare_sides(traces: Traces, shifted: set[Phase]) -> list[StreamDifference]:
    """Compare all threads and processes beside the main one."""
    threads = match_threads(traces.first, traces.second, SIDES)
    # Each rank has pools of its own.
    ranks = dict.fromkeys(rank_of(thread.process) for thread in threads)
    pools = ([thread for thread in threads if rank_of(thread.process) == rank] for rank in ranks)
    return [found for pool in pools for found in _compare_pool(traces, pool, shifted)]


def _compare_pool(traces: Traces, threads: list[ThreadPair], shifted: set[Phase]) -> list[StreamDifference]:
    if all(_steps_agree(traces, thread) for thread in threads):
        return [ThreadWalk(traces, thread, shifted).run() for thread in threads]
    places = _disagreeing_places(traces, threads)
    return [ThreadWalk(traces, thread, shifted, places).run() for thread in threads]


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


def _steps_agree(traces: Traces, thread: ThreadPair) -> bool:
    return all(
        ours is not None
        and theirs is not None
        and (ours.digest, ours.complete) == (theirs.digest, theirs.complete)
        for ours, theirs in traces.heads(thread)
    )


def _disagreeing_places(traces: Traces, threads: list[ThreadPair]) -> frozenset[Place]:
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


@dataclass(slots=True)
class _GeneratorStates:
    """The states of one thread's generators that were seen so far in both runs."""

    last: dict[tuple[int, str], bytes] = field(default_factory=dict)
    """The latest state by run (0 or 1) and generator."""
    moved: set[str] = field(default_factory=set)
    differs_from: dict[str, int] = field(default_factory=dict)

    def see(self, run: int, reader: TraceReader, head: StepHead | None) -> dict[str, bytes]:
        """Take in one run's states at the end of one step."""
        found = () if head is None else read_states(reader, head.states)
        states = {state.name: state.digest for state in found}
        for name, digest in states.items():
            if self.last.get((run, name), digest) != digest:
                self.moved.add(name)
            self.last[run, name] = digest
        return states


def compare_generators(traces: Traces, threads: list[ThreadPair]) -> tuple[GeneratorDifference, ...]:
    """Find, for each generator of each thread, the first step at whose end its states in the runs differ."""
    return tuple(difference for thread in threads for difference in _differences(traces, thread))


def _differences(traces: Traces, thread: ThreadPair) -> list[GeneratorDifference]:
    # Of two long runs that agree, nothing needs to be taken apart.
    if all(one is None or other is None or one.states == other.states for one, other in traces.heads(thread)):
        return []
    watch = _GeneratorStates()
    for heads in traces.heads(thread):
        ours, theirs = watch.see(0, traces.first, heads[0]), watch.see(1, traces.second, heads[1])
        for name in ours.keys() & theirs.keys():
            if ours[name] != theirs[name]:
                watch.differs_from.setdefault(name, index_of(heads))
    return [
        GeneratorDifference(name, thread.label, step, name in watch.moved)
        for name, step in sorted(watch.differs_from.items(), key=lambda item: (item[1], item[0]))
    ]
