"""Record backward passes: the loss that each starts from, and the leaves that it leads to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import torch

from detaudit.model.trace import Kind, Phase
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.record.step_ends import Updates
from detaudit.record.stream import StreamState
from detaudit.record.weights import Weights
from detaudit.torch_private.compiling import compile_as


class Backward:
    """Stands in for `torch.autograd.backward` and `torch.autograd.grad`, and calls them."""

    def __init__(self, recorder: Recorder, weights: Weights, updates: Updates) -> None:
        self._recorder = recorder
        self._weights = weights
        self._updates = updates
        self._begin = observing(recorder, self._begins)
        self._end = observing(recorder, self._ends)
        for name, called in (("backward", ""), ("grad", "grad")):
            watched = self._watched(getattr(torch.autograd, name), called)
            recorder.scope.replace(torch.autograd, name, watched)

    def _watched(self, function: Callable[..., Any], name: str) -> Callable[..., Any]:
        begin, end = self._begin, self._end

        @functools.wraps(function)
        def watched(*args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling():
                return function(*args, **kwargs)
            stream = begin(args[0] if args else kwargs.get("tensors", kwargs.get("outputs")), name)
            gradients = None
            try:
                gradients = function(*args, **kwargs)
            finally:
                if stream is not None:
                    end(stream, gradients)
            return gradients

        # TorchScript knows these two functions by identity.
        compile_as(watched, function)
        return watched

    def _begins(self, outputs: object, name: str) -> StreamState:
        recorder, stream = self._recorder, self._recorder.stream()
        outermost = not stream.backward_depth
        tensors = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)  # type: ignore[call-overload]  # torch takes any sequence
        if outermost and not stream.calls and not self._weights.in_modules:
            self._meet_leaves(stream, tensors)
        phase = Phase.FORWARD if outermost else Phase.BACKWARD
        key = recorder.key(phase, Kind.LOSS, "", None, name)
        value = tensors[0] if len(tensors) == 1 else tensors
        recorder.add(stream, key, recorder.digests.value(value), site=recorder.sites.here())
        stream.gradients_seen = 0
        recorder.enter_backward(stream)
        return stream

    def _ends(self, stream: StreamState, gradients: object) -> None:
        recorder = self._recorder
        recorder.leave_backward(stream)
        # What torch.autograd.grad returns reaches no leaf's `.grad`, so it is recorded here.
        for position, gradient in enumerate(gradients if isinstance(gradients, tuple) else ()):
            if isinstance(gradient, torch.Tensor):
                key = recorder.key(Phase.BACKWARD, Kind.GRAD, "", None, f"autograd.grad[{position}]")
                digest = recorder.digests.value(gradient)
                recorder.add(stream, key, digest, site=recorder.sites.here())
        if not stream.backward_depth and not stream.calls:
            stream.backwards_since_step += 1

    def _meet_leaves(self, stream: StreamState, outputs: list[torch.Tensor]) -> None:
        """Find the parameters of a program without modules: where its graph ends.

        Such programs may make new tensors in every step; the graph says which are in use.
        """
        if self._recorder.has_optimizer and stream.gradients_seen:
            return
        leaves = list(_leaves(outputs))
        self._updates.graph_begins(stream, leaves)
        self._weights.meet(stream, leaves)


def _leaves(outputs: list[torch.Tensor]) -> Iterator[torch.Tensor]:
    nodes = [tensor.grad_fn for tensor in outputs if isinstance(tensor, torch.Tensor)]
    seen = set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if isinstance(variable, torch.Tensor):
            yield variable
        nodes.extend(following for following, _ in node.next_functions)
