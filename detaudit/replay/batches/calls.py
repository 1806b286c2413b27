"""Record the inputs and outputs of every module in a run, forward and backward, and keep the graph alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from detaudit.record.names import plain_path
from detaudit.replay.batches.rows import UncuttableError
from detaudit.replay.calls.module_call import ModuleCall, State
from detaudit.replay.calls.replay import (
    BACKWARD,
    FORWARD,
    GRADIENT_OF,
    OF_INPUT,
    OUTPUT,
    Given,
    each_once,
    numbered,
    replay,
)
from detaudit.torch_private.tensors import tree_flatten, tree_unflatten

CallKey = tuple[str, int]
"""A module's path, and the number of calls of that module that the run has before this one."""
Tensors = dict[int, torch.Tensor]
"""Some of the tensors in arguments or results, or their gradients, by their positions there."""

_PLAIN = (type(None), bool, int, float, complex, str, bytes, slice, torch.dtype, torch.device, torch.Size)


@dataclass(slots=True)
class WatchedCall(ModuleCall):
    """A call in a run whose backward pass has not run yet."""

    problem: str = ""
    """Why the call cannot be made again with its arguments; empty if it can."""
    alive: Tensors = field(default_factory=dict)
    """The outputs of an outermost call as parts of the graph, until the backward pass is done."""

    @property
    def given(self) -> Tensors:
        """The tensors among the arguments, each once."""
        return distinct(self.leaves)

    @property
    def made(self) -> Tensors:
        """The tensors among the results, each once."""
        return distinct(self.outputs)

    @property
    def settings(self) -> tuple[object, ...]:
        """All arguments besides tensors: they decide which branch a module takes."""
        return self.spec, *(leaf for leaf in self.leaves if not isinstance(leaf, torch.Tensor))


@dataclass(slots=True)
class Evaluated:
    """Values of a module that was called alone."""

    outputs: Tensors
    input_gradients: Tensors
    weight_gradients: dict[str, torch.Tensor]


class ModuleWatch:
    """Records the calls of a model's modules while a forward pass runs."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.calls: dict[CallKey, WatchedCall] = {}
        """The calls, in the order in which they ended."""
        self._on = False
        self._begun: list[WatchedCall] = []
        self._under_way: list[int] = []
        """Numbers of calls that have begun."""
        self._counts: dict[str, int] = {}
        self._buffers = {id(buffer): (buffer, buffer.detach().clone()) for buffer in model.buffers()}
        for path, module in model.named_modules():
            module.register_forward_pre_hook(self._before(path), with_kwargs=True)
            module.register_forward_hook(self._after(path))

    def run(self, forward: Callable[[], Any]) -> Any:
        """Record a forward pass, with the buffers as they were when the watch was made."""
        self.calls, self._counts, self._begun, self._under_way = {}, {}, [], []
        # Running averages move in each run.
        with torch.no_grad():
            for buffer, value in self._buffers.values():
                buffer.copy_(value)
        self._on = True
        try:
            return forward()
        finally:
            self._on = False

    def backward(self, cotangents: dict[tuple[CallKey, int], torch.Tensor]) -> dict[str, torch.Tensor]:
        """Propagate gradients of outermost outputs back; return those of the weights."""
        self.model.zero_grad(set_to_none=True)
        pairs = [(self.calls[key].alive[place], gradient) for (key, place), gradient in cotangents.items()]
        torch.autograd.backward([tensor for tensor, _ in pairs], [gradient for _, gradient in pairs])
        return self.weight_gradients()

    def weight_gradients(self) -> dict[str, torch.Tensor]:
        """Return the gradients of the weights, then release the graph."""
        for call in self.calls.values():
            call.alive = {}
        named = self.model.named_parameters()
        found = {name: _dense(one.grad) for name, one in named if one.grad is not None}
        self.model.zero_grad(set_to_none=True)
        return found

    def _before(self, path: str) -> Callable[[nn.Module, Any, Any], Any]:
        def before(module: nn.Module, args: Any, kwargs: Any) -> Any:
            if not self._on:
                return None
            leaves, spec = tree_flatten((args, kwargs))
            call = WatchedCall(
                module,
                ("", path, FORWARD, self._counts.get(path, -1) + 1),
                self._under_way[-1] if self._under_way else None,
                State.now(module),
                each_once(leaves, _copied),
                spec,
                (),
                {plain_path(name): one for name, one in module.named_parameters()},
                {plain_path(name): self._first_value(one) for name, one in module.named_buffers()},
            )
            self._under_way.append(len(self._begun))
            self._begun.append(call)
            foreign = [leaf for leaf in leaves if not isinstance(leaf, (torch.Tensor, *_PLAIN))]
            if foreign:
                call.problem = f"it is given a {type(foreign[0]).__name__}"
                return None
            places = {id(one): place for place, one in distinct(leaves).items()}
            own = each_once(leaves, lambda one: _own(one, call.of_inputs, places[id(one)]))
            return tree_unflatten(own, spec)

        return before

    def _first_value(self, buffer: torch.Tensor) -> torch.Tensor:
        """Return the value of a buffer before each run; its value now, if it was made since."""
        return self._buffers[id(buffer)][1] if id(buffer) in self._buffers else _copied(buffer)

    def _after(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(module: nn.Module, _args: Any, output: Any) -> None:
            if not self._on:
                return
            # What an error that the program caught has left behind lies above the call that ends.
            while self._under_way:
                call = self._begun[self._under_way.pop()]
                if call.module is module:
                    break
            else:
                return
            leaves, _ = tree_flatten(output)
            call.outputs = each_once(leaves, _copied)
            tensors = distinct(leaves)
            call.alive = tensors if call.parent is None else {}
            for place, tensor in tensors.items():
                if tensor.requires_grad:
                    tensor.register_hook(_keep(call.gradients, place))
            self._counts[path] = number = self._counts.get(path, -1) + 1
            self.calls[path, number] = call

        return after


def evaluate(call: WatchedCall, leaves: list[Any], cotangents: Tensors) -> Evaluated:
    """Call a module by itself with these arguments, and propagate gradients of its outputs back.

    Raises UncuttableError where that says nothing: it draws random numbers, or fails.
    """
    own = {name: one for name, one in call.module.named_parameters(recurse=False) if one.requires_grad}
    given = Given(
        call.state,
        leaves,
        call.spec,
        tuple(sorted(call.of_inputs)),
        call.parameters,
        frozenset(map(plain_path, own)),
        call.buffers,
        cotangents,
    )
    try:
        values = replay(call.module, given)
    except Exception as error:  # the program's code, called alone, may fail in any way
        raise UncuttableError(f"by itself it fails: {str(error).partition(chr(10))[0]}") from error
    if call.state.drew:
        raise UncuttableError("it draws random numbers")
    outputs = {place: values.get((FORWARD, numbered(OUTPUT, place))) for place in call.made}
    inputs = {place: values.get((BACKWARD, numbered(OF_INPUT, place))) for place in given.differentiable}
    weights = {name: values.get((BACKWARD, GRADIENT_OF + plain_path(name))) for name in own}
    return Evaluated(
        {place: one for place, one in outputs.items() if one is not None},
        {place: _dense(one) for place, one in inputs.items() if one is not None},
        {name: _dense(one) for name, one in weights.items() if one is not None},
    )


def distinct(leaves: Sequence[Any]) -> Tensors:
    """Return each tensor among arguments or results once, by the first of its positions."""
    known = {id(leaf): place for place, leaf in reversed(list(enumerate(leaves)))}
    return {
        place: leaf
        for place, leaf in enumerate(leaves)
        if isinstance(leaf, torch.Tensor) and known[id(leaf)] == place
    }


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone()


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()


def _own(tensor: torch.Tensor, gradients: Tensors, place: int) -> torch.Tensor:
    """Return an alias of the tensor in the graph: its gradient is only what this module sends back."""
    if not tensor.requires_grad or not torch.is_grad_enabled() or isinstance(tensor, nn.Parameter):
        return tensor
    alias = tensor.view_as(tensor)
    alias.register_hook(_keep(gradients, place))
    return alias


def _keep(gradients: Tensors, place: int) -> Callable[[torch.Tensor], None]:
    def keep(gradient: torch.Tensor) -> None:
        gradients[place] = _dense(gradient).clone()

    return keep
