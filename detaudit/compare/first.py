"""Hold where each thread differs, and choose the divergence at which the two runs part."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from detaudit.compare.align import EventPair, ThreadPair
from detaudit.compare.ranks import is_earlier, rank_of
from detaudit.compare.scope import Reach
from detaudit.compare.significance import SHIFTING
from detaudit.model.result import Divergence, DivergenceKind
from detaudit.model.trace import Kind, Phase, Place


@dataclass(slots=True)
class StreamDifference:
    """The result of comparing one thread of two runs."""

    thread: ThreadPair
    steps: int = 0
    """Steps that both runs completed."""
    last_step: int | None = None
    """The last step that both runs completed."""
    events: int = 0
    """Events that both runs have."""
    core: bool = False
    """True if the training itself differs."""
    updated: set[Place] = field(default_factory=set)
    """Weights that the thread left behind after a step that differs."""
    weight: Divergence | None = None
    """The first of these weights that differs."""
    trains: bool = False
    """True if the thread was seen to train, in a step that differs."""
    earliest: Divergence | None = None
    """The first divergence that could reach a number, whether it did or not."""
    onset: Divergence | None = None
    """The event with which `earliest` begins: within a module that encloses it, say."""
    fault: Divergence | None = None
    """The first divergence that is a fault even where the training agrees."""
    texts: dict[Place, Divergence] = field(default_factory=dict)
    """Differences in strings."""
    doubtful: dict[Place, Divergence] = field(default_factory=dict)
    """Differences that are a fault only if the training differs too."""
    reach: Reach | None = None
    """What the differences reach; None for a thread that was not walked through."""

    @property
    def process(self) -> str:
        """The process that the thread belongs to."""
        return self.thread.process

    def candidate(self, *, core: bool) -> Divergence | None:
        """Return where the runs part in this thread, given whether the training differs anywhere."""
        return self.earliest if core else self.fault


def divergence(pair: EventPair, stream: str, step: int) -> Divergence:
    """Describe a pair that does not agree."""
    kind = DivergenceKind.STRUCTURE if pair.missing else DivergenceKind.VALUE
    return Divergence(kind, stream, step, pair.first, pair.second, origin=pair.missing or pair.inputs_agree)


def choose(differing: Sequence[EventPair]) -> EventPair:
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
        return next(initial, None) or _in_its_pass(earliest, differing)
    if earliest.missing:
        return _in_its_pass(earliest, differing)
    if earliest.inputs_agree or earliest.event.place.kind is not Kind.MODULE:
        return earliest
    around = (
        pair
        for pair in differing[1:]
        if pair.inputs_agree and encloses(pair.event.place, earliest.event.place)
    )
    return next(around, earliest)


def _in_its_pass(fetched: EventPair, differing: Sequence[EventPair]) -> EventPair:
    """Name an evaluation that only one run makes by its outermost module, not by the batch it fetches."""
    if not fetched.missing or fetched.event.place.phase not in SHIFTING:
        return fetched
    alone = (pair for pair in differing if pair.missing and (pair.first is None) is (fetched.first is None))
    following = [pair for pair in alone if pair.event.place.phase is not Phase.DATA]
    if not following or following[0].event.place.phase is not Phase.EVAL:
        return fetched
    # That module's line is where the program evaluates; what it calls is recorded before it.
    return next((pair for pair in following if not pair.event.place.module), following[0])


def choose_in_lone_step(differing: Sequence[EventPair], *, second_takes_it: bool) -> EventPair:
    """Choose the pair for a step that only one run completes: its optimizer step, if nothing parts before.

    What parts the runs is that one goes on, not the batch that it goes on with.
    """
    chosen = choose(differing)
    if not chosen.missing or (chosen.first is None) is not second_takes_it:
        return chosen
    alone = (pair for pair in differing if pair.missing and (pair.first is None) is second_takes_it)
    return next((pair for pair in alone if pair.event.place.phase is Phase.OPTIMIZER), chosen)


def encloses(outer: Place, inner: Place) -> bool:
    """Say whether `outer` is the call of a module that contains the module of `inner`, in the same phase."""
    if outer.kind is not Kind.MODULE or (outer.phase, outer.root) != (inner.phase, inner.root):
        return False
    if outer.module is None or inner.module is None or outer.module == inner.module:
        return False
    return outer.module == "" or inner.module.startswith(outer.module + ".")


def choose_stream(
    main: StreamDifference, sides: Iterable[StreamDifference], *, core: bool
) -> StreamDifference:
    """Choose the thread or process in which the runs part first; at least one must have a candidate.

    Within a process the order of events decides, and between ranks the order of a training step. Between
    other processes events have no order, so a process that trains is preferred to a main process that differs
    only in what training leaves behind.
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
    ranks = rank_of(side.process), rank_of(chosen.process)
    if None not in ranks and ranks[0] != ranks[1]:
        return is_earlier(side.onset or ours, chosen.onset or theirs)
    return side.trains and _is_aftermath(theirs)


def _is_aftermath(divergence: Divergence) -> bool:
    """Say whether training in another process can have left the divergence behind."""
    place = divergence.event.place
    if divergence.kind is not DivergenceKind.VALUE:
        return False
    return place.phase is Phase.EVAL or (place.kind is Kind.WEIGHT and place.phase is Phase.OPTIMIZER)


def raced_weight(chosen: StreamDifference, sides: Iterable[StreamDifference]) -> Divergence | None:
    """Return the weight that threads of one process update without order, if that is why `chosen` differs.

    It is chance where a thread first shows such a race (in an output, in a gradient): another thread has
    meanwhile written the values that the thread reads.
    """
    if chosen.weight is None or not chosen.thread.is_side:
        return None
    others = (side for side in sides if side is not chosen and side.process == chosen.process)
    return chosen.weight if any(side.updated & chosen.updated for side in others) else None
