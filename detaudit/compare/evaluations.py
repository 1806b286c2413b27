"""Evaluations that differ while the training agrees: a fault, unless they come at other steps in each run.

A preview that is made when the clock says so shows other numbers each time, and trains nothing. But where a
line evaluates at the same steps in both runs, what it gives should be the same.
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
    """What was seen of the evaluations of one thread."""

    first: Divergence | None = None
    """The first divergence in evaluations alone."""
    _at: frozenset[Site | None] = frozenset()
    """The lines that evaluate there."""
    _moving: set[Site | None] = field(default_factory=set)
    """Lines that were seen to evaluate in a step in one run only."""

    def see(self, differing: Iterable[Pair]) -> None:
        """Note the lines that evaluate in only one of the runs, in one step."""
        self._moving.update(_lines(pair for pair in differing if pair.missing))

    def keep(self, first: Divergence, pairs: Iterable[Pair]) -> None:
        """Keep the first divergence, and the lines of the pairs of its step."""
        self.first, self._at = first, frozenset(_lines(pairs))

    def fault(self) -> Divergence | None:
        """The first divergence, if its lines evaluate at the same steps in both runs. Asked at the end."""
        moves = bool(self._at) and self._at <= self._moving
        return None if moves else self.first


def is_evaluation(pair: Pair) -> bool:
    """True for what an evaluation gives, which reaches no weight by itself."""
    place = pair.event.place
    return place.kind not in CORE and place.phase is Phase.EVAL


def _lines(pairs: Iterable[Pair]) -> Iterator[Site | None]:
    """The lines of the program that evaluate: those of the outermost modules."""
    for pair in pairs:
        place = pair.event.place
        if place.phase is Phase.EVAL and place.kind is Kind.MODULE and not place.module:
            yield pair.event.site
