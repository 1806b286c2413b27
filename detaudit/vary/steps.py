"""Choose the steps that are measured: one step says nothing about what happens in a later step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from detaudit.model.trace import Kind, Place, StreamRole
from detaudit.model.variation import Promise
from detaudit.trace.data import steps_completed
from detaudit.trace.reader import TraceReader


def steps_to_measure(parted: int, first: TraceReader, second: TraceReader, promise: Promise) -> list[int]:
    """Choose the step in which two runs part, and those that could hide what begins later.

    Where bits can be equal, whatever is wrong shows as a difference, and grows. Where they cannot, the last
    step is measured too, and the first one in which the runs do not go through the same modules, gradients
    and weights.
    """
    steps = {parted}
    if promise is Promise.PRECISION:
        shared = min(steps_completed(first), steps_completed(second))
        steps.update(step for step in _other_course(first, second, shared) if step > parted)
        steps.add(max(parted, shared - 1))
    return sorted(steps)


def _other_course(first: TraceReader, second: TraceReader, steps: int) -> Iterator[int]:
    """Find the first step that has other events in the two runs, if there is one."""
    for step in range(steps):
        if _places(first, step) != _places(second, step):
            yield step
            return


def _places(reader: TraceReader, step: int) -> Counter[Place]:
    """Count the events of each thing in a step of the main thread, without operators (they vary by dtype)."""
    return Counter(
        event.place
        for stream in reader.streams
        if stream.role is StreamRole.MAIN and reader.steps_begun(stream.id) > step
        for event in reader.step(stream.id, step).events
        if event.place.kind is not Kind.OP
    )
