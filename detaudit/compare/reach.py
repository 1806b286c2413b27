"""Find how far a difference reached, and further origins behind the first.

Looks at a bounded number of steps, so it stays fast where two long runs differ in every step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from detaudit.compare.align import EventPair, Heads, ThreadPair, Traces, index_of
from detaudit.compare.first import divergence, encloses
from detaudit.compare.walk import MOST
from detaudit.model.result import Affected, Divergence
from detaudit.model.trace import Kind, Phase, Place

STEPS_SEARCHED = 10
"""Differing steps, from the first on, in which further origins are looked for."""


def affected(traces: Traces, steps: dict[ThreadPair, set[int]], from_step: int) -> Affected:
    """Count the weights and the modules that differ in the given steps of each thread."""
    weights: set[tuple[str, str | None, str]] = set()
    layers: set[tuple[str, str | None]] = set()
    for thread, wanted in steps.items():
        for heads in traces.heads_at(thread, wanted):
            for pair in traces.pairs(thread, heads):
                if not pair.agrees and not pair.missing:
                    _count(pair.event.place, weights, layers)
    return Affected(len(weights), len(layers), from_step)


def _count(
    place: Place, weights: set[tuple[str, str | None, str]], layers: set[tuple[str, str | None]]
) -> None:
    if place.kind is Kind.WEIGHT:
        weights.add((place.root, place.module, place.name))
    elif place.kind is Kind.MODULE:
        layers.add((place.root, place.module))


@dataclass(slots=True)
class _OriginSearch:
    """The search for further origins in one thread."""

    thread: ThreadPair
    seen: list[Place]
    """Places that are accounted for: of the first divergence, and of the origins found since."""
    weights_differ: bool = False
    found: list[Divergence] = field(default_factory=list)

    def look(self, pairs: list[EventPair], index: int, *, after: Place | None) -> None:
        """Search one step, or what comes in it behind the event at `after`."""
        waiting = after is not None
        in_step: list[Place] = []
        for pair in pairs:
            if pair.agrees:
                continue
            place = pair.event.place
            if not waiting and place not in self.seen and self._is_origin(pair, in_step):
                self.seen.append(place)
                self.found.append(divergence(pair, self.thread.label, index))
            waiting = waiting and place != after
            in_step.append(place)
            self.weights_differ |= place.kind is Kind.WEIGHT and not pair.missing

    def _is_origin(self, pair: EventPair, in_step: list[Place]) -> bool:
        """Say whether nothing that was seen before explains the difference.

        A module whose inputs agree may differ because its weights do, or because a module inside it does.
        """
        if pair.missing or not pair.inputs_agree:
            return False
        place = pair.event.place
        match place.kind:
            case Kind.OP:
                return pair.event.inputs is not None
            case Kind.BATCH:
                return True
            case Kind.WEIGHT | Kind.BUFFER:
                return place.phase is Phase.INIT
            case Kind.MODULE:
                inside = any(encloses(place, earlier) or _is_op_inside(place, earlier) for earlier in in_step)
                return pair.event.inputs is not None and not self.weights_differ and not inside
            case _:
                return False


def _is_op_inside(module: Place, place: Place) -> bool:
    if (
        place.kind is not Kind.OP
        or place.root != module.root
        or place.module is None
        or module.module is None
    ):
        return False
    return module.module in {"", place.module} or place.module.startswith(module.module + ".")


def further_origins(traces: Traces, thread: ThreadPair, first: Divergence) -> list[Divergence]:
    """List origins behind the first divergence, one for each place, without those that follow from others."""
    search = _OriginSearch(thread, [first.event.place])
    for heads in islice(_differing(traces, thread, first.step), STEPS_SEARCHED):
        index = index_of(heads)
        search.look(
            traces.pairs(thread, heads), index, after=first.event.place if index == first.step else None
        )
    return search.found[:MOST]


def _differing(traces: Traces, thread: ThreadPair, start: int) -> Iterator[Heads]:
    for heads in traces.heads(thread):
        ours, theirs = heads
        differ = ours is None or theirs is None or ours.digest != theirs.digest
        if differ and index_of(heads) >= start:
            yield heads
