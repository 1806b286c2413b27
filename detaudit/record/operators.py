"""Record every ATen operator: digests of its inputs and results, its module, its phase and its line.

A dispatch mode sees each operator of its thread, forward, backward and in the optimizer. While any
Python dispatch mode is on, a few backward formulas take another path (`prod`, `masked_fill`,
`linalg.eig`), so runs at this level are compared only with each other.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch.compiler import is_compiling

from detaudit.digest.algorithm import Digest
from detaudit.digest.tensor import UndigestableError
from detaudit.model.trace import Kind, Phase
from detaudit.record.digests import inputs_digest, outputs_digest
from detaudit.record.draws import DrawWatch
from detaudit.record.listeners import Seen
from detaudit.record.recorder import Recorder
from detaudit.record.schema import OperatorPlan, make_plan
from detaudit.record.sites import Sites
from detaudit.record.stream import NOBODY, ModuleOwner, StreamState
from detaudit.sources.taps import Taps
from detaudit.torch_private.autograd import current_node, following_sequence_number, sequence_number
from detaudit.torch_private.modes import OnlookingMode, count_function_modes, without_function_modes
from detaudit.torch_private.operators import OpOverload
from detaudit.torch_private.tensors import tree_leaves

_EVERY_STEP = (0, sys.maxsize)

_ACCUMULATE = 2**64 - 1
"""Sequence number of the nodes that add a gradient to its leaf."""

_OWN_FRAMES = 3
"""The least number of detaudit's frames on top of the stack: of `_here`, `attribute` and its caller."""


class Operators(OnlookingMode):
    """Records the operators of the steps in the window; elsewhere it only passes calls on."""

    supports_higher_order_operators = True

    def __init__(self, recorder: Recorder, taps: Taps | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        self._recorder = recorder
        self._draws = None if taps is None else DrawWatch(taps)
        self._listener = recorder.listeners.to_operators()
        self._window = recorder.session.window or _EVERY_STEP
        self._plans: dict[int, OperatorPlan] = {}
        """The plans by the `id` of the operator."""
        self._planned: list[OpOverload[..., Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the operator; record it if its step is in the window."""
        kwargs = kwargs or {}
        # By identity: the hash of an operator is computed in Python, each time anew.
        plan = self._plans.get(id(func))
        if plan is None:
            if not isinstance(func, OpOverload):
                return self._whole(func, args, kwargs)
            plan = self._new_plan(func)
        draws = self._draws
        if draws is None:
            return self._call(plan, func, args, kwargs)
        if draws.has_fresh:
            with without_function_modes():
                draws.before(plan, args, kwargs)
        result = self._call(plan, func, args, kwargs)
        if plan.draws or plan.makes_fresh or draws.has_fresh or draws.follows_threads:
            with without_function_modes():
                draws.after(plan, args, kwargs, result)
        return result

    def _whole(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Call an operator that takes functions (`torch.cond`); record one event: nobody sees inside."""
        if is_compiling() or not self._recorder.active:
            return func(*args, **kwargs)
        inputs = self._digest([args, kwargs])
        result = func(*args, **kwargs)
        outputs = self._digest(result)
        stream = self._recorder.stream()
        first, end = self._window
        if first <= stream.step < end:
            (root, module, site), phase = attribute(stream, self._recorder.sites)
            key = self._recorder.key(phase, Kind.OP, root, module, f"higher_order.{func.name()}")
            self._recorder.add(stream, key, outputs, inputs, site)
        return result

    def _digest(self, value: object) -> Digest | None:
        """Digest all tensors within a value together."""
        with without_function_modes():
            return self._recorder.digests.value(
                [one for one in tree_leaves(value) if isinstance(one, torch.Tensor)]
            )

    def _new_plan(self, func: OpOverload[..., Any]) -> OperatorPlan:
        plan = self._plans[id(func)] = make_plan(func)
        # Kept alive, so that no address is used again.
        self._planned.append(func)
        return plan

    def _call(self, plan: OperatorPlan, func: Any, args: Any, kwargs: Any) -> Any:
        # torch.compile takes `is_compiling()` as true and so sees a mode that does nothing.
        if is_compiling() or not self._recorder.active:
            return func(*args, **kwargs)
        # A function mode of the program's own is not to see what is done here.
        alone = not count_function_modes()
        if alone:
            seen = self._before(plan, func, args, kwargs)
        else:
            with without_function_modes():
                seen = self._before(plan, func, args, kwargs)
        result = func(*args, **kwargs)
        if seen is None:
            return result
        if alone:
            self._after(plan, seen, args, kwargs, result)
        else:
            with without_function_modes():
                self._after(plan, seen, args, kwargs, result)
        return result

    def _before(self, plan: OperatorPlan, func: Any, args: Any, kwargs: Any) -> Seen | None:
        """Look at a call that is about to be made; None if it is not to be recorded."""
        recorder = self._recorder
        try:
            stream = recorder.stream()
            first, end = self._window
            if not first <= stream.step < end:
                return None
            owner, phase = attribute(stream, recorder.sites)
            if plan.skip:
                return None
            inputs = inputs_digest(plan, args, kwargs)
            seen = stream, owner, phase, inputs
            if self._listener is not None:
                self._listener.before(plan, func, args, kwargs, seen)
        except UndigestableError as error:
            recorder.problem(f"not compared: {error}")
            return None
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            recorder.fail(error)
            return None
        return seen

    def _after(self, plan: OperatorPlan, seen: Seen, args: Any, kwargs: Any, result: Any) -> None:
        """Record a call that was made."""
        recorder = self._recorder
        stream, (root, module, site), phase, inputs = seen
        try:
            outputs = outputs_digest(plan, args, kwargs, result)
            key = recorder.key(phase, Kind.OP, root, module, plan.name)
            recorder.add(stream, key, outputs, inputs, site)
            if self._listener is not None:
                self._listener.after(plan, result)
        except UndigestableError as error:
            recorder.problem(f"not compared: {error}")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong here must not reach the user's program
            recorder.fail(error)


def attribute(stream: StreamState, sites: Sites) -> tuple[ModuleOwner, Phase]:
    """Find the module and line of the operator that is about to run, and its phase.

    A node of the autograd graph is numbered before its forward operator is dispatched; in the backward
    pass the node under way has that number again. Notes the number in `stream.owners`.
    """
    node = current_node()
    if node is None:
        owner = _here(stream, sites)
        stream.owners.setdefault(following_sequence_number() - 1, owner)
        return owner, phase_of(stream)
    sequence = sequence_number(node)
    owner = NOBODY if sequence == _ACCUMULATE else stream.owners.get(sequence, NOBODY)
    # A module call in a backward pass recomputes what was not kept.
    if stream.calls or owner is NOBODY:
        owner = _here(stream, sites)
    if torch.is_grad_enabled():
        stream.owners.setdefault(following_sequence_number() - 1, owner)
    return owner, Phase.BACKWARD


def phase_of(stream: StreamState) -> Phase:
    """Where in the training a thread is."""
    if stream.calls:
        return stream.calls[-1].phase
    if stream.in_optimizer:
        return Phase.OPTIMIZER
    if stream.backward_depth:
        return Phase.BACKWARD
    if not stream.roots_since_step:
        return Phase.DATA
    if stream.backwards_since_step:
        return Phase.OPTIMIZER
    return Phase.FORWARD if torch.is_grad_enabled() else Phase.EVAL


def _here(stream: StreamState, sites: Sites) -> ModuleOwner:
    if not stream.calls:
        return ("", None, stream.step_site or sites.above(sys._getframe(_OWN_FRAMES)))
    call = stream.calls[-1]
    return (call.name.root, call.name.path, sites.above(sys._getframe(_OWN_FRAMES), call.frame, call.site))
