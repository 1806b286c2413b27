"""Measure how far two runs are apart, step by step: in all weights together, and in the loss."""

from __future__ import annotations

import math
from collections.abc import Iterable

from detaudit.model.sketch import Sketch, combined, relative_difference
from detaudit.model.trace import Event, Kind, Phase, StreamRole
from detaudit.model.variation import Growth
from detaudit.trace.data import read_sketch, steps_completed
from detaudit.trace.reader import TraceReader

MOST_STEPS = 60
"""The number of steps kept of a long run, besides the step in which the runs are furthest apart."""


def growth_of(first: TraceReader, second: TraceReader) -> tuple[Growth, ...]:
    """Estimate it from the sketches of two runs; empty where they have none."""
    streams = [stream for stream in (_main(first), _main(second)) if stream is not None]
    if len(streams) < len((first, second)):
        return ()
    found = [
        _growth(
            step,
            *(_events(reader, stream, step) for reader, stream in zip((first, second), streams, strict=True)),
        )
        for step in range(min(steps_completed(first), steps_completed(second)))
    ]
    return tuple(_chosen(found))


def largest(growth: Iterable[Growth]) -> float | None:
    """Give the largest difference of the weights, or of the loss if only that is known; None: not known.

    Infinite where one of the runs has numbers that are not finite.
    """
    known = [one.weights if one.weights is not None else one.loss for one in growth]
    return max((math.inf if math.isnan(one) else one for one in known if one is not None), default=None)


def _chosen(found: list[Growth]) -> list[Growth]:
    """Choose some of many steps, evenly spaced, and the step in which the runs are furthest apart."""
    if len(found) <= MOST_STEPS:
        return found
    spaced = {round(index * (len(found) - 1) / (MOST_STEPS - 1)) for index in range(MOST_STEPS)}
    furthest = max(range(len(found)), key=lambda step: largest([found[step]]) or 0.0)
    return [found[step] for step in sorted(spaced | {furthest})]


def _main(reader: TraceReader) -> int | None:
    numbers = [stream.id for stream in reader.streams if stream.role is StreamRole.MAIN]
    return max(numbers, key=reader.steps_completed, default=None)


def _events(reader: TraceReader, stream: int, step: int) -> tuple[dict[str, Sketch], dict[str, Sketch]]:
    """Read the sketches of the weights, and of the loss, in one step."""
    events = reader.step(stream, step).events
    return _sketches(reader, events, Kind.WEIGHT), _sketches(reader, events, Kind.LOSS)


def _growth(
    step: int,
    ours: tuple[dict[str, Sketch], dict[str, Sketch]],
    theirs: tuple[dict[str, Sketch], dict[str, Sketch]],
) -> Growth:
    weights, loss = (
        _apart(combined(first), combined(second)) for first, second in zip(ours, theirs, strict=True)
    )
    return Growth(step, weights, loss)


def _sketches(reader: TraceReader, events: tuple[Event, ...], kind: Kind) -> dict[str, Sketch]:
    found: dict[str, Sketch] = {}
    for event in events:
        place = event.place
        if place.kind is not kind or place.phase is Phase.INIT:
            continue
        sketch = read_sketch(reader, event.outputs)
        if sketch is not None:
            found[f"{place.root} {place.module} {place.name}"] = sketch
    return found


def _apart(first: Sketch | None, second: Sketch | None) -> float | None:
    if first is None or second is None:
        return None
    return relative_difference(first, second)
