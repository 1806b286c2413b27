"""Keep the inputs and results of every module call of one step, so that each can be made again, alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.nn.modules import module as torch_module
from torch.nn.parameter import is_lazy

from detaudit.model.trace import Phase, StreamRole
from detaudit.record.identity import IdentityMap
from detaudit.record.names import plain_path
from detaudit.record.observing import observing
from detaudit.record.recorder import Recorder
from detaudit.record.stream import StreamState
from detaudit.replay.calls.compiled_parts import has_compiled_parts
from detaudit.replay.calls.module_call import ModuleCall, State
from detaudit.replay.wire.layers import Identity
from detaudit.torch_private.compiling import tracing_state
from detaudit.torch_private.tensors import is_fake, is_wrapped_by_functorch, tree_flatten

MOST_BYTES = 4 * 1024**3
"""If the values of a step take more memory than this, further values are not kept."""


class TooLargeError(Exception):
    """The values of the step take more memory than allowed."""

    def __init__(self) -> None:
        super().__init__(f"the values of the step take more than {MOST_BYTES / 1024**3:.0f} GiB")


class Copies:
    """Copies of tensors: one copy of each tensor, as long as its content stays the same."""

    def __init__(self) -> None:
        self._copies: IdentityMap[torch.Tensor, torch.Tensor] = IdentityMap()
        self._bytes = 0

    def of(self, tensor: torch.Tensor) -> torch.Tensor:
        """Return a copy of the tensor's present content. Raises TooLargeError or TypeError."""
        if is_fake(tensor) or tensor.is_meta or is_wrapped_by_functorch(tensor):
            raise TypeError(f"{type(tensor).__name__} has no memory of its own")
        known = self._copies.get(tensor)
        if known is not None and _same(known, tensor):
            return known
        self._bytes += tensor.numel() * tensor.element_size()
        if self._bytes > MOST_BYTES:
            raise TooLargeError
        copy = tensor.detach().clone()
        self._copies.set(tensor, copy)
        return copy

    def of_parameter(self, parameter: torch.Tensor) -> torch.Tensor:
        """Return the content that a parameter had when it was first seen in this step."""
        return self._copies.get(parameter) if parameter in self else self.of(parameter)  # type: ignore[return-value]  # just looked up

    def __contains__(self, tensor: torch.Tensor) -> bool:
        """Say whether there is a copy of the tensor."""
        return self._copies.get(tensor) is not None

    def arguments(self, leaves: list[Any]) -> list[Any]:
        """Return the arguments with copies in the place of the tensors."""
        return [self.of(leaf) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]


class LayerCalls:
    """Keeps the module calls of one step of the main thread."""

    def __init__(self, recorder: Recorder, step: int) -> None:
        self._recorder = recorder
        self._step = step
        self._counts: dict[tuple[str, str, str], int] = {}
        self._under_way: list[tuple[nn.Module, int | None]] = []
        self.copies = Copies()
        self.calls: list[ModuleCall] = []
        self.unkept: dict[Identity, str] = {}
        """Calls that could not be kept, and why."""
        before, after = observing(recorder, self._begins), observing(recorder, self._ends)

        # torch.compile traces through these: it takes `is_compiling()` as true and sees nothing else.
        def entering(module: nn.Module, args: tuple[Any, ...]) -> None:
            if torch.compiler.is_compiling():
                return
            if self.watches():
                # Of torch's global hooks, none is told the keyword arguments.
                before(module, args, sys._getframe(1).f_locals.get("kwargs") or {})

        def leaving(module: nn.Module, _args: tuple[Any, ...], output: object) -> None:
            if torch.compiler.is_compiling():
                return
            if self._under_way or self.watches():
                after(module, output)

        for handle in (
            torch_module.register_module_forward_pre_hook(entering),
            torch_module.register_module_forward_hook(leaving, always_call=True),
        ):
            recorder.scope.on_end(handle.remove)

    def watches(self) -> bool:
        """Say whether the calling thread is in the step whose values are kept."""
        if torch.compiler.is_compiling() or tracing_state() is not None or not self._recorder.active:
            return False
        return self.in_step(self._recorder.stream())

    def in_step(self, stream: StreamState) -> bool:
        """Say whether a stream belongs to the main thread and is in the step."""
        return (
            stream.step == self._step
            and not stream.is_side
            and self._recorder.process.role is StreamRole.MAIN
        )

    def _begins(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        under_way = self._recorder.stream().calls
        if not under_way or under_way[-1].module is not module:
            return
        name, phase = under_way[-1].name, under_way[-1].phase
        place = (name.root, name.path, phase.value)
        occurrence = self._counts[place] = self._counts.get(place, 0) + 1
        identity = (*place, occurrence - 1)
        number = None
        try:
            self.calls.append(self._kept(module, identity, args, kwargs))
            number = len(self.calls) - 1
        except Exception as error:  # noqa: BLE001 - one call that cannot be kept is no reason to lose the others
            self.unkept[identity] = _why(error)
        self._under_way.append((module, number))

    def _kept(
        self, module: nn.Module, identity: Identity, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> ModuleCall:
        leaves, spec = tree_flatten((args, kwargs))
        parameters = {plain_path(name): one for name, one in module.named_parameters()}
        if any(is_lazy(parameter) for parameter in parameters.values()):
            raise TypeError("its parameters are made in this call")
        parents = [number for _, number in self._under_way if number is not None]
        copies = self.copies
        call = ModuleCall(
            module,
            identity,
            parents[-1] if parents else None,
            State.now(module),
            copies.arguments(leaves),
            spec,
            tuple(
                at for at, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor) and leaf.requires_grad
            ),
            {name: copies.of_parameter(parameter) for name, parameter in parameters.items()},
            {plain_path(name): copies.of(buffer) for name, buffer in module.named_buffers()},
        )
        self._watch(call, call.of_inputs, leaves)
        return call

    def _ends(self, module: nn.Module, output: object) -> None:
        while self._under_way:
            called, number = self._under_way.pop()
            if called is module:
                if number is not None:
                    self._keep_output(self.calls[number], output)
                return

    def _keep_output(self, call: ModuleCall, output: object) -> None:
        leaves, _ = tree_flatten(output)
        try:
            call.outputs = self.copies.arguments(leaves)
        except Exception as error:  # noqa: BLE001 - as above
            self.unkept[call.identity] = _why(error)
            return
        call.ended = True
        self._watch(call, call.gradients, leaves)

    def _watch(self, call: ModuleCall, arrived: dict[int, torch.Tensor], leaves: list[Any]) -> None:
        """Keep the gradients that will arrive at these values."""
        if not torch.is_grad_enabled():
            return
        for position, tensor in enumerate(leaves):
            if isinstance(tensor, torch.Tensor) and tensor.grad_fn is not None:
                # On the graph's node, not on the tensor: the tensor stays as the program expects it.
                hook = self._arriving(call, arrived, position, tensor.output_nr)
                tensor.grad_fn.register_prehook(hook)

    def _arriving(
        self, call: ModuleCall, arrived: dict[int, torch.Tensor], position: int, number: int
    ) -> Callable[[tuple[torch.Tensor | None, ...]], None]:
        keep = observing(self._recorder, self._keep_gradient)

        def arriving(gradients: tuple[torch.Tensor | None, ...]) -> None:
            gradient = gradients[number]
            if gradient is not None:
                keep(call, arrived, position, gradient)

        return arriving

    def _keep_gradient(
        self, call: ModuleCall, arrived: dict[int, torch.Tensor], position: int, gradient: torch.Tensor
    ) -> None:
        known = arrived.get(position)
        try:
            arrived[position] = self.copies.of(gradient) if known is None else known + gradient.detach()
        except Exception as error:  # noqa: BLE001 - as above
            self.unkept[call.identity] = _why(error)

    def keep_parameter_gradients(self) -> None:
        """Keep the gradients of all parameters of the modules that were called, as they are now."""
        for call in self.calls:
            for name, parameter in _own_parameters(call.module):
                if parameter.grad is not None and name not in call.of_parameters:
                    try:
                        call.of_parameters[name] = self.copies.of(parameter.grad)
                    except Exception as error:  # noqa: BLE001 - as above
                        self.unkept[call.identity] = _why(error)

    def whole(self) -> list[ModuleCall]:
        """Return all calls that ended and were kept, in order."""
        return [
            call for call in self.calls if call.ended and call.identity not in self.unkept and _counts(call)
        ]


def _own_parameters(module: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Return the module's own parameters; of a compiled module all, since calls of its parts are unseen."""
    inside = has_compiled_parts(module)
    return ((plain_path(name), one) for name, one in module.named_parameters(recurse=inside))


def _why(error: Exception) -> str:
    known = isinstance(error, TooLargeError | TypeError)
    return str(error) if known else f"its values could not be kept: {type(error).__name__}: {error}"


def _counts(call: ModuleCall) -> bool:
    """Say whether to keep a call: not if it only recomputes values for a backward pass."""
    return call.identity[2] != Phase.BACKWARD or bool(call.gradients)


def _same(copy: torch.Tensor, tensor: torch.Tensor) -> bool:
    """Say whether a copy still has the tensor's content; False if that cannot be told cheaply."""
    if copy.shape != tensor.shape or copy.layout is not torch.strided or tensor.layout is not torch.strided:
        return False
    return copy.stride() == tensor.stride() and torch.equal(copy, tensor.detach())
