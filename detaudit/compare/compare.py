"""Compare two traces, from their first step to the result of the comparison.

Walk the main thread, then the others; decide whether any difference reaches a number; if so, name where the
runs first part, what else starts behind it and how far it reaches.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import chain, islice

from detaudit.compare.first import choose_stream, raced_weight
from detaudit.compare.generators import compare_generators
from detaudit.compare.reach import affected, further_origins
from detaudit.compare.scope import scope_of
from detaudit.compare.side_by_side import Thread, Traces
from detaudit.compare.stream_difference import StreamDifference
from detaudit.compare.streams import MAIN, SIDES, compare_sides, match_threads
from detaudit.compare.walk import MOST, Walk
from detaudit.errors import TraceError
from detaudit.model.result import Affected, Comparison, Divergence
from detaudit.model.trace import Phase
from detaudit.trace.reader import TraceReader


def compare(first: TraceReader, second: TraceReader, names: tuple[str, str] = ("1", "2")) -> Comparison:
    """Compare two runs; `names` are what the result calls them.

    Raises TraceError if the traces hold digests that mean different things.
    """
    _check_comparable(first, second)
    traces = Traces(first, second)
    shifted: set[Phase] = set()
    mains = [Walk(traces, thread, shifted).run() for thread in match_threads(first, second, MAIN)]
    main = mains[0] if mains else StreamDifference(Thread("main", "main", None, None))
    sides = [*mains[1:], *compare_sides(traces, shifted)]
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
        if chosen is None or origin is None
        else _others(traces, chosen, everything, origin, core=core),
        harmless=tuple(islice(_harmless(everything, equal=equal), MOST)),
        generators=compare_generators(traces, threads),
        affected=None if chosen is None or origin is None else _affected(traces, main, chosen, origin),
        scope=scope_of(reaches, first, core=core, steps=steps),
    )


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
    steps: defaultdict[Thread, set[int]] = defaultdict(set)
    steps[chosen.thread].add(origin.step)
    for found in (main, chosen):
        if found.last_step is not None:
            steps[found.thread].add(found.last_step)
    return affected(traces, steps, origin.step)
