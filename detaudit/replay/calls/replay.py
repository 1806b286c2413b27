"""Make one module call again, alone, on kept values: in its own arithmetic or another, with its backward."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import nn

from detaudit.record.names import plain_path
from detaudit.replay.arithmetic.float64 import Float64
from detaudit.replay.calls.compiled_parts import compile_like, copy_without_compiling
from detaudit.replay.calls.module_call import ModuleCall, State
from detaudit.torch_private.modules import hooks_after, hooks_before, reparametrized
from detaudit.torch_private.tensors import TreeSpec, tree_leaves, tree_unflatten

OUTPUT, OF_INPUT, GRADIENT_OF, BUFFER = "output", "gradient of input", "gradient of ", "buffer "
INPUT, OF_OUTPUT = "input", "gradient of output"
FORWARD, BACKWARD = "forward", "backward"

ValueKey = tuple[str, str]
"""Phase and value: `("backward", "gradient of weight")`."""
Values = dict[ValueKey, torch.Tensor]

_TORCHS_HOOKS = "torch.nn.utils"
"""Package whose hooks compute a module's weights, and so are part of the module."""


@dataclass(frozen=True, slots=True)
class Given:
    """Everything that a module call reads."""

    state: State
    leaves: list[Any]
    spec: TreeSpec
    differentiable: tuple[int, ...]
    parameters: Mapping[str, torch.Tensor]
    trained: frozenset[str]
    """The parameters that have gradients."""
    buffers: Mapping[str, torch.Tensor]
    gradients: Mapping[int, torch.Tensor]
    """Gradients that arrive at the outputs in the backward pass, by position."""


def given_by(call: ModuleCall) -> Given:
    """Collect everything that a call of this run read."""
    return Given(
        call.state,
        call.leaves,
        call.spec,
        call.differentiable,
        call.parameters,
        trained(call.module),
        call.buffers,
        call.gradients,
    )


def trained(module: nn.Module) -> frozenset[str]:
    """Return the names of the parameters that have gradients."""
    return frozenset(plain_path(name) for name, one in module.named_parameters() if one.requires_grad)


def replay(module: nn.Module, given: Given, arithmetic: Float64 | None = None) -> Values:
    """Call a copy of the module forward and backward, in its own arithmetic or another.

    The module itself stays as it is. Its compiled parts are compiled in the copy too, but run eagerly in
    another arithmetic than their own. Errors that its code raises are passed on.
    """
    alone = copy_of(module)
    if arithmetic is None:
        alone = compile_like(module, alone)
    # What is given twice is one tensor here too: some modules ask whether it is.
    inputs = each_once(given.leaves, lambda leaf: entering(leaf, arithmetic))
    parameters = {name: entering(one, arithmetic) for name, one in given.parameters.items()}
    buffers = {name: entering(one, arithmetic) for name, one in given.buffers.items()}
    before = {name: one.clone() for name, one in buffers.items() if "." not in name}
    with given.state.entered(alone), computing(arithmetic):
        leaves = {at: inputs[at].requires_grad_() for at in given.differentiable}
        weights = {name: one.requires_grad_() for name, one in parameters.items() if name in given.trained}
        # A leaf of the graph itself may not be changed in place, as some modules do with their input.
        args, kwargs = tree_unflatten(
            each_once(inputs, lambda leaf: leaf.clone() if leaf.requires_grad else leaf), given.spec
        )
        # Until the way back is done: a checkpoint calls the module again there.
        with reparametrized(alone, _named_as_in(alone, {**parameters, **buffers}), tie_weights=True):
            outputs = tree_leaves(alone(*args, **kwargs))
            values = _outputs(outputs)
            values |= _changed(before, buffers)
            if given.state.gradients and given.gradients:
                arriving = {at: entering(one, arithmetic) for at, one in given.gradients.items()}
                values |= _gradients(outputs, arriving, leaves, weights)
    return values


def each_once(leaves: Sequence[Any], change: Callable[[torch.Tensor], torch.Tensor]) -> list[Any]:
    """Change each tensor among the arguments; a tensor that is given twice stays one tensor."""
    known: dict[int, torch.Tensor] = {}
    changed = []
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            if id(leaf) not in known:
                known[id(leaf)] = change(leaf)
            leaf = known[id(leaf)]  # noqa: PLW2901 - what stands in its place
        changed.append(leaf)
    return changed


def _named_as_in(module: nn.Module, tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename tensors to the names that a module with compiled parts gives them."""
    here = chain(module.named_parameters(), module.named_buffers())
    names = {plain_path(name): name for name, _ in here}
    return {names.get(name, name): tensor for name, tensor in tensors.items()}


def copy_of(module: nn.Module) -> nn.Module:
    """Copy a module without the user's hooks; the copy shares the weights, which a call replaces.

    Nothing in it is compiled.
    """
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        memo[id(tensor)] = tensor
    for part in module.modules():
        for value in vars(part).values():
            # What an earlier call has computed and left behind; torch copies no such tensors.
            if isinstance(value, torch.Tensor) and value.grad_fn is not None:
                memo[id(value)] = value.detach().clone()
    alone = copy_without_compiling(module, memo)
    for part in alone.modules():
        _keep_torchs(hooks_before(part))
        for hooks in hooks_after(part):
            hooks.clear()
    return alone


@contextlib.contextmanager
def computing(arithmetic: Float64 | None) -> Iterator[None]:
    """Compute in this arithmetic; new tensors get its dtype where the program names none."""
    before = torch.get_default_dtype()
    try:
        if arithmetic is None:
            yield
            return
        torch.set_default_dtype(torch.float64)
        with arithmetic:
            yield
    finally:
        torch.set_default_dtype(before)


def entering(value: Any, arithmetic: Float64 | None) -> Any:
    """Bring a kept value into the arithmetic: copy a tensor, return anything else as it is."""
    if not isinstance(value, torch.Tensor):
        return value
    return value.detach().clone() if arithmetic is None else arithmetic.entering(value.detach())


def _keep_torchs(hooks: dict[int, Any]) -> None:
    for number, hook in list(hooks.items()):
        if not type(hook).__module__.startswith(_TORCHS_HOOKS):
            del hooks[number]


def _outputs(outputs: list[Any]) -> Values:
    tensors = ((at, one) for at, one in enumerate(outputs) if isinstance(one, torch.Tensor))
    return {(FORWARD, numbered(OUTPUT, at)): one.detach().clone() for at, one in tensors}


def _changed(before: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> Values:
    return {
        (FORWARD, BUFFER + name): buffers[name].detach()
        for name, old in before.items()
        if not torch.equal(old, buffers[name])
    }


def _gradients(
    outputs: list[Any],
    arriving: Mapping[int, torch.Tensor],
    inputs: dict[int, torch.Tensor],
    weights: dict[str, torch.Tensor],
) -> Values:
    """Compute the gradients of inputs and parameters from the arriving gradients."""
    ends = [at for at in arriving if at < len(outputs) and isinstance(outputs[at], torch.Tensor)]
    ends = [at for at in ends if outputs[at].requires_grad]
    starts = {OF_INPUT if not at else f"{OF_INPUT} {at}": one for at, one in inputs.items()}
    starts |= {GRADIENT_OF + name: one for name, one in weights.items()}
    if not ends or not starts:
        return {}
    gradients = [arriving[at].to(outputs[at].device, outputs[at].dtype) for at in ends]
    found = torch.autograd.grad(
        [outputs[at] for at in ends], list(starts.values()), gradients, allow_unused=True
    )
    made = zip(starts, found, strict=True)
    return {(BACKWARD, name): gradient.detach() for name, gradient in made if gradient is not None}


def numbered(name: str, position: int) -> str:
    """Name one of several values by its position; the first name has no number."""
    return f"{name} {position}" if position else name
