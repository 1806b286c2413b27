"""Find generators whose states differ between runs. That alone is no fault: a draw may reach nothing."""

from __future__ import annotations

from dataclasses import dataclass, field

from detaudit.compare.align import Thread, Traces, index_of
from detaudit.model.result import GeneratorDifference
from detaudit.trace.data import read_states
from detaudit.trace.layout import StepHead
from detaudit.trace.reader import TraceReader


@dataclass(slots=True)
class _Watch:
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


def compare_generators(traces: Traces, threads: list[Thread]) -> tuple[GeneratorDifference, ...]:
    """Find, for each generator of each thread, the first step at whose end its states in the runs differ."""
    return tuple(difference for thread in threads for difference in _differences(traces, thread))


def _differences(traces: Traces, thread: Thread) -> list[GeneratorDifference]:
    # Of two long runs that agree, nothing needs to be taken apart.
    if all(one is None or other is None or one.states == other.states for one, other in traces.heads(thread)):
        return []
    watch = _Watch()
    for heads in traces.heads(thread):
        ours, theirs = watch.see(0, traces.first, heads[0]), watch.see(1, traces.second, heads[1])
        for name in ours.keys() & theirs.keys():
            if ours[name] != theirs[name]:
                watch.differs_from.setdefault(name, index_of(heads))
    return [
        GeneratorDifference(name, thread.label, step, name in watch.moved)
        for name, step in sorted(watch.differs_from.items(), key=lambda item: (item[1], item[0]))
    ]
