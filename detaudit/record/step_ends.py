"""End steps: record what the optimizer finds and leaves, or, without one, what updates by hand leave."""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch.optim.optimizer import (
    Optimizer,
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from detaudit.model.trace import Kind, Phase
from detaudit.record.identity import IdentityMap
from detaudit.record.names import Names
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState
from detaudit.record.weights import Weights, has_values
from detaudit.torch_private.optimizers import MADE, has_own_hooks


@dataclass(frozen=True, slots=True)
class _Trained:
    """The parameters that an optimizer trains, with the keys of the values recorded in each step."""

    parameters: list[torch.Tensor]
    """The parameters that have values."""
    gradients: list[bytes]
    weights: list[bytes]
    states: list[dict[str, bytes]]
    """The keys of each parameter's entries in the optimizer's state."""


class Updates:
    """Ends a step after each optimizer step.

    Programs that update their weights themselves have no such moment: there a step ends when the next
    outermost forward or backward pass begins.
    """

    def __init__(self, recorder: Recorder, names: Names, weights: Weights) -> None:
        self._recorder = recorder
        self._names = names
        self._weights = weights
        self._optimizers: IdentityMap[Optimizer, _Trained] = IdentityMap()
        before, after = observing(recorder, self._before), observing(recorder, self._after)

        def stepping(optimizer: Optimizer, args: tuple[object, ...], kwargs: dict[str, object]) -> None:
            if not torch.compiler.is_compiling():
                # The optimizer itself is the first argument; a closure is code of the program.
                before(optimizer, alone=len(args) == 1 and not kwargs)

        def stepped(optimizer: Optimizer, _args: object, _kwargs: object) -> None:
            if not torch.compiler.is_compiling():
                after(optimizer)
                if recorder.active:
                    recorder.stop_if_done(recorder.stream())

        recorder.scope.on_end(register_optimizer_step_pre_hook(stepping).remove)
        recorder.scope.on_end(register_optimizer_step_post_hook(stepped).remove)
        self._notice_optimizers()

    def forward_begins(self, stream: StreamState) -> None:
        """End a step without an optimizer: all updates of weights since the last backward pass are done."""
        if stream.step_site is not None:
            # A step that runs torch's code alone calls no module: it has failed.
            stream.step_site = None
            stream.in_optimizer -= 1
        # Weights that threads share may change before this thread's first backward pass.
        shared = stream.is_side and self._weights.in_modules
        if not self._recorder.has_optimizer and (stream.backwards_since_step or shared):
            self._by_hand(stream, self._weights.trained())

    def graph_begins(self, stream: StreamState, leaves: list[torch.Tensor]) -> None:
        """End a step as `forward_begins` does, for a program without modules: its parameters are `leaves`."""
        if not self._recorder.has_optimizer and stream.backwards_since_step:
            self._by_hand(stream, [leaf for leaf in leaves if self._names.tensor(leaf) is not None])

    def _by_hand(self, stream: StreamState, parameters: list[torch.Tensor]) -> None:
        self._weights.after_update(stream, parameters, self._recorder.sites.here())
        if stream.backwards_since_step:
            self._weights.buffers(stream)
            self._recorder.end_step(stream)
            # Before anything of the next step is seen.
            self._recorder.stop_if_done(stream)

    def _notice_optimizers(self) -> None:
        # Called once for every optimizer object, at the end of its construction.
        patch_step = MADE.current
        recorder = self._recorder

        @functools.wraps(patch_step)
        def noticing(optimizer: Optimizer) -> None:
            recorder.has_optimizer = True
            patch_step(optimizer)

        # The only moment that all optimizers share.
        recorder.scope.replace(*MADE, noticing)

    def _before(self, optimizer: Optimizer, *, alone: bool) -> None:
        recorder, stream = self._recorder, self._recorder.stream()
        recorder.has_optimizer = True
        stream.in_optimizer += 1
        trained = self._trained_by(optimizer, stream)
        keys, gradients = [], []
        for parameter, key in zip(trained.parameters, trained.gradients, strict=True):
            gradient = parameter.grad
            if gradient is not None:
                keys.append(key)
                gradients.append(gradient)
        site = recorder.sites.here()
        recorder.add_all(stream, keys, recorder.digests.values(gradients), site)
        stream.step_site = site if alone and _is_torchs_own(optimizer) else None

    def _after(self, optimizer: Optimizer) -> None:
        recorder, stream = self._recorder, self._recorder.stream()
        stream.in_optimizer -= 1
        stream.step_site = None
        trained = self._trained_by(optimizer, stream)
        keys: list[bytes] = list(trained.weights)
        values: list[object] = list(trained.parameters)
        for parameter, known in zip(trained.parameters, trained.states, strict=True):
            for name, value in _entries(optimizer.state.get(parameter)):
                key = known.get(name)
                if key is None:
                    key = known[name] = self._key(Kind.OPTIMIZER_STATE, parameter, f".{name}")
                keys.append(key)
                values.append(value)
        recorder.add_all(stream, keys, recorder.digests.values(values), recorder.sites.here())
        self._weights.buffers(stream)
        recorder.end_step(stream)

    def _trained_by(self, optimizer: Optimizer, stream: StreamState) -> _Trained:
        """Return what an optimizer trains; list it anew if parameters were replaced or got their values."""
        given = _parameters(optimizer)
        trained = self._optimizers.get(optimizer)
        if trained is None or not _are(given, trained.parameters):
            self._weights.name_unknown(given)
            parameters = [parameter for parameter in given if has_values(parameter)]
            for parameter in parameters:
                self._weights.first_seen(stream, parameter)
            gradients = [self._key(Kind.GRAD_USED, parameter, "") for parameter in parameters]
            weights = [self._key(Kind.WEIGHT, parameter, "") for parameter in parameters]
            trained = _Trained(parameters, gradients, weights, [{} for _ in parameters])
            self._optimizers.set(optimizer, trained)
        return trained

    def _key(self, kind: Kind, parameter: torch.Tensor, suffix: str) -> bytes:
        name = self._names.tensor(parameter)
        if name is None:
            raise KeyError("a parameter without a name")
        return self._recorder.key(Phase.OPTIMIZER, kind, name.root, name.module, name.name + suffix)


def _parameters(optimizer: Optimizer) -> list[torch.Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _is_torchs_own(optimizer: Optimizer) -> bool:
    """Say whether a step of the optimizer runs no code but torch's."""
    return type(optimizer).__module__.startswith("torch.optim.") and not has_own_hooks(optimizer)


def _are(ones: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return len(ones) == len(others) and all(map(operator.is_, ones, others))


def _entries(state: object) -> Iterable[tuple[str, object]]:
    """Return the named values that an optimizer keeps for a parameter, without functions (LBFGS has some)."""
    if not isinstance(state, dict):
        return ()
    return [(name, value) for name, value in state.items() if value is not None and not callable(value)]
