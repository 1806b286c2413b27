"""Check whether recording changed the numbers: compare runs at level `op` with runs that were only hooked."""

from __future__ import annotations

from collections import Counter

from detaudit.model.result import Notice
from detaudit.model.trace import Event, Kind, Phase, Place, Step, StreamRole
from detaudit.trace.reader import TraceReader

_CHANGEABLE = frozenset({Phase.BACKWARD, Phase.OPTIMIZER})
"""Phases in which a changed backward pass shows first."""


def observer_effect(hooked: TraceReader, watched: TraceReader, before: int | None = None) -> list[Notice]:
    """Compare the numbers of a `layer` run with those of an `op` run, step by step, up to step `before`.

    While any Python dispatch mode is active, the backward pass of a few operators takes another path.
    """
    for ours, theirs in zip(_mains(hooked), _mains(watched), strict=False):
        for head in hooked.heads(ours):
            if before is not None and head.index >= before:
                break
            try:
                event = _first_difference(hooked.step(ours, head.index), watched.step(theirs, head.index))
            except KeyError:
                break
            if event is not None:
                # Only backward passes are known to take another path; elsewhere it is chance.
                return [_notice(event, head.index)] if event.place.phase in _CHANGEABLE else []
    return []


def _mains(reader: TraceReader) -> list[int]:
    return [stream.id for stream in reader.streams if stream.role is StreamRole.MAIN]


def _first_difference(hooked: Step, watched: Step) -> Event | None:
    expected, counts = {}, Counter[Place]()
    for event in hooked.events:
        expected[event.place, counts[event.place]] = (event.inputs, event.outputs)
        counts[event.place] += 1
    counts.clear()
    for event in watched.events:
        if event.place.kind is Kind.OP:
            continue
        key = (event.place, counts[event.place])
        counts[event.place] += 1
        if expected.get(key, (event.inputs, event.outputs)) != (event.inputs, event.outputs):
            return event
    return None


def _notice(event: Event, step: int) -> Notice:
    place = event.place
    where = ".".join(filter(None, (place.module, place.name))) or place.root or place.kind.value
    line = "" if event.site is None else f", {event.site.file}:{event.site.line}"
    text = (
        f"recording operators changed the bits of this program, first in step {step}, {place.phase.value} "
        f"of {where}{line}: under a dispatch mode, torch computes the backward pass of a few operators "
        "in another way. Runs were compared only with runs that recorded the same things"
    )
    return Notice("observer-effect", text)
