"""What every module of a model is given and gives, forward and backward, and what it gives when fed alone."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from detaudit.replay.batches.draws import torch_states
from detaudit.replay.batches.rows import UncuttableError, changed, tensors_of

Key = tuple[str, int]
"""A module's path, and how many calls of it the run has before this one."""
Gradients = dict[int, torch.Tensor]
"""Gradients of some tensors, by their places in the arguments or the results."""


def _autocast() -> list[tuple[str, torch.dtype]]:
    kinds = ("cpu", "cuda") if torch.cuda.is_available() else ("cpu",)
    return [(kind, torch.get_autocast_dtype(kind)) for kind in kinds if torch.is_autocast_enabled(kind)]


@dataclass(slots=True)
class Call:
    """One call of a module."""

    module: nn.Module
    outermost: bool
    args: Any
    kwargs: Any
    problem: str = ""
    """Why its arguments cannot be given to it again, if so."""
    outputs: list[torch.Tensor] = field(default_factory=list)
    alive: list[torch.Tensor] = field(default_factory=list)
    """The outputs of an outermost call as parts of the graph, until the backward pass is done."""
    input_gradients: Gradients = field(default_factory=dict)
    output_gradients: Gradients = field(default_factory=dict)
    autocast: list[tuple[str, torch.dtype]] = field(default_factory=_autocast)
    """The devices on which autocast was on, each with its dtype."""

    @property
    def inputs(self) -> list[torch.Tensor]:
        """The tensors it was given."""
        return tensors_of((self.args, self.kwargs))


@dataclass(slots=True)
class Evaluated:
    """What a module gave when it was called by itself."""

    outputs: list[torch.Tensor]
    input_gradients: Gradients
    weight_gradients: dict[str, torch.Tensor]


class Watch:
    """Records the calls of a model's modules while it is on."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.calls: dict[Key, Call] = {}
        """In the order in which they ended."""
        self._on = False
        self._under_way: list[Call] = []
        self._counts: dict[str, int] = {}
        self._buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers()]
        for path, module in model.named_modules():
            module.register_forward_pre_hook(self._before(), with_kwargs=True)
            module.register_forward_hook(self._after(path))

    def run(self, forward: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the forward pass returns
        """Record a forward pass, from the state in which the model was made."""
        self.calls, self._counts, self._under_way = {}, {}, []
        self.restore()
        self._on = True
        try:
            return forward()
        finally:
            self._on = False

    def restore(self) -> None:
        """Give all buffers the values that they had in the beginning: running averages move in each run."""
        with torch.no_grad():
            for buffer, value in self._buffers:
                buffer.copy_(value)

    def backward(self, cotangents: dict[tuple[Key, int], torch.Tensor]) -> dict[str, torch.Tensor]:
        """Propagate gradients of outermost outputs back; return those of the weights."""
        self.model.zero_grad(set_to_none=True)
        pairs = [(self.calls[key].alive[place], gradient) for (key, place), gradient in cotangents.items()]
        torch.autograd.backward([tensor for tensor, _ in pairs], [gradient for _, gradient in pairs])
        return self.weight_gradients()

    def weight_gradients(self) -> dict[str, torch.Tensor]:
        """The gradients of the weights, and an end to the graph."""
        for call in self.calls.values():
            call.alive = []
        named = self.model.named_parameters()
        found = {name: _dense(one.grad) for name, one in named if one.grad is not None}
        self.model.zero_grad(set_to_none=True)
        return found

    def _before(self) -> Callable[[nn.Module, Any, Any], Any]:
        def before(module: nn.Module, args: Any, kwargs: Any) -> Any:  # noqa: ANN401 - of any module
            if not self._on:
                return None
            memory: dict[int, Any] = {}
            call = Call(module, not self._under_way, (), {})
            self._under_way.append(call)
            try:
                copies: dict[int, Any] = {}
                call.args = changed(args, _copied, copies)
                call.kwargs = changed(kwargs, _copied, copies)
                places = {id(tensor): place for place, tensor in enumerate(tensors_of((args, kwargs)))}

                def own(tensor: torch.Tensor) -> torch.Tensor:
                    return _own(tensor, call.input_gradients, places[id(tensor)])

                return changed(args, own, memory), changed(kwargs, own, memory)
            except UncuttableError as error:
                call.problem, call.args, call.kwargs = str(error), (), {}
                return None

        return before

    def _after(self, path: str) -> Callable[[nn.Module, Any, Any], None]:
        def after(module: nn.Module, _args: Any, output: Any) -> None:  # noqa: ANN401 - of any module
            if not self._on:
                return
            # What an error that the program caught has left behind lies above the call that ends.
            while self._under_way:
                call = self._under_way.pop()
                if call.module is module:
                    break
            else:
                return
            tensors = tensors_of(output)
            call.outputs = [_copied(tensor) for tensor in tensors]
            call.alive = tensors if call.outermost else []
            for place, tensor in enumerate(tensors):
                if tensor.requires_grad:
                    tensor.register_hook(_keep(call.output_gradients, place))
            self._counts[path] = number = self._counts.get(path, -1) + 1
            self.calls[path, number] = call

        return after

    def evaluate(self, call: Call, args: Any, kwargs: Any, cotangents: Gradients) -> Evaluated:  # noqa: ANN401 - of any module
        """Call a module by itself, and propagate these gradients of its outputs back.

        Raises UncuttableError where that says nothing: it draws random numbers, or fails.
        """
        self.restore()
        before = generators()
        memory: dict[int, Any] = {}
        wanted = sorted(call.input_gradients)
        try:
            ready = _ready((args, kwargs), wanted, memory)
            fed = tensors_of(ready)
            # As in the model: what a module changes in place is no leaf of the graph.
            given = changed(
                ready, lambda tensor: tensor.view_as(tensor) if tensor.requires_grad else tensor, {}
            )
            with ExitStack() as stack:
                for kind, dtype in call.autocast:
                    stack.enter_context(torch.autocast(kind, dtype))
                outputs = tensors_of(call.module(*given[0], **given[1]))
            copies = [_copied(tensor) for tensor in outputs]
            weights = dict(call.module.named_parameters(recurse=False))
            leaves = [fed[place] for place in wanted] + list(weights.values())
            gradients = _vjp(outputs, cotangents, leaves)
        except (RuntimeError, ValueError, TypeError, IndexError, AttributeError, KeyError) as error:
            raise UncuttableError(f"by itself it fails: {str(error).partition(chr(10))[0]}") from error
        if generators() != before:
            raise UncuttableError("it draws random numbers")
        split = len(wanted)
        return Evaluated(
            copies,
            {place: one for place, one in zip(wanted, gradients[:split], strict=True) if one is not None},
            {name: one for name, one in zip(weights, gradients[split:], strict=True) if one is not None},
        )


def _vjp(
    outputs: Sequence[torch.Tensor], cotangents: Gradients, leaves: list[torch.Tensor]
) -> list[torch.Tensor | None]:
    ends = [place for place in cotangents if outputs[place].requires_grad]
    # A frozen weight is no leaf that a gradient comes to.
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    if not ends or not wanted:
        return [None] * len(leaves)
    found = torch.autograd.grad(
        [outputs[place] for place in ends], wanted, [cotangents[place] for place in ends], allow_unused=True
    )
    by_leaf = {id(leaf): one for leaf, one in zip(wanted, found, strict=True) if one is not None}
    return [_dense(by_leaf[id(leaf)]) if id(leaf) in by_leaf else None for leaf in leaves]


def _ready(arguments: Any, wanted: Sequence[int], memory: dict[int, Any]) -> Any:  # noqa: ANN401 - of any module
    """Arguments in a graph of their own: leaves, with a gradient if they had one in the model."""
    asked = {id(tensor) for place, tensor in enumerate(tensors_of(arguments)) if place in wanted}

    def ready(tensor: torch.Tensor) -> torch.Tensor:
        return _copied(tensor).requires_grad_(id(tensor) in asked)

    return changed(arguments, ready, memory)


def _copied(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().clone()


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to_dense() if tensor.is_sparse else tensor.detach()


def _own(tensor: torch.Tensor, gradients: Gradients, place: int) -> torch.Tensor:
    """The same tensor as a node of its own in the graph: its gradient is what this module sends back."""
    if not tensor.requires_grad or not torch.is_grad_enabled() or isinstance(tensor, nn.Parameter):
        return tensor
    alias = tensor.view_as(tensor)
    alias.register_hook(_keep(gradients, place))
    return alias


def _keep(gradients: Gradients, place: int) -> Callable[[torch.Tensor], None]:
    def keep(gradient: torch.Tensor) -> None:
        gradients[place] = _dense(gradient).clone()

    return keep


def generators() -> tuple[object, ...]:
    """The states of the random generators that a module may draw from."""
    numpy: Any = sys.modules.get("numpy.random")
    drawn = () if numpy is None else (numpy.get_state()[1].tobytes(), numpy.get_state()[2])
    torch_own = tuple(state.numpy().tobytes() for state in torch_states())
    return (torch_own, random.getstate(), *drawn)
