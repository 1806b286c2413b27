"""Decide whether evaluations that differ are a fault, where the training agrees.

A preview that is made when the clock says so shows other numbers in each run, and trains nothing: no fault.
But where a line evaluates at the same steps in both runs, its results should be the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from detaudit.compare.align import Pair
from detaudit.compare.significance import CORE
from detaudit.model.result import Divergence
from detaudit.model.trace import Kind, Phase, Site


@dataclass(slots=True)
class Evaluations:
    """The evaluations of one thread that were seen to differ between the runs."""

    first: Divergence | None = None
    """The first divergence in evaluations alone."""
    _at: frozenset[Site | None] = frozenset()
    """The lines of the program that evaluate in the step of that divergence."""
    _moving: set[Site | None] = field(default_factory=set)
    """Lines that were seen to evaluate in a step in one run only."""

    def see(self, differing: Iterable[Pair]) -> None:
        """Note the lines that evaluate in only one of the runs, in one step."""
        self._moving.update(_lines(pair for pair in differing if pair.missing))

    def keep(self, first: Divergence, pairs: Iterable[Pair]) -> None:
        """Keep the first divergence, and the lines of the pairs of its step."""
        self.first, self._at = first, frozenset(_lines(pairs))

    def fault(self) -> Divergence | None:
        """Give the first divergence if its lines evaluate at the same steps in both runs; ask at the end."""
        moves = bool(self._at) and self._at <= self._moving
        return None if moves else self.first


def is_evaluation(pair: Pair) -> bool:
    """Say whether an event belongs to an evaluation, which by itself changes no weight."""
    place = pair.event.place
    return place.kind not in CORE and place.phase is Phase.EVAL


def _lines(pairs: Iterable[Pair]) -> Iterator[Site | None]:
    """Yield the lines of the program that evaluate: those that call outermost modules."""
    for pair in pairs:
        place = pair.event.place
        if place.phase is Phase.EVAL and place.kind is Kind.MODULE and not place.module:
            yield pair.event.site
