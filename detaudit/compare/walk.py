"""Go through one thread's steps in both runs and weigh every difference.

Steps are compared by their digests; only those that differ are opened, one at a time, so memory does not
grow with the length of a run.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from detaudit.compare.align import EventPair, Heads, ThreadPair, Traces, index_of, is_complete
from detaudit.compare.first import StreamDifference, choose, choose_in_lone_step, divergence
from detaudit.compare.scope import Reach
from detaudit.compare.significance import CORE, SHIFTING, Evaluations, decides, is_evaluation, is_numeric
from detaudit.model.result import Divergence
from detaudit.model.trace import Event, Kind, Phase, Place
from detaudit.trace.layout import StepHead

MOST = 20
"""At most this many differences of a sort are listed."""

STEP_ITSELF = Event(Place(Phase.OPTIMIZER, Kind.OPTIMIZER_STATE, "", None, ""), None, 0, None, None)
"""Stands for a completed step in which nothing was recorded."""


@dataclass(slots=True)
class ThreadWalk:
    """The walk over one thread, and what it has learned so far."""

    traces: Traces
    thread: ThreadPair
    shifted: set[Phase]
    """Phases in which one run was seen to do more than the other; shared by all threads."""
    places: Collection[Place] | None = None
    """If given, only events at these places count."""
    found: StreamDifference = field(init=False)
    _reach: Reach = field(init=False)
    evaluations: Evaluations = field(default_factory=Evaluations, init=False)

    def __post_init__(self) -> None:
        self._reach = Reach(self.traces.first)
        self.found = StreamDifference(self.thread, reach=self._reach)

    def run(self) -> StreamDifference:
        """Compare all steps."""
        for heads in self.traces.heads(self.thread):
            ours, theirs = heads
            self._count(ours, theirs)
            if ours is not None and theirs is not None and _same(ours, theirs):
                self.found.events += ours.events
            elif self._settled or self._is_known_text(heads):
                self.found.events += min(_events(ours), _events(theirs))
            else:
                self._open(heads)
        # It came before every other fault, or it would not have been noted.
        self.found.fault = self.evaluations.fault() or self.found.fault
        return self.found

    @property
    def _settled(self) -> bool:
        """True if no later step can change where this thread's runs part."""
        found = self.found
        if self.thread.is_side and found.trains and found.weight is None:
            # The weights that a race leaves behind may show it only after the next step.
            return False
        if found.core:
            return True
        # Whether the training differs too, later steps may show.
        return self._reach.training and found.fault is not None and found.fault is found.earliest

    def _is_known_text(self, heads: Heads) -> bool:
        """Say whether the runs differ in a step only in texts that are listed already."""
        if not self.found.texts or is_complete(heads[0]) != is_complete(heads[1]):
            return False
        differing = self.traces.differing(self.thread, index_of(heads))
        return differing is not None and differing <= self.found.texts.keys()

    def _count(self, ours: StepHead | None, theirs: StepHead | None) -> None:
        if ours is not None and is_complete(ours) and is_complete(theirs):
            self.found.steps += 1
            self.found.last_step = ours.index

    def _open(self, heads: Heads) -> None:
        ours, theirs = heads
        index = index_of(heads)
        pairs = self.traces.pairs(self.thread, heads)
        self.found.events += sum(not pair.missing for pair in pairs)
        self.found.trains |= any(_trains(pair.event.place) for pair in pairs)
        differing = [pair for pair in pairs if not pair.agrees and self._counts(pair.event.place)]
        self.evaluations.see(differing)
        self._note_texts(differing, index)
        self._note_weights(pairs, index)
        numeric = [pair for pair in differing if is_numeric(pair.event.place.kind)]
        if numeric:
            self._weigh(numeric, heads, pairs)
        if self.places is None and is_complete(ours) != is_complete(theirs):
            self._count_as_missing_step(pairs, heads, index)

    def _counts(self, place: Place) -> bool:
        return self.places is None or place in self.places

    def _note_texts(self, differing: list[EventPair], index: int) -> None:
        for pair in differing:
            if not is_numeric(pair.event.place.kind):
                self._list(self.found.texts, pair, index)

    def _note_weights(self, pairs: list[EventPair], index: int) -> None:
        for pair in pairs:
            place = pair.event.place
            if place.kind is Kind.WEIGHT and place.phase is Phase.OPTIMIZER:
                self.found.updated.add(place)
                if self.found.weight is None and not pair.agrees:
                    self.found.weight = divergence(pair, self.thread.label, index)

    def _weigh(self, numeric: list[EventPair], heads: Heads, pairs: list[EventPair]) -> None:
        index = index_of(heads)
        self.found.core |= any(pair.event.place.kind in CORE for pair in numeric)
        values = [pair for pair in numeric if not self._excused(pair)]
        decisive = [pair for pair in values if _is_decisive(pair)]
        is_fault = bool(decisive)
        self._reach.see(pairs, decisive, complete=is_complete(heads[0]))
        if not is_fault:
            for pair in numeric:
                self._list(self.found.doubtful, pair, index)
        # Values that go in and change nothing in their step are no beginning of anything.
        if self.found.earliest is None and (is_fault or any(pair.missing for pair in numeric)):
            chosen = self._choose(numeric, heads)
            self.found.earliest = divergence(chosen, self.thread.label, index)
            self.found.onset = divergence(numeric[0], self.thread.label, index)
        if is_fault:
            self._note_fault(values, index)

    def _note_fault(self, values: list[EventPair], index: int) -> None:
        """Keep the first fault, and before it the first fault of an evaluation alone."""
        decisive = [pair for pair in values if _is_decisive(pair)]
        only_evaluated = all(is_evaluation(pair) for pair in decisive)
        if self.found.fault is not None or (only_evaluated and self.evaluations.first is not None):
            return
        fault = divergence(choose(values), self.thread.label, index)
        fault = self.found.earliest if self.found.earliest == fault else fault
        if only_evaluated:
            self.evaluations.keep(fault, decisive)
        else:
            self.found.fault = fault

    @staticmethod
    def _choose(numeric: list[EventPair], heads: Heads) -> EventPair:
        if is_complete(heads[0]) == is_complete(heads[1]):
            return choose(numeric)
        return choose_in_lone_step(numeric, second_takes_it=is_complete(heads[1]))

    def _excused(self, pair: EventPair) -> bool:
        """Say whether a difference is no fault by itself: an extra pass, or an event that it has shifted."""
        place = pair.event.place
        if place.kind in CORE:
            return False
        if pair.missing and place.phase in SHIFTING:
            self.shifted.add(place.phase)
        return pair.missing or (place.phase in SHIFTING and place.phase in self.shifted)

    def _count_as_missing_step(self, pairs: list[EventPair], heads: Heads, index: int) -> None:
        """Note that only one run completes the step: the training differs, whatever the events say."""
        self.found.core = True
        if self.found.earliest is None:
            event = pairs[-1].event if pairs else STEP_ITSELF
            pair = EventPair(event, None) if is_complete(heads[0]) else EventPair(None, event)
            self.found.earliest = divergence(pair, self.thread.label, index)

    def _list(self, listed: dict[Place, Divergence], pair: EventPair, index: int) -> None:
        if len(listed) < MOST:
            listed.setdefault(pair.event.place, divergence(pair, self.thread.label, index))


def _same(ours: StepHead, theirs: StepHead) -> bool:
    return ours.digest == theirs.digest and ours.complete == theirs.complete


def _events(head: StepHead | None) -> int:
    return 0 if head is None else head.events


def _is_decisive(pair: EventPair) -> bool:
    if pair.event.place.kind in CORE:
        return True
    return not pair.missing and not pair.outputs_agree and decides(pair.event.place.kind)


def _trains(place: Place) -> bool:
    return place.phase in {Phase.BACKWARD, Phase.OPTIMIZER}
