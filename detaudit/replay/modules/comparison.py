"""Compare in the second run: make each call that the first run kept again with this run's module."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch

from detaudit.replay.arithmetic.float64 import Float64
from detaudit.replay.calls.keep import LayerCalls
from detaudit.replay.calls.module_call import ModuleCall
from detaudit.replay.calls.replay import (
    BACKWARD,
    FORWARD,
    GRADIENT_OF,
    INPUT,
    OUTPUT,
    Given,
    ValueKey,
    numbered,
    replay,
    trained,
)
from detaudit.replay.distance import apart
from detaudit.replay.modules.files import KeptCall, LayerFolder, is_own
from detaudit.replay.modules.in_runs import (
    InRuns,
    Tensors,
    WholeRun,
    around_call,
    left_by_step,
    values_in_run,
)
from detaudit.replay.modules.references import rounding_of, rounding_of_call
from detaudit.replay.modules.replays import why_unfaithful
from detaudit.replay.modules.rows import beside_float64, named, rows_of
from detaudit.replay.optimizer import OptimizerStep, step_again
from detaudit.replay.wire.layers import (
    ONLY_FIRST,
    ONLY_SECOND,
    Definition,
    Identity,
    MeasuredLayers,
    Numbers,
    ValueOrigin,
    ValueRow,
)

OPTIMIZER = "optimizer"
Autocast = tuple[str, torch.dtype]
"""A kind of device, and the dtype in which `torch.autocast` computes on such a device."""
AT_START = "before the step"


class LayerComparison:
    """Compares the calls of the first run, one after the other, with those of this run."""

    def __init__(
        self, folder: LayerFolder, calls: LayerCalls, step: OptimizerStep | None, float64: WholeRun
    ) -> None:
        self._folder, self._step, self._float64 = folder, step, float64
        self._own = {call.identity: call for call in calls.whole()}
        self._parents = {
            call.identity: None if call.parent is None else calls.calls[call.parent].identity
            for call in calls.whole()
        }
        self._unkept = calls.unkept
        self._autocast: tuple[dict[Autocast, None], dict[Autocast, None]] = {}, {}
        """The autocast settings of both runs, in the calls that were compared."""

    def measure(self, definitions: tuple[Definition, ...], *, compiled: bool) -> MeasuredLayers:
        """Measure every call and the step in this run. Raises OSError if the first run left nothing."""
        contents = self._folder.contents()
        parents = dict(contents.parents)
        weights = self._folder.weights()
        rows: list[ValueRow] = []
        for number, (identity, _) in enumerate(contents.parents):
            kept = self._folder.load_call(number, weights)
            rows += self._of_call(kept, _called_inside(parents, identity), opens=not number)
        alone = list(self._only_here({*parents, *(one for one, _ in contents.unkept)}))
        rows += [*alone, *self._of_step()]
        return MeasuredLayers(
            tuple(rows),
            (*contents.parents, *((row.call, self._parents[row.call]) for row in alone)),
            (*contents.unkept, *self._unkept.items()),
            contents.compiled or compiled,
            definitions,
            tuple(_named_dtypes(one) for one in self._autocast),
        )

    def _of_call(self, kept: KeptCall, inside: frozenset[str], *, opens: bool) -> Iterator[ValueRow]:
        own = self._own.get(kept.identity)
        if own is None:
            if kept.identity not in self._unkept:
                yield _lone(kept.identity, kept.kind, ONLY_FIRST)
            return
        identity = kept.identity
        for seen, state in zip(self._autocast, (kept.state, own.state), strict=True):
            seen.update(dict.fromkeys(state.autocast))
        in_runs = InRuns(values_in_run(kept), values_in_run(own), self._float64.of_call(identity))
        why = _other_arguments(kept, own) or kept.replayed.why or why_unfaithful(own)
        if why:
            kept.replayed.why = why
        for key, row in rows_of(kept.replayed, _computing(kept, own), rounding_of_call(own), in_runs):
            inner = key[1].startswith(GRADIENT_OF) and _owner(key[1]) in inside
            yield named(row, identity, kept.kind, key, ValueOrigin.MADE, inner=inner)
        if self._parents[identity] is None:
            yield from self._of_root(kept, own, in_runs.float64, opens=opens)

    def _of_root(
        self, kept: KeptCall, own: ModuleCall, float64: Tensors, *, opens: bool
    ) -> Iterator[ValueRow]:
        """Compare the values from outside: weights, batches, the gradient of the loss."""
        for name in (one for one in kept.parameters if one in own.parameters):
            row = _as_in_runs(kept.parameters[name], own.parameters[name])
            yield named(row, kept.identity, kept.kind, (FORWARD, f"{name} {AT_START}"), ValueOrigin.START)
        around = InRuns(around_call(kept), around_call(own), float64)
        computed = {(FORWARD, numbered(INPUT, at)) for at in kept.of_inputs}
        for key in around.keys:
            one, other = around.first.get(key), around.second.get(key)
            row = beside_float64(_as_in_runs(one, other), around, key)
            if key[0] == BACKWARD:
                yield named(row, kept.identity, kept.kind, key, ValueOrigin.OUTSIDE)
            elif one is not None and other is not None:
                # What the step begins with is a batch; later inputs may be computed from what it gave.
                origin = ValueOrigin.BATCH if opens and key not in computed else ValueOrigin.OUTSIDE
                yield named(row, kept.identity, kept.kind, key, origin)

    def _only_here(self, known: set[Identity]) -> Iterator[ValueRow]:
        for identity, call in self._own.items():
            if identity not in known:
                yield _lone(identity, call.kind, ONLY_SECOND)

    def _of_step(self) -> Iterator[ValueRow]:
        loaded = self._folder.load_step()
        if loaded is None or self._step is None:
            return
        plain, replayed = loaded
        own = self._step
        in_runs = InRuns(left_by_step(plain), own.left, self._float64.of_step())
        if own.why or replayed.why:
            replayed.why = replayed.why or own.why
        again = _step_on(plain, own) if not replayed.why else None
        if again is None and not replayed.why:
            replayed.why = "the optimizer trains other weights"
        step = own if again is None else again
        rows = rows_of(
            replayed,
            lambda arithmetic: step_again(_fed(step, own, arithmetic), arithmetic),
            rounding_of(own.weights),
            in_runs,
        )
        for (place, entry), row in rows:
            root, module, name = place
            value = f"{name}.{entry}" if entry else name
            yield named(
                row, (root, module or "", OPTIMIZER, 0), plain["kind"], (OPTIMIZER, value), ValueOrigin.MADE
            )


def _lone(identity: Identity, kind: str, only: str) -> ValueRow:
    """Make a row for a call that only one of the runs makes."""
    return replace(named(Numbers(), identity, kind, (FORWARD, OUTPUT), ValueOrigin.MADE), only=only)


def _named_dtypes(seen: Iterable[Autocast]) -> tuple[tuple[str, str], ...]:
    return tuple((kind, str(dtype).removeprefix("torch.")) for kind, dtype in seen)


def _computing(kept: KeptCall, own: ModuleCall) -> Any:
    """Return a function that makes a call of the first run again with this run's module."""
    leaves = [
        mine if is_own(theirs) else theirs for theirs, mine in zip(kept.leaves, own.leaves, strict=False)
    ]
    state = replace(kept.state, autocast=own.state.autocast)
    given = Given(
        state,
        leaves,
        own.spec,
        kept.differentiable,
        kept.parameters,
        trained(own.module),
        kept.buffers,
        kept.gradients,
    )
    as_here = replace(
        given,
        leaves=[_as(theirs, mine) for theirs, mine in zip(leaves, own.leaves, strict=False)],
        parameters={name: _as(one, own.parameters.get(name)) for name, one in kept.parameters.items()},
        buffers={name: _as(one, own.buffers.get(name)) for name, one in kept.buffers.items()},
    )

    def compute(arithmetic: Float64 | None) -> dict[ValueKey, torch.Tensor]:
        return replay(own.module, as_here if arithmetic is None else given, arithmetic)

    return compute


def _as(value: Any, own: Any) -> Any:
    """Convert a value of the first run to the device, dtype and layout of this run's own value."""
    if not isinstance(value, torch.Tensor) or not isinstance(own, torch.Tensor):
        return value
    value = value.to(own.device, own.dtype)
    if value.shape != own.shape or own.layout is not torch.strided or value.stride() == own.stride():
        return value
    return torch.empty_like(own).copy_(value)


def _other_arguments(kept: KeptCall, own: ModuleCall) -> str:
    """Explain why a call of this run cannot be compared with the first run's; an empty text if it can."""
    if len(kept.leaves) != len(own.leaves):
        return "it is called with other arguments"
    kinds = [
        (isinstance(one, torch.Tensor), isinstance(other, torch.Tensor))
        for one, other in zip(kept.leaves, own.leaves, strict=True)
    ]
    return "" if all(one == other for one, other in kinds) else "it is called with other arguments"


def _as_in_runs(one: torch.Tensor | None, other: torch.Tensor | None) -> Numbers:
    """Compare a value that no module computes, as recorded in both runs."""
    if one is None or other is None:
        return Numbers(wrong=f"not in the {'first' if one is None else 'second'} run")
    if one.shape != other.shape:
        return Numbers(wrong=f"shape {tuple(one.shape)} in the first run, {tuple(other.shape)} in the second")
    distance = apart(one, other)
    exact = not (one.is_floating_point() or one.is_complex())
    wrong = "other whole numbers" if exact and distance.elements else ""
    unit = rounding_of(value for value in (one, other) if value.is_floating_point()).unit
    return Numbers(propagated=distance, wrong=wrong, unit=unit)


def _step_on(plain: dict[str, Any], own: OptimizerStep) -> OptimizerStep | None:
    """Put the first run's values into this run's step; return None if it trains other weights."""
    places = [tuple(place) for place in plain["places"]]
    if sorted(map(str, places)) != sorted(map(str, own.places)):
        return None
    order = [places.index(place) for place in own.places]
    states = []
    for at, mine in zip(order, own.states, strict=True):
        theirs = plain["states"][at]
        states.append({name: mine.get(name) if is_own(value) else value for name, value in theirs.items()})
    weights = [plain["weights"][at] for at in order]
    gradients = [plain["gradients"][at] for at in order]
    return replace(own, weights=weights, gradients=gradients, states=states)


def _fed(step: OptimizerStep, own: OptimizerStep, arithmetic: Float64 | None) -> OptimizerStep:
    """Return the step with values in this run's own dtypes if it is made in its own arithmetic."""
    if arithmetic is not None or step is own:
        return step
    pairs = zip(step.gradients, own.weights, strict=True)
    states = zip(step.states, own.states, strict=True)
    return replace(
        step,
        weights=[_as(one, mine) for one, mine in zip(step.weights, own.weights, strict=True)],
        gradients=[_as(one, mine) for one, mine in pairs],
        states=[{name: _as(one, mine.get(name)) for name, one in theirs.items()} for theirs, mine in states],
    )


def _called_inside(parents: Mapping[Identity, Identity | None], identity: Identity) -> frozenset[str]:
    """Return the paths, below the module of a call, of the modules that are called inside the call."""
    inside = set()
    for one, parent in parents.items():
        above = parent
        while above is not None:
            if above == identity:
                inside.add(one[1].removeprefix(identity[1]).removeprefix("."))
            above = parents.get(above)
    return frozenset(inside)


def _owner(value: str) -> str:
    """Return the path of the module that owns a gradient's parameter, below the module that is called."""
    return value.removeprefix(GRADIENT_OF).rpartition(".")[0]
