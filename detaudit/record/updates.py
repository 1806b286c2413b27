"""Steps: what the optimizer finds, and what it leaves; by hand where there is no optimizer."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from detaudit.digest.tensor import tensor_digest
from detaudit.digest.value import value_digest
from detaudit.model.trace import Kind, Phase
from detaudit.record.names import Names
from detaudit.record.observing import digest_or_none, observing
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState
from detaudit.record.weights import Weights


class Updates:
    """Ends a step after each optimizer step.

    Programs that update their weights themselves have no such moment: there a step ends when the next
    outermost forward or backward pass begins.
    """

    def __init__(self, recorder: Recorder, names: Names, weights: Weights) -> None:
        self._recorder = recorder
        self._names = names
        self._weights = weights
        before, after = observing(recorder, self._before), observing(recorder, self._after)

        def stepping(optimizer: Optimizer, _args: object, _kwargs: object) -> None:
            if not torch.compiler.is_compiling():
                before(optimizer)

        def stepped(optimizer: Optimizer, _args: object, _kwargs: object) -> None:
            if not torch.compiler.is_compiling():
                after(optimizer)
                if recorder.active:
                    recorder.stop_if_done(recorder.stream())

        recorder.scope.on_end(register_optimizer_step_pre_hook(stepping).remove)
        recorder.scope.on_end(register_optimizer_step_post_hook(stepped).remove)
        self._notice_optimizers()

    def forward_begins(self, stream: StreamState) -> None:
        """Without an optimizer, whatever updated the weights since the backward pass is done now."""
        # Weights that threads share may change before this thread's first backward pass.
        shared = stream.is_side and self._weights.in_modules
        if not self._recorder.has_optimizer and (stream.backwards_since_step or shared):
            self._by_hand(stream, self._weights.trained())

    def graph_begins(self, stream: StreamState, leaves: list[torch.Tensor]) -> None:
        """The same for a program without modules, whose parameters are the leaves of its graph."""
        if not self._recorder.has_optimizer and stream.backwards_since_step:
            self._by_hand(stream, [leaf for leaf in leaves if self._names.tensor(leaf) is not None])

    def _by_hand(self, stream: StreamState, parameters: list[torch.Tensor]) -> None:
        self._weights.after_update(stream, parameters, self._recorder.sites.here())
        if stream.backwards_since_step:
            self._weights.buffers(stream)
            self._recorder.end_step(stream)

    def _notice_optimizers(self) -> None:
        # Called once for every optimizer object, at the end of its construction.
        patch_step = Optimizer._patch_step_function
        recorder = self._recorder

        @functools.wraps(patch_step)
        def noticing(optimizer: Optimizer) -> None:
            recorder.has_optimizer = True
            patch_step(optimizer)

        # The only moment that all optimizers share.
        recorder.scope.replace(Optimizer, "_patch_step_function", noticing)

    def _before(self, optimizer: Optimizer) -> None:
        recorder, stream = self._recorder, self._recorder.stream()
        recorder.has_optimizer = True
        stream.in_optimizer += 1
        parameters = _parameters(optimizer)
        self._weights.name_unknown(parameters)
        for parameter in parameters:
            self._weights.first_seen(stream, parameter)
        site = recorder.sites.here()
        for parameter in parameters:
            if parameter.grad is not None:
                key = self._key(Kind.GRAD_USED, parameter, "")
                recorder.add(stream, key, digest_or_none(recorder, tensor_digest, parameter.grad), site=site)

    def _after(self, optimizer: Optimizer) -> None:
        recorder, stream = self._recorder, self._recorder.stream()
        stream.in_optimizer -= 1
        parameters, site = _parameters(optimizer), recorder.sites.here()
        self._weights.after_update(stream, parameters, site)
        for parameter in parameters:
            self._state(stream, parameter, optimizer.state.get(parameter, {}), site)
        self._weights.buffers(stream)
        recorder.end_step(stream)

    def _state(self, stream: StreamState, parameter: torch.Tensor, state: Any, site: bytes) -> None:  # noqa: ANN401 - optimizers keep what they like
        if not isinstance(state, dict):
            return
        recorder = self._recorder
        for name, value in state.items():
            # A function that an optimizer keeps (LBFGS) has no value to compare.
            if value is not None and not callable(value):
                key = self._key(Kind.OPTIMIZER_STATE, parameter, f".{name}")
                recorder.add(stream, key, digest_or_none(recorder, value_digest, value), site=site)

    def _key(self, kind: Kind, parameter: torch.Tensor, suffix: str) -> bytes:
        name = self._names.tensor(parameter)
        if name is None:
            raise KeyError("a parameter without a name")
        return self._recorder.key(Phase.OPTIMIZER, kind, name.root, name.module, name.name + suffix)


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
