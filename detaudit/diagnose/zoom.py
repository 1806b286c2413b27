"""Look closer: run again with every operator of the step in which the runs part, and name the operator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from xxhash import xxh3_128_digest

from detaudit.compare.compare import compare
from detaudit.diagnose.case import Case
from detaudit.diagnose.observer import observer_effect
from detaudit.diagnose.parting import Parting
from detaudit.diagnose.suspects import pair_ledgers
from detaudit.model.ledger import EntryPair
from detaudit.model.plan import Intervention, RunOutcome
from detaudit.model.result import Comparison, Divergence, DivergenceKind, Notice
from detaudit.model.trace import Kind, Level, Phase, Step
from detaudit.sources import surroundings
from detaudit.trace.reader import TraceReader

FURTHER_STEPS = 20
"""The number of later steps that a second look covers: by chance, a race may give equal results in the step
in question, and show only later."""


@dataclass(frozen=True, slots=True)
class RunValues:
    """The values of one run at the place where two others part, and in the last step that is comparable."""

    there: bytes | None
    """Digest of the first event in that place; None where the run has none."""
    last: bytes | None
    """Digest of the weights after the last step; None where the run has no such step, or no weights in it."""


@dataclass(frozen=True, slots=True)
class Closer:
    """The result of looking closer."""

    parting: Parting
    notices: tuple[Notice, ...] = ()
    comparison: Comparison | None = None
    """The comparison of the two runs with operators; None if they are equal."""
    ledgers: tuple[EntryPair, ...] = ()
    window: tuple[int, int] = (0, 0)
    """The first step whose operators these runs recorded, and the step before which they ended."""
    values: tuple[RunValues, ...] = ()
    """For each run with operators: its values at the place where the first runs part, and at its end."""


def look_closer(
    case: Case,
    parting: Parting,
    hooked: TraceReader | None,
    held: tuple[Intervention, ...] = (),
) -> Closer:
    """Find the operator, if closer runs part where the first ones did.

    `hooked` is the trace of a run without operators. Where the closer runs do not part there (a race that
    came out equal, a clock), the place stays, its rate counts them, and a notice says so.
    """
    why, coarse = "", parting.coarse
    closer = Closer(parting)
    for window in _windows(coarse):
        case.progress.note(_announcement(window))
        name = f"closer-{case.extra_runs}"
        outcomes = case.run_again(name, runs=2, level=Level.OP, window=window, held=held, ledger=True)
        if not all(outcome.ended_well for outcome in outcomes):
            return replace(closer, notices=(_not_named("a run at level `op` did not end well"),))
        fine, closer = _compare(outcomes, coarse, hooked, replace(closer, window=window))
        if coarse.first is not None and (coarse.first.kind is DivergenceKind.VALUE or not fine.equal):
            # These runs end early: a course that is taken later, or not, cannot be seen in them.
            parting = parting.counting(differs=not fine.equal)
        if fine.first is not None and _same_place(coarse, fine.first):
            return replace(closer, parting=replace(parting, fine=fine), comparison=fine)
        if _same_event(coarse, fine):
            # Every operator before it was seen and agreed: no operator made the difference.
            return replace(closer, parting=replace(parting, operators_agree=True), comparison=fine)
        closer = replace(closer, parting=parting, comparison=None if fine.equal else fine)
        why = _why_not(fine)
    return replace(closer, notices=(*closer.notices, _not_named(why)))


def _windows(comparison: Comparison) -> Iterator[tuple[int, int]]:
    """Yield the steps to look at: the step in which the runs part, then all up to some way behind it."""
    if comparison.first is None:
        raise ValueError("the runs do not differ")
    step = comparison.first.step
    yield step, step + 1
    if comparison.first.kind is DivergenceKind.VALUE:
        yield 0, step + 1 + FURTHER_STEPS


def name_racing_operator(
    case: Case, closer: Closer, coarse: Comparison, held: tuple[Intervention, ...]
) -> Closer:
    """Provoke a kernel's race that did not show when it was looked at closely: with more threads than before.

    Only for a fault of which it is known that a kernel makes it. The program's own choice of threads holds.
    """
    step = 0 if coarse.first is None else coarse.first.step
    case.progress.note("the kernel is not named yet; running with more threads, so that it races more often")
    outcomes = case.run_again(
        f"provoked-{case.extra_runs}",
        runs=2,
        level=Level.OP,
        window=(0, step + 1 + FURTHER_STEPS),
        held=held,
        perturbed=(Intervention(surroundings.THREADS, amount=surroundings.MANY),),
        ledger=True,
    )
    if not all(outcome.ended_well for outcome in outcomes):
        return closer
    fine, _ = _compare(outcomes, coarse, None, closer)
    if fine.first is None or fine.first.event.place.kind is not Kind.OP or not fine.first.origin:
        return closer
    return replace(closer, parting=replace(closer.parting, provoked=fine), comparison=fine)


def _compare(
    outcomes: list[RunOutcome], coarse: Comparison, hooked: TraceReader | None, closer: Closer
) -> tuple[Comparison, Closer]:
    with ExitStack() as stack:
        readers = [stack.enter_context(TraceReader(outcome.trace)) for outcome in outcomes if outcome.trace]
        fine = compare(readers[0], readers[1], coarse.runs)
        agreed = min((one.first.step for one in (coarse, fine) if one.first is not None), default=None)
        notices = () if hooked is None else observer_effect(hooked, readers[0], before=agreed)
        values = () if coarse.first is None else tuple(values_of(readers, coarse.first, closer.window))
        ledgers = tuple(pair_ledgers(readers[0], readers[1]))
        return fine, replace(closer, notices=tuple(notices), ledgers=ledgers, values=values)


def values_of(
    readers: Iterable[TraceReader], divergence: Divergence, window: tuple[int, int]
) -> Iterator[RunValues]:
    """Give what runs have in the place of a divergence, and in the last step of a window."""
    for reader in readers:
        there = _step_of(reader, divergence.stream, divergence.step)
        place = divergence.event.place
        value = None if there is None else next((e.outputs for e in there.events if e.place == place), None)
        last = _step_of(reader, divergence.stream, window[1] - 1)
        yield RunValues(value, None if last is None else _weights(last))


def _step_of(reader: TraceReader, label: str, index: int) -> Step | None:
    """Read a step of a stream; None if the run has no such step."""
    for stream in reader.streams:
        if stream.label == label:
            try:
                return reader.step(stream.id, index)
            except KeyError:
                return None
    return None


def _weights(step: Step) -> bytes | None:
    """Digest the weights of a step; of all that is recorded, weights alone are never without consequence."""
    weights = [one for one in step.events if one.place.kind is Kind.WEIGHT]
    seen = repr([(str(one.place), one.outputs) for one in weights])
    return xxh3_128_digest(seen.encode()) if weights else None


def _same_place(coarse: Comparison, closer: Divergence) -> bool:
    """Say whether a divergence at operator level can be the divergence at layer level, seen more closely."""
    seen = coarse.first
    if seen is None or seen.kind is not closer.kind or seen.stream != closer.stream:
        return False
    if closer.event.place.kind is not Kind.OP:
        return False
    return seen.kind is DivergenceKind.VALUE and _compatible(seen.event.place.phase, closer.event.place.phase)


def _same_event(coarse: Comparison, closer: Comparison) -> bool:
    if coarse.first is None or closer.first is None:
        return False
    return (coarse.first.step, coarse.first.event.place) == (closer.first.step, closer.first.event.place)


def _compatible(coarse: Phase, closer: Phase) -> bool:
    # Operators outside of modules are told apart less well: before a step's forward pass, all is data.
    before_forward = {Phase.INIT, Phase.DATA, Phase.OPTIMIZER, Phase.EVAL, Phase.FORWARD}
    return coarse is closer or (closer in before_forward and coarse in before_forward)


def _announcement(window: tuple[int, int]) -> str:
    if window[1] - window[0] == 1:
        return f"the runs differ in step {window[0]}; running again to see every operator of that step"
    return f"the difference did not show; running once more to see every operator up to step {window[1]}"


def _why_not(closer: Comparison) -> str:
    if closer.first is None:
        return "the runs at level `op` agreed, so the difference comes and goes"
    place = closer.first.event.place
    where = f"{place.phase.value}, {place.module or place.name or place.kind.value}"
    return (
        f"the runs at level `op` parted at a place that no operator shows: step {closer.first.step}, {where}"
    )


def _not_named(why: str) -> Notice:
    return Notice("operator-not-named", f"the operator is not named: {why}")
