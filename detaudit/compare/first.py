"""Choose the divergence at which two runs part, among all that a step or several threads show."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from detaudit.compare.align import Pair
from detaudit.model.result import Divergence, DivergenceKind
from detaudit.model.trace import Kind, Phase, Place

if TYPE_CHECKING:
    from detaudit.compare.walk import StreamDifference


def divergence(pair: Pair, stream: str, step: int) -> Divergence:
    """Describe a pair that does not agree."""
    kind = DivergenceKind.STRUCTURE if pair.missing else DivergenceKind.VALUE
    return Divergence(kind, stream, step, pair.first, pair.second, origin=pair.missing or pair.inputs_agree)


def choose(differing: Sequence[Pair]) -> Pair:
    """Choose the pair at which a step's events part, among those that do not agree, in their order.

    That is the earliest one, with one exception: where a module's inputs already differ and nothing before it
    does, the code around it made the difference, so the innermost enclosing module whose own inputs agree is
    the origin. (A module is recorded when it returns, behind the modules that it calls.) An operator in that
    position stays the answer itself: its line is where the difference enters torch.

    And initial weights are recorded when a module is first called, but were made before any batch: where a
    batch is the earliest difference, initial weights that differ come before it.
    """
    earliest = differing[0]
    if earliest.event.place.kind in {Kind.BATCH, Kind.INPUT}:
        initial = (pair for pair in differing if pair.event.place.phase is Phase.INIT and not pair.missing)
        return next(initial, earliest)
    if earliest.missing or earliest.inputs_agree or earliest.event.place.kind is not Kind.MODULE:
        return earliest
    around = (
        pair
        for pair in differing[1:]
        if pair.inputs_agree and encloses(pair.event.place, earliest.event.place)
    )
    return next(around, earliest)


def encloses(outer: Place, inner: Place) -> bool:
    """True if `outer` is the call of a module that contains the one of `inner`, in the same phase."""
    if outer.kind is not Kind.MODULE or (outer.phase, outer.root) != (inner.phase, inner.root):
        return False
    if outer.module is None or inner.module is None or outer.module == inner.module:
        return False
    return outer.module == "" or inner.module.startswith(outer.module + ".")


def choose_stream(
    main: StreamDifference, sides: Iterable[StreamDifference], *, core: bool
) -> StreamDifference:
    """The thread or process in which the runs part first; at least one of them has a candidate.

    Within a process the order of events decides. Between processes nothing orders them, so one that trains
    is preferred to a main process that differs only in what training leaves behind.
    """
    chosen = main
    for side in sides:
        if side.candidate(core=core) is not None and _precedes(side, chosen, core=core):
            chosen = side
    return chosen


def _precedes(side: StreamDifference, chosen: StreamDifference, *, core: bool) -> bool:
    ours, theirs = side.candidate(core=core), chosen.candidate(core=core)
    if ours is None or theirs is None:
        return ours is not None
    if side.process == chosen.process and ours.event.sequence < theirs.event.sequence:
        return True
    return side.trains and _is_aftermath(theirs)


def _is_aftermath(divergence: Divergence) -> bool:
    """True if the divergence is what training elsewhere would leave behind."""
    place = divergence.event.place
    if divergence.kind is not DivergenceKind.VALUE:
        return False
    return place.phase is Phase.EVAL or (place.kind is Kind.WEIGHT and place.phase is Phase.OPTIMIZER)
