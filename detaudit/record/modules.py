"""Record module calls: their inputs, outputs, and the gradients that come back to the outputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.autograd.graph import Node
from torch.nn.modules import module as torch_module

from detaudit.model.trace import Kind, Level, Phase
from detaudit.record.gradients import GradientOfOutput, Gradients
from detaudit.record.names import Names, uncompiled
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.record.step_ends import Updates
from detaudit.record.stream import OpenCall, StreamState
from detaudit.record.weights import Weights
from detaudit.torch_private.compiling import tracing_state
from detaudit.torch_private.modules import ASKING_FOR_HOOKS, GLOBAL_HOOKS
from detaudit.torch_private.tensors import is_wrapped_by_functorch


class Modules:
    """Watches every module through torch's global hooks; at level `step`, only outermost calls."""

    def __init__(
        self, recorder: Recorder, names: Names, weights: Weights, gradients: Gradients, updates: Updates
    ) -> None:
        self._recorder = recorder
        self._names = names
        self._weights = weights
        self._gradients = gradients
        self._updates = updates
        self._everything = recorder.level is not Level.STEP
        self._before, self._after = observing(recorder, self._begins), observing(recorder, self._ends)
        handles = [
            torch_module.register_module_module_registration_hook(names.module_registered),
            torch_module.register_module_parameter_registration_hook(names.parameter_registered),
            torch_module.register_module_buffer_registration_hook(names.buffer_registered),
        ]
        calls = (
            torch_module.register_module_forward_pre_hook(self._entering()),
            torch_module.register_module_forward_hook(self._leaving(), always_call=True),
        )
        for handle in (*handles, *calls):
            recorder.scope.on_end(handle.remove)
        ours = {handle.id for handle in calls}
        # Compiled modules ask this to warn of hooks; the user is to be warned of their own only.
        recorder.scope.replace(*ASKING_FOR_HOOKS, lambda: _any_hook_but(ours))

    # torch.compile traces through the two functions below: it takes `is_compiling()` as true and sees nothing
    # else. torch.jit.trace would write what is done here into its graph.

    def _entering(self) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        before, recorder, everything = self._before, self._recorder, self._everything

        def entering(module: nn.Module, args: tuple[Any, ...]) -> None:
            if torch.compiler.is_compiling() or tracing_state() is not None:
                return
            stream = recorder.known_stream()
            if stream is not None and stream.calls and not everything:
                stream.inner.append(module)
            else:
                before(module, args, sys._getframe(1))

        return entering

    def _leaving(self) -> Callable[[nn.Module, tuple[Any, ...], object], None]:
        after, recorder, weights = self._after, self._recorder, self._weights

        def leaving(module: nn.Module, _args: tuple[Any, ...], output: object) -> None:
            if torch.compiler.is_compiling() or tracing_state() is not None:
                return
            stream = recorder.known_stream()
            inner = None if stream is None else stream.inner
            if inner and inner[-1] is module and not weights.awaits_lazy:
                inner.pop()
            else:
                after(module, output)

        return leaving

    def _begins(self, module: nn.Module, args: tuple[Any, ...], frame: FrameType) -> None:
        recorder, stream = self._recorder, self._recorder.stream()
        outermost = not stream.calls
        if not outermost and not self._everything:
            stream.inner.append(module)
            return
        phase = _phase(stream) if outermost else stream.calls[-1].phase
        if outermost and phase is Phase.FORWARD:
            self._updates.forward_begins(stream)
        if outermost and phase is not Phase.BACKWARD:
            self._weights.module_called(stream, module)
        # Of torch's global hooks, none is told the keyword arguments.
        kwargs = frame.f_locals.get("kwargs")
        around = None if outermost else stream.calls[-1]
        site = recorder.sites.here() if around is None else recorder.sites.here(around.frame, around.site)
        inputs = recorder.digests.call(args, kwargs)
        call = OpenCall(module, self._names.module(module), phase, inputs, site, id(frame))
        if outermost and phase is not Phase.BACKWARD:
            self._input(stream, call, _input_phase(call, (args, kwargs)))
        if around is not None and around.module is not module and uncompiled(around.module) is module:
            around.passed_on = True
        stream.calls.append(call)

    def _input(self, stream: StreamState, call: OpenCall, phase: Phase) -> None:
        key = self._recorder.key(phase, Kind.INPUT, call.name.root, call.name.path, "")
        self._recorder.add(stream, key, call.inputs, site=call.site)

    def _ends(self, module: nn.Module, output: object) -> None:
        stream = self._recorder.stream()
        if self._weights.awaits_lazy:
            self._weights.lazy_made(stream, module)
        # What an error has left behind lies above the call that ends.
        while stream.inner:
            if stream.inner.pop() is module:
                return
        while stream.calls:
            call = stream.calls.pop()
            if call.module is module:
                if not call.passed_on:
                    self._output(stream, call, output)
                return

    def _output(self, stream: StreamState, call: OpenCall, output: object) -> None:
        recorder, name = self._recorder, call.name
        outputs = recorder.digests.value(output)
        key = recorder.key(call.phase, Kind.MODULE, name.root, name.path, "")
        recorder.add(stream, key, outputs, call.inputs, call.site)
        if self._everything and torch.is_grad_enabled():
            self._gradients.called_at[name.root, name.path] = call.site
            for position, tensor in enumerate(_tensors(output)):
                if tensor.grad_fn is not None and not is_wrapped_by_functorch(tensor):
                    self._watch_output(call, str(position) if position else "", tensor, tensor.grad_fn)

    def _watch_output(self, call: OpenCall, position: str, tensor: torch.Tensor, node: Node) -> None:
        name, recorder = call.name, self._recorder
        key = recorder.key(Phase.BACKWARD, Kind.GRAD_OUTPUT, name.root, name.path, position)
        # On the graph's node, not on the tensor: the tensor stays as the program expects it.
        node.register_prehook(GradientOfOutput(recorder, key, call.site, tensor.output_nr))


def _any_hook_but(ours: set[int]) -> bool:
    return any(identity not in ours for hooks in GLOBAL_HOOKS for identity in hooks)


def _phase(stream: StreamState) -> Phase:
    if stream.backward_depth:
        return Phase.BACKWARD
    return Phase.FORWARD if torch.is_grad_enabled() else Phase.EVAL


def _input_phase(call: OpenCall, arguments: object) -> Phase:
    if call.phase is Phase.EVAL and not call.module.training:
        return Phase.EVAL
    # What is already part of a graph comes from an earlier part of the forward pass (a loss module's input).
    derived = any(tensor.grad_fn is not None for tensor in _tensors(arguments))
    return Phase.FORWARD if derived else Phase.DATA


def _tensors(output: object) -> Iterator[torch.Tensor]:
    if isinstance(output, torch.Tensor):
        yield output
    elif isinstance(output, Mapping):
        yield from (item for item in output.values() if isinstance(item, torch.Tensor))
    elif isinstance(output, tuple | list):
        for item in output:
            if isinstance(item, torch.Tensor):
                yield item
            elif isinstance(item, tuple | list):
                yield from (inner for inner in item if isinstance(inner, torch.Tensor))
