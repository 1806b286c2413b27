"""Say which kinds of events decide whether two runs agree, and when evaluations that differ are a fault.

The verdict is about numbers that reach the training or that a module hands out. Strings in a batch are not
numbers yet, and an operator's result that reaches no batch, module output, loss, gradient, buffer or weight
(a draw for a log line, say) is no part of what "the same" means.

A preview that is made when the clock says so shows other numbers in each run, and trains nothing: no fault.
But where a line evaluates at the same steps in both runs, its results should be the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from detaudit.compare.align import EventPair
from detaudit.model.result import Divergence
from detaudit.model.trace import Kind, Phase, Site

CORE = frozenset(
    {
        Kind.WEIGHT,
        Kind.BUFFER,
        Kind.LOSS,
        Kind.GRAD,
        Kind.GRAD_ACCUMULATED,
        Kind.GRAD_USED,
        Kind.OPTIMIZER_STATE,
    }
)
"""The training itself: any difference here, of value or of structure, is a fault."""

SHIFTING = frozenset({Phase.DATA, Phase.EVAL})
"""Phases that may hold one more pass in one run, after which equal keys no longer mean the same thing."""


def is_numeric(kind: Kind) -> bool:
    """Say whether the kind's digests are of numbers; strings are never a fault by themselves."""
    return kind is not Kind.BATCH_TEXT


def decides(kind: Kind) -> bool:
    """Say whether a difference in the outputs is a fault even where the training agrees.

    A difference in the inputs is no fault by itself: a batch or an argument that changes no output (the time
    at which a sample was read, say) reaches no number.
    """
    return kind in CORE or kind in {Kind.MODULE, Kind.GRAD_OUTPUT}


@dataclass(slots=True)
class Evaluations:
    """The evaluations of one thread that were seen to differ between the runs."""

    first: Divergence | None = None
    """The first divergence in evaluations alone."""
    _at: frozenset[Site | None] = frozenset()
    """The lines of the program that evaluate in the step of that divergence."""
    _moving: set[Site | None] = field(default_factory=set)
    """Lines that were seen to evaluate in a step in one run only."""

    def see(self, differing: Iterable[EventPair]) -> None:
        """Note the lines that evaluate in only one of the runs, in one step."""
        self._moving.update(_lines(pair for pair in differing if pair.missing))

    def keep(self, first: Divergence, pairs: Iterable[EventPair]) -> None:
        """Keep the first divergence, and the lines of the pairs of its step."""
        self.first, self._at = first, frozenset(_lines(pairs))

    def fault(self) -> Divergence | None:
        """Give the first divergence if its lines evaluate at the same steps in both runs; ask at the end."""
        moves = bool(self._at) and self._at <= self._moving
        return None if moves else self.first


def is_evaluation(pair: EventPair) -> bool:
    """Say whether an event belongs to an evaluation, which by itself changes no weight."""
    place = pair.event.place
    return place.kind not in CORE and place.phase is Phase.EVAL


def _lines(pairs: Iterable[EventPair]) -> Iterator[Site | None]:
    """Yield the lines of the program that evaluate: those that call outermost modules."""
    for pair in pairs:
        place = pair.event.place
        if place.phase is Phase.EVAL and place.kind is Kind.MODULE and not place.module:
            yield pair.event.site
