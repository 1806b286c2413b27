"""How far two runs are apart, step by step: in all weights together, and in the loss."""

from __future__ import annotations

from collections.abc import Iterable

from detaudit.compare.result import steps_completed
from detaudit.model.sketch import Sketch, combined, relative_difference
from detaudit.model.trace import Event, Kind, Phase, StreamRole
from detaudit.model.variation import Growth
from detaudit.trace.reader import TraceReader
from detaudit.trace.sketches import read_sketch

MOST_STEPS = 60
"""How many steps are looked at, evenly spaced over a long run."""


def growth_of(first: TraceReader, second: TraceReader) -> tuple[Growth, ...]:
    """Estimate it from the sketches of two runs; empty where they have none."""
    streams = [stream for stream in (_main(first), _main(second)) if stream is not None]
    if len(streams) < len((first, second)):
        return ()
    steps = min(steps_completed(first), steps_completed(second))
    found = []
    for step in _spaced(steps):
        ours, theirs = (
            reader.step(stream, step).events for reader, stream in zip((first, second), streams, strict=True)
        )
        weights = _apart(_weights(first, ours), _weights(second, theirs))
        found.append(Growth(step, weights, _apart(_loss(first, ours), _loss(second, theirs))))
    return tuple(found)


def largest(growth: Iterable[Growth]) -> float | None:
    """The largest difference of the weights, or of the loss where that is all there is."""
    known = [one.weights if one.weights is not None else one.loss for one in growth]
    return max((one for one in known if one is not None), default=None)


def _main(reader: TraceReader) -> int | None:
    numbers = [stream.id for stream in reader.streams if stream.role is StreamRole.MAIN]
    return max(numbers, key=reader.steps_completed, default=None)


def _spaced(steps: int) -> list[int]:
    if steps <= MOST_STEPS:
        return list(range(steps))
    return sorted({round(index * (steps - 1) / (MOST_STEPS - 1)) for index in range(MOST_STEPS)})


def _weights(reader: TraceReader, events: tuple[Event, ...]) -> Sketch | None:
    return combined(_sketches(reader, events, {Kind.WEIGHT}))


def _loss(reader: TraceReader, events: tuple[Event, ...]) -> Sketch | None:
    return combined(_sketches(reader, events, {Kind.LOSS}))


def _sketches(reader: TraceReader, events: tuple[Event, ...], kinds: set[Kind]) -> dict[str, Sketch]:
    found: dict[str, Sketch] = {}
    for event in events:
        place = event.place
        if place.kind not in kinds or place.phase is Phase.INIT:
            continue
        sketch = read_sketch(reader, event.outputs)
        if sketch is not None:
            found[f"{place.root} {place.module} {place.name}"] = sketch
    return found


def _apart(first: Sketch | None, second: Sketch | None) -> float | None:
    if first is None or second is None:
        return None
    return relative_difference(first, second)
