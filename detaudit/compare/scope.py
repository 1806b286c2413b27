"""Decide whether a difference reaches the training, or only what is evaluated or shown.

"The training is the same" needs more than weights that agree: all differences must come from module calls
that no backward pass went through, made with the weights that the training left.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from detaudit.compare.align import EventPair
from detaudit.compare.wording import DRAWING
from detaudit.model.result import (
    TRAINING,
    AuditResult,
    Comparison,
    FaultScope,
    Finding,
    Notice,
    Verdict,
)
from detaudit.model.trace import Kind, Level, Phase, Place
from detaudit.trace.data import read_moving_buffers
from detaudit.trace.reader import TraceReader

Owner = tuple[str, str | None]
"""A module: its root, and its path below that."""


@dataclass(slots=True)
class Reach:
    """What the differences of one thread reach, in the steps that the walk has seen so far."""

    trace: TraceReader
    training: bool = False
    """True if the training itself differs, or may."""
    unsure: bool = False
    """True if a module that has weights gives another output for the same input outside of the training."""
    _owners: frozenset[Owner] | None = field(default=None, init=False)
    _moving: frozenset[str] | None = field(default=None, init=False)

    def see(self, pairs: Sequence[EventPair], decisive: Sequence[EventPair], *, complete: bool) -> None:
        """Take in a step: all its pairs, and those of them whose difference is a fault."""
        if self.training or not decisive:
            return
        self.training = not (
            self._apart(pairs, decisive) and (complete or not self._moves_buffers(pairs, decisive))
        )
        self.unsure = self.unsure or any(pair.inputs_agree and self._has_weights(pair) for pair in decisive)

    def _apart(self, pairs: Sequence[EventPair], decisive: Sequence[EventPair]) -> bool:
        """Say whether all differences come from calls that no backward pass went through."""
        if any(pair.event.place.kind is not Kind.MODULE for pair in decisive):
            return False
        forward = [pair for pair in decisive if pair.event.place.phase is not Phase.EVAL]
        if any(pair.event.place.phase is not Phase.FORWARD for pair in forward):
            return False
        if forward and self.trace.info.level is Level.STEP:
            # Which calls a backward pass went through is not recorded.
            return False
        spare = _without_backward(pairs)
        differing = Counter(pair.event.place.root for pair in forward if _is_outermost(pair.event.place))
        return all(0 < differing[root] <= spare[root] for root in {pair.event.place.root for pair in forward})

    def _moves_buffers(self, pairs: Sequence[EventPair], decisive: Sequence[EventPair]) -> bool:
        """Say whether a model was evaluated last that is in training mode, and so may change its buffers."""
        roots = {pair.event.place.root for pair in decisive}
        training = {
            pair.event.place.root
            for pair in pairs
            if pair.event.place.kind is Kind.INPUT and pair.event.place.phase is not Phase.EVAL
        }
        if self._moving is None:
            self._moving = read_moving_buffers(self.trace)
        return bool(roots & training & self._moving)

    def _has_weights(self, pair: EventPair) -> bool:
        place = pair.event.place
        if self._owners is None:
            weights = [one for one in self.trace.places.values() if one.kind is Kind.WEIGHT]
            self._owners = frozenset((one.root, one.module) for one in weights)
        if self.trace.info.level is Level.STEP:
            return any(root == place.root for root, _ in self._owners)
        return (place.root, place.module) in self._owners


def _is_outermost(place: Place) -> bool:
    return place.kind is Kind.MODULE and not place.module


def _without_backward(pairs: Iterable[EventPair]) -> dict[str, int]:
    """Count the calls of each outermost module to which no gradient came back."""
    calls: Counter[str] = Counter()
    gradients: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        place = pair.event.place
        if _is_outermost(place) and place.phase is Phase.FORWARD:
            calls[place.root] += 1
        elif place.kind is Kind.GRAD_OUTPUT and not place.module:
            # Where a call gives several tensors, each has a name of its own.
            gradients[place.root][place.name] += 1
    return defaultdict(
        int, {root: count - max(gradients[root].values(), default=0) for root, count in calls.items()}
    )


def scope_of(reaches: Iterable[Reach], trace: TraceReader, *, core: bool, steps: int) -> FaultScope | None:
    """Decide what the differences between two runs reach; see `Comparison.scope`."""
    reaches = list(reaches)
    trained = any(one.kind is Kind.WEIGHT and one.phase is Phase.OPTIMIZER for one in trace.places.values())
    if core or not trained or not steps or any(one.training for one in reaches):
        return FaultScope.TRAINING
    return None if any(one.unsure for one in reaches) else FaultScope.EVALUATION


def gravest(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Select the pairs of runs whose training differs, or else may differ; all pairs if there is none."""
    for scope in (FaultScope.TRAINING, None):
        found = [one for one in comparisons if one.scope is scope]
        if found:
            return found
    return list(comparisons)


def seen_closely(coarse: Comparison, fine: Comparison | None) -> FaultScope:
    """Decide what a difference reaches, by runs with every operator; `fine` is None if those are equal.

    If an operator within the call differs by itself (its inputs agree, or it draws random numbers), it comes
    before any operator that was given other weights.
    """
    if fine is not None and fine.scope is FaultScope.TRAINING:
        return FaultScope.TRAINING
    if coarse.scope is not None:
        return coarse.scope
    if fine is None or fine.first is None or coarse.first is None:
        return FaultScope.TRAINING
    place = fine.first.event.place
    within = place.kind is Kind.OP and place.root and place.root == coarse.first.event.place.root
    by_itself = fine.first.origin or place.name.startswith(DRAWING)
    return FaultScope.EVALUATION if within and by_itself else FaultScope.TRAINING


def narrowed(comparison: Comparison, asked: str) -> Comparison:
    """Narrow a comparison to what was asked about: where only evaluations differ, the training is equal."""
    if asked != TRAINING or comparison.equal or comparison.scope is not FaultScope.EVALUATION:
        return comparison
    return replace(comparison, equal=True, first=None, others=(), affected=None)


def within_scope(result: AuditResult, asked: str) -> AuditResult:
    """Narrow an answer to what was asked: about the training alone, faults of evaluations become notices."""
    if asked != TRAINING:
        return result
    evaluation = [one for one in result.findings if one.scope is FaultScope.EVALUATION]
    kept = tuple(one for one in result.findings if one.scope is not FaultScope.EVALUATION)
    only = bool(evaluation) and not kept and result.verdict is Verdict.NOT_REPRODUCIBLE
    return replace(
        result,
        verdict=Verdict.REPRODUCIBLE if only else result.verdict,
        findings=kept,
        unexplained=() if only else result.unexplained,
        notices=(*map(_as_notice, evaluation), *result.notices),
        scope=TRAINING,
    )


def _as_notice(finding: Finding) -> Notice:
    """Turn a finding about something that was not asked about into a notice."""
    cause = f" ({finding.cause})" if finding.cause else ""
    site = "" if finding.site is None else f", at {finding.site.file}:{finding.site.line}"
    rate = f"{finding.rate['differs']} of {finding.rate['pairs']} pairs of runs"
    return Notice(
        "evaluation-differs",
        f"evaluations differ in {rate}, first in step {finding.origin.step}{site}{cause}: {finding.message}",
    )
